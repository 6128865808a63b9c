/** The notice of a decision: shown, printed, or saved to send on. */
import { html, nothing, render, type TemplateResult } from 'lit';
import type { Notice } from 'fieldscore';
import { download } from '../export.js';
import type { Language } from '../i18n/index.js';

/** `saves`: whether it may be saved on this device, which a kiosk's visitors should not. */
export function noticeView(language: Language, id: string, notice: Notice, saves: boolean): TemplateResult {
  const { say } = language;
  const save = () => download(`${id}.txt`, new Blob([notice.text], { type: 'text/plain' }));
  return html`<details class="notice">
    <summary>${say('notice')}</summary>
    ${article(notice)}
    <div class="row">
      <button type="button" data-notice-print @click=${() => print(notice)}>${say('printNotice')}</button>
      ${saves ? html`<button type="button" data-notice-save @click=${save}>${say('saveNotice')}</button>` : nothing}
    </div>
  </details>`;
}

/** The notice itself, in its own language. */
function article(notice: Notice): TemplateResult {
  return html`<article lang=${notice.language} dir=${notice.rightToLeft ? 'rtl' : 'ltr'}>
    <h3>${notice.title}</h3>
    <dl>
      ${notice.facts.map(({ label, value }) => html`<div><dt>${label}</dt><dd><bdi>${value}</bdi></dd></div>`)}
    </dl>
    <p><strong>${notice.statement}</strong></p>
    ${notice.reasons.length
      ? html`<h4>${notice.reasonsTitle}</h4>
          <ol class="reasons">${notice.reasons.map((reason) => html`<li>${reason}</li>`)}</ol>`
      : nothing}
    <h4>${notice.reviewTitle}</h4>
    <p class="lines">${notice.review}</p>
  </article>`;
}

/** Prints it alone, without the page around it: in a frame that is gone afterwards. */
function print(notice: Notice): void {
  const frame = document.createElement('iframe');
  frame.tabIndex = -1;
  frame.ariaHidden = 'true';
  Object.assign(frame.style, { position: 'fixed', inlineSize: '0', blockSize: '0', border: '0' });
  document.body.append(frame);
  const { contentDocument: page, contentWindow: view } = frame;
  if (!page || !view) return;
  page.documentElement.lang = notice.language;
  page.title = notice.title;
  page.body.style.font = '12pt/1.5 system-ui, sans-serif';
  render(article(notice), page.body);
  view.addEventListener('afterprint', () => frame.remove());
  view.print();
}
