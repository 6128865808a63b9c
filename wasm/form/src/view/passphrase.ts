/** The staff passphrase: where it is set and given, where it is changed, and what a reset costs. */
import { html, nothing, type TemplateResult } from 'lit';
import type { Language, Word } from '../i18n/index.js';
import type { Part, Passphrases } from '../passphrases.js';

export interface PassphraseView {
  language: Language;
  passphrases: Passphrases;
  give(passphrase: string, again: string | undefined): void;
  /** Whether it was changed. */
  change(present: string, next: string, again: string): Promise<boolean>;
  ask(): void;
  reset(sure: boolean): void;
  keep(): void;
}

/** Before staff have unlocked. */
export function giveView(view: PassphraseView): TemplateResult {
  const { say } = view.language;
  const { isSet } = view.passphrases;
  const submit = (event: SubmitEvent) => {
    const typed = read(event);
    view.give(typed('passphrase') ?? '', typed('again'));
    (event.target as HTMLFormElement).reset();
  };
  return html`<form class="fields one" @submit=${submit} novalidate>
      <p class="help">${say(isSet ? 'staffEnter' : 'staffSet')}</p>
      ${box(view, 'give', 'passphrase', 'passphrase', isSet)} ${isSet ? nothing : box(view, 'give', 'again', 'passphraseAgain', false)}
      ${fault(view, 'give')}
      <div class="row">
        <button>${say(isSet ? 'unlock' : 'setPass')}</button>
        ${isSet ? html`<button type="button" class="plain" data-lost @click=${view.ask}>${say('passLost')}</button>` : nothing}
      </div>
    </form>
    ${resetView(view)}`;
}

/** Once they have. */
export function changeView(view: PassphraseView): TemplateResult {
  const { say } = view.language;
  const submit = async (event: SubmitEvent) => {
    const form = event.target as HTMLFormElement;
    const typed = read(event);
    const done = await view.change(typed('present') ?? '', typed('next') ?? '', typed('next-again') ?? '');
    form.reset();
    const about = form.closest('details');
    if (!done || !about) return;
    about.open = false;
    about.querySelector('summary')?.focus();
  };
  return html`<details>
    <summary>${say('changePass')}</summary>
    <form class="fields one" @submit=${(event: SubmitEvent) => void submit(event)} novalidate>
      ${box(view, 'change', 'present', 'passPresent', true)} ${box(view, 'change', 'next', 'passNew', false)}
      ${box(view, 'change', 'next-again', 'passphraseAgain', false)} ${fault(view, 'change')}
      <div class="row"><button data-change>${say('changePass')}</button></div>
    </form>
  </details>`;
}

function resetView(view: PassphraseView): TemplateResult | typeof nothing {
  const { say, number } = view.language;
  const { losing } = view.passphrases;
  if (!losing) return nothing;
  const { records, unexported, drafts } = losing;
  const blanks = { records: number(records), unexported: number(unexported), drafts: number(drafts) };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const { elements } = event.target as HTMLFormElement;
    view.reset((elements.namedItem('sure') as HTMLInputElement).checked);
  };
  const cancel = (event: Event) => {
    event.preventDefault();
    view.keep();
  };
  return html`<dialog class="reset" aria-labelledby="reset-title" aria-describedby="reset-tell" @cancel=${cancel}>
    <h3 id="reset-title">${say('resetTitle')}</h3>
    <form class="fields" @submit=${submit} novalidate>
      <p id="reset-tell" data-records=${records} data-unexported=${unexported} data-drafts=${drafts}>${say('resetTell', blanks)}</p>
      <label class="check">
        <input type="checkbox" name="sure" aria-describedby="reset-fault" /><span>${say('resetSure')}</span>
      </label>
      ${fault(view, 'reset')}
      <div class="row">
        <button type="button" class="main" @click=${view.keep}>${say('cancel')}</button>
        <button data-reset>${say('resetNow')}</button>
      </div>
    </form>
  </dialog>`;
}

function read(event: SubmitEvent): (name: string) => string | undefined {
  event.preventDefault();
  const { elements } = event.target as HTMLFormElement;
  return (name) => (elements.namedItem(name) as HTMLInputElement | null)?.value;
}

function box(view: PassphraseView, part: Part, name: string, word: Word, present: boolean): TemplateResult {
  const wrong = view.passphrases.wrong?.part === part;
  return html`<div class="field">
    <label for="staff-${name}">${view.language.say(word)}</label>
    <div class="entry">
      <input
        id="staff-${name}" name=${name} type="password" dir="ltr" required
        autocomplete=${present ? 'current-password' : 'new-password'}
        aria-describedby="${part}-fault" aria-invalid=${wrong ? 'true' : 'false'}
      />
    </div>
  </div>`;
}

function fault(view: PassphraseView, part: Part): TemplateResult {
  const { wrong } = view.passphrases;
  return html`<p class="error" id="${part}-fault" role="alert">${wrong?.part === part ? view.language.say(wrong.word) : ''}</p>`;
}
