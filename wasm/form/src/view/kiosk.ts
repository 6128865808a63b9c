/** What only a kiosk shows: the page before an applicant, and the question whether they are still there. */
import { html, type TemplateResult } from 'lit';
import type { Language } from '../i18n/index.js';

export function startView({ say }: Language, languageChoice: TemplateResult, begin: () => void): TemplateResult {
  return html`<div class="start">
    ${languageChoice}
    <h1 tabindex="-1">${say('title')}</h1>
    <p>${say('kioskWelcome')}</p>
    <button type="button" class="main" @click=${begin}>${say('kioskStart')}</button>
  </div>`;
}

export function lastCallView(seconds: number, { say }: Language, stay: () => void, clear: () => void): TemplateResult {
  const cancel = (event: Event) => {
    event.preventDefault();
    stay();
  };
  return html`<dialog class="idle" aria-labelledby="idle-title" @cancel=${cancel}>
    <h2 id="idle-title">${say('kioskIdle')}</h2>
    <p>${say('kioskIdleHelp', { s: seconds })}</p>
    <div class="row">
      <button type="button" class="main" @click=${stay}>${say('kioskStay')}</button>
      <button type="button" @click=${clear}>${say('kioskClear')}</button>
    </div>
  </dialog>`;
}
