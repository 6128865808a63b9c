/** What only staff see: saved applications, exports. */
import { html, nothing, type TemplateResult } from 'lit';
import type { Outcome } from 'fieldscore';
import type { Format } from '../export.js';
import type { Language, Say } from '../i18n/index.js';
import type { Draft, Entry } from '../store/records.js';
import { changeView, giveView, type PassphraseView } from './passphrase.js';

export interface StaffView {
  language: Language;
  passphrase: PassphraseView;
  entries: readonly Entry[];
  drafts: readonly Draft[];
  canEncrypt: boolean;
  override: TemplateResult | typeof nothing;
  lock(): void;
  open(what: Entry | Draft): void;
  discard(draft: Draft): void;
  export(format: Format): void;
}

export function staffView(view: StaffView): TemplateResult {
  return html`<section class="card" aria-labelledby="staff-title">
    <h2 id="staff-title">${view.language.say('staff')}</h2>
    ${view.passphrase.passphrases.isOpen ? list(view) : giveView(view.passphrase)}
  </section>`;
}

function list(view: StaffView): TemplateResult {
  const { say, when, number } = view.language;
  const { entries, drafts } = view;
  return html`
    ${entries.length + drafts.length === 0
      ? html`<p>${say('none')}</p>`
      : html`<div class="scroll" tabindex="0" role="group" aria-label=${say('decisions')}>
          <table>
            <thead>
              <tr>
                <th scope="col">${say('applicationId')}</th>
                <th scope="col">${say('outcome')}</th>
                <th scope="col">${say('score')}</th>
                <th scope="col">${say('decided')}</th>
                <th scope="col">${say('decisions')}</th>
                <th scope="col">${say('exported')}</th>
                <td></td>
              </tr>
            </thead>
            <tbody>
              ${drafts.map(
                (draft) => html`<tr data-draft=${draft.id}>
                  <th scope="row" dir="ltr">${draft.id}</th>
                  <td>${say('draft')}</td>
                  <td></td>
                  <td>${when(draft.savedAt)}</td>
                  <td></td>
                  <td></td>
                  <td class="row">
                    <button type="button" @click=${() => view.open(draft)}>${say('resume')}<span class="hidden"> ${draft.id}</span></button>
                    <button type="button" @click=${() => view.discard(draft)}>${say('discard')}<span class="hidden"> ${draft.id}</span></button>
                  </td>
                </tr>`,
              )}
              ${entries.map(
                (entry) => html`<tr data-entry=${entry.id}>
                  <th scope="row" dir="ltr">${entry.id}</th>
                  <td>${say(entry.outcome as Outcome)}${overridden(entry, say)}</td>
                  <td>${number(entry.score)}</td>
                  <td>${when(entry.decidedAt)}</td>
                  <td data-decisions=${entry.decisions}>${number(entry.decisions)}</td>
                  <td>${entry.exportedAt === undefined ? say('no') : when(new Date(entry.exportedAt).toISOString())}</td>
                  <td><button type="button" aria-label=${say('openOne', { id: entry.id })} @click=${() => view.open(entry)}>${say('open')}</button></td>
                </tr>`,
              )}
            </tbody>
          </table>
        </div>`}
    <div class="row">
      ${entries.length
        ? html`<span>${say('exportAs')}:</span>
            <button type="button" data-export="csv" @click=${() => view.export('csv')}>CSV</button>
            <button type="button" data-export="json" @click=${() => view.export('json')}>JSON</button>
            ${view.canEncrypt
              ? html`<button type="button" data-export="age" @click=${() => view.export('age')}>${say('exportAge')}</button>`
              : nothing}`
        : nothing}
      <button type="button" data-lock @click=${view.lock}>${say('lock')}</button>
    </div>
    ${entries.length && !view.canEncrypt ? html`<p class="help">${say('noRecipient')}</p>` : nothing}
    ${view.override} ${changeView(view.passphrase)}
  `;
}

/** What staff decided in a decision's place last. */
function overridden({ overrides }: Entry, say: Say): string {
  const last = overrides?.at(-1);
  return last ? ` (${say('overridden')}: ${say(last.outcome)})` : '';
}
