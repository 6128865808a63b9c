/** The questions of an application, and the button that decides it. */
import { html, nothing, type TemplateResult } from 'lit';
import type { Field } from 'fieldscore';
import { checkId, type Check } from '../fields.js';
import type { Language } from '../i18n/index.js';
import { fieldView } from './field.js';

export interface QuestionsView {
  language: Language;
  /** The language of the bundle's own texts. */
  texts: string;
  fields: readonly Field[];
  answer(field: Field): string;
  check(field: Field): Check;
  /** Whether what is missing or too small yet may be said. */
  left(field: Field): boolean;
  /** Whether it was to be decided already: then what is wrong is said in one place, too. */
  tried: boolean;
  consent: boolean;
  /** Whether staff fill it in, who also name it. */
  agent: boolean;
  id: string;
  /** Whether a decision is saved for staff. */
  saves: boolean;
  change(field: Field, answer: string): void;
  leave(field: Field): void;
  agree(consent: boolean): void;
  rename(id: string): void;
  decide(): void;
  startOver(): void;
}

export function questionsView(view: QuestionsView): TemplateResult {
  const { language, texts, fields, agent } = view;
  const { say } = language;
  const required = fields.filter((field) => field.required);
  const done = required.filter((field) => !view.check(field).error).length;
  const wrong = fields.filter((field) => view.check(field).error);
  const submit = (event: Event) => {
    event.preventDefault();
    view.decide();
  };
  return html`<form class="card" novalidate autocomplete="off" @submit=${submit}>
    ${view.tried && wrong.length ? summary(view, wrong) : nothing}
    <div class="fields">${agent ? idView(view) : nothing}
      ${fields.map((field) =>
        fieldView(field, {
          language,
          texts,
          answer: view.answer(field),
          check: view.check(field),
          left: view.left(field),
          change: (answer) => view.change(field, answer),
          leave: () => view.leave(field),
        }),
      )}
    </div>
    <label class="check">
      <input
        type="checkbox"
        id="consent"
        aria-describedby="consent-help"
        .checked=${view.consent}
        @change=${(event: Event) => view.agree((event.target as HTMLInputElement).checked)}
      />
      <span>${say(agent ? 'consent' : 'consentSelf')}<br /><span class="help" id="consent-help">${say('consentHelp')}</span></span>
    </label>
    <div class="row">
      <button class="main">${say(view.saves ? 'save' : 'decide')}</button>
      ${agent ? html`<button type="button" @click=${view.startOver}>${say('startOver')}</button>` : nothing}
      <span class="status">${say('progress', { done, all: required.length })}</span>
    </div>
  </form>`;
}

function idView(view: QuestionsView): TemplateResult {
  const { error } = checkId(view.id, view.language);
  return html`<div class="field">
    <label for="application-id">${view.language.say('applicationId')}</label>
    <div class="entry">
      <input
        id="application-id" dir="ltr" autocomplete="off" spellcheck="false"
        aria-describedby="application-id-said" aria-invalid=${error ? 'true' : 'false'}
        .value=${view.id}
        @input=${(event: Event) => view.rename((event.target as HTMLInputElement).value.trim())}
      />
    </div>
    <p class="error" id="application-id-said" aria-live="polite">${error ?? ''}</p>
  </div>`;
}

/** What needs another look, each leading to its question. */
function summary(view: QuestionsView, wrong: readonly Field[]): TemplateResult {
  const { say, tag } = view.language;
  const go = (event: Event, name: string) => {
    event.preventDefault();
    const root = (event.target as HTMLElement).getRootNode() as ShadowRoot;
    root.querySelector<HTMLElement>(`#f-${CSS.escape(name)}`)?.focus();
  };
  return html`<div class="notice bad summary" role="alert" tabindex="-1">
    <p>${say('errSummary', { n: wrong.length })}</p>
    <ul>
      ${wrong.map(
        (field) => html`<li>
          <a href="#f-${field.name}" @click=${(event: Event) => go(event, field.name)}
            ><span lang=${view.texts} dir="auto">${field.label(tag)}</span></a
          >: ${view.check(field).error}
        </li>`,
      )}
    </ul>
  </div>`;
}
