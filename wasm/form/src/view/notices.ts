/** What the form has to say beside its questions: each says what happened and what to do. */
import { html, nothing, type TemplateResult } from 'lit';
import type { Language, Word } from '../i18n/index.js';

export interface Notice {
  /** Names it: the same one is shown once. */
  code: string;
  kind: 'info' | 'warn' | 'bad';
  word: Word;
  blanks?: Record<string, string | number>;
  actions?: { word: Word; run(): void; main?: boolean }[];
  /** Whether it can be closed. */
  closes?: boolean;
}

export function noticesView(notices: readonly Notice[], language: Language, close: (code: string) => void): TemplateResult {
  const { say } = language;
  const shown = (notice: Notice) => html`<div class="notice ${notice.kind}" data-notice=${notice.code}>
    <p>${say(notice.word, notice.blanks)}</p>
    ${notice.actions || notice.closes
      ? html`<div class="row">
          ${notice.actions?.map((action) => html`<button type="button" class=${action.main ? 'main' : ''} @click=${action.run}>${say(action.word)}</button>`)}
          ${notice.closes ? html`<button type="button" @click=${() => close(notice.code)}>${say('dismiss')}</button>` : nothing}
        </div>`
      : nothing}
  </div>`;
  // Both regions are always there, so that screen readers notice what enters them.
  return html`<div class="notices" role="alert">${notices.filter((n) => n.kind === 'bad').map(shown)}</div>
    <div class="notices" role="status">${notices.filter((n) => n.kind !== 'bad').map(shown)}</div>`;
}
