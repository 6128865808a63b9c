/** A person's decision in the place of a saved one, for staff. */
import { html, nothing, type TemplateResult } from 'lit';
import type { Outcome, Override } from 'fieldscore';
import type { Language } from '../i18n/index.js';
import type { Entry } from '../store/records.js';

export interface OverrideView {
  language: Language;
  /** The language of the reasons. */
  texts: string;
  /** The saved decisions of the bundle in use. */
  entries: readonly Entry[];
  /** Why staff may override one; none where they may not. */
  reasons: readonly { code: string; text: string }[];
  override(entry: Entry, made: Omit<Override, 'asOf'>): void;
}

const OUTCOMES: readonly Outcome[] = ['approve', 'refer', 'decline'];

export function overrideView(view: OverrideView): TemplateResult | typeof nothing {
  const { entries, reasons, texts } = view;
  const { say } = view.language;
  if (entries.length === 0 || reasons.length === 0) return nothing;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(given.get(name) ?? '').trim();
    const entry = entries.find(({ id }) => id === text('id'));
    if (entry) view.override(entry, { by: text('by'), outcome: text('outcome') as Outcome, reason: text('reason') });
  };
  return html`<details data-override>
    <summary>${say('override')}</summary>
    <form class="fields one" @submit=${submit}>
      <div class="field">
        <label for="override-id">${say('applicationId')}</label>
        <select id="override-id" name="id" required>
          ${entries.map(({ id, outcome }) => html`<option value=${id}>${id}: ${say(outcome as Outcome)}</option>`)}
        </select>
      </div>
      <div class="field">
        <label for="override-outcome">${say('overrideOutcome')}</label>
        <select id="override-outcome" name="outcome" required>
          ${OUTCOMES.map((outcome) => html`<option value=${outcome}>${say(outcome)}</option>`)}
        </select>
      </div>
      <div class="field">
        <label for="override-reason">${say('overrideReason')}</label>
        <select id="override-reason" name="reason" required lang=${texts} dir="auto">
          ${reasons.map(({ code, text }) => html`<option value=${code}>${text}</option>`)}
        </select>
      </div>
      <div class="field">
        <label for="override-by">${say('overrideBy')}</label>
        <input id="override-by" name="by" required maxlength="64" autocomplete="off" dir="auto" />
      </div>
      <button type="submit">${say('overrideKeep')}</button>
    </form>
  </details>`;
}
