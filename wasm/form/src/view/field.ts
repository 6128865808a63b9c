/** One question of the form. */
import { html, nothing, type TemplateResult } from 'lit';
import { live } from 'lit/directives/live.js';
import { ifDefined } from 'lit/directives/if-defined.js';
import type { Field } from 'fieldscore';
import { bounds, type Check } from '../fields.js';
import type { Language } from '../i18n/index.js';

/** What a question needs to know of the form. */
export interface FieldView {
  language: Language;
  /** The language of the bundle's own texts. */
  texts: string;
  answer: string;
  check: Check;
  /** Whether what is missing or too small yet may be said. */
  left: boolean;
  change(answer: string): void;
  leave(): void;
}

/** Units this short stand beside the box, longer ones below the question. */
const SHORT_UNIT = 12;
/** Up to so many categories are all shown at once. */
const FEW = 4;

export function fieldView(field: Field, view: FieldView): TemplateResult {
  const { say } = view.language;
  const options = optionsOf(field, view);
  const error = view.check.error && (view.left || !view.check.early) ? view.check.error : '';
  const id = `f-${field.name}`;
  const described = `${id}-help ${id}-said`;
  const said = html`<p class=${error ? 'error' : 'note'} id="${id}-said" aria-live="polite">${error || (view.check.note ?? '')}</p>`;
  const label = html`<span lang=${view.texts} dir="auto">${field.label(view.language.tag)}</span>
    ${field.required ? nothing : html`<span class="mark">(${say('optional')})</span>`}`;
  const help = html`<p class="help" id="${id}-help">${helpOf(field, view)}</p>`;
  if (options && options.length <= FEW) {
    const all = field.required ? options : [...options, { code: '', label: say('notStated') }];
    return html`<fieldset
      class="field"
      data-field=${field.name}
      role="radiogroup"
      aria-required=${field.required ? 'true' : 'false'}
      aria-describedby=${described}
      aria-invalid=${error ? 'true' : 'false'}
    >
      <legend>${label}</legend>
      ${help}
      <div class="options">
        ${all.map(
          (option, at) => html`<label class="option">
            <input
              type="radio"
              id=${ifDefined(at === 0 ? id : undefined)}
              name=${id}
              value=${option.code}
              .checked=${live(view.answer === option.code)}
              @change=${() => view.change(option.code)}
            />
            <span lang=${ifDefined(option.code && field.type === 'category' ? view.texts : undefined)} dir="auto">${option.label}</span>
          </label>`,
        )}
      </div>
      ${said}
    </fieldset>`;
  }
  return html`<div class="field ${options ? 'select' : field.type === 'text' ? '' : 'number'}" data-field=${field.name}>
    <label for=${id}>${label}</label>
    ${help}
    <div class="entry">
      ${options ? select(field, id, described, options, error, view) : input(field, id, described, error, view)}
      ${shortUnit(field) ? html`<span class="unit" lang="en" dir="auto" aria-hidden="true">${shortUnit(field)}</span>` : nothing}
    </div>
    ${said}
  </div>`;
}

function optionsOf(field: Field, view: FieldView): { code: string; label: string }[] | undefined {
  const { say, tag } = view.language;
  if (field.type === 'boolean') {
    return [{ code: 'true', label: say('yes') }, { code: 'false', label: say('no') }];
  }
  return field.categories?.map(({ code, label }) => ({ code, label: label(tag) }));
}

function shortUnit(field: Field): string | undefined {
  const unit = field.type === 'money' ? field.currency : field.unit;
  return unit && unit.length <= SHORT_UNIT ? unit : undefined;
}

function helpOf(field: Field, view: FieldView): TemplateResult {
  const { language, texts } = view;
  const help = field.help(language.tag);
  const ends = bounds(field, language);
  const unit = field.unit ?? field.currency;
  return html`${help ? html`<span lang=${texts} dir="auto">${help}</span> ` : nothing}${unit && !help?.includes(unit)
    ? html`<span class=${shortUnit(field) ? 'hidden' : ''}>${language.say('unit', { unit })} </span>`
    : nothing}${ends && !says(help, ends) ? language.say('range', ends) : nothing}${field.type === 'date' ? ` ${language.say('date')}` : nothing}`;
}

/** Whether the bundle's own words name both ends already. */
function says(help: string | undefined, ends: { min: string; max: string }): boolean {
  const numbers: string[] = help?.match(/\d+/g) ?? [];
  return numbers.includes(ends.min) && numbers.includes(ends.max);
}

function input(field: Field, id: string, described: string, error: string, view: FieldView): TemplateResult {
  const numeric = field.type !== 'text' && field.type !== 'date';
  return html`<input
    id=${id}
    type=${field.type === 'date' ? 'date' : 'text'}
    inputmode=${ifDefined(numeric ? (field.type === 'integer' ? 'numeric' : 'decimal') : undefined)}
    dir=${ifDefined(numeric ? 'ltr' : undefined)}
    min=${ifDefined(field.type === 'date' ? field.min : undefined)}
    max=${ifDefined(field.type === 'date' ? field.max : undefined)}
    autocomplete="off"
    autocapitalize="off"
    spellcheck="false"
    aria-describedby=${described}
    aria-required=${field.required ? 'true' : 'false'}
    aria-invalid=${error ? 'true' : 'false'}
    .value=${live(view.answer)}
    @input=${(event: Event) => view.change((event.target as HTMLInputElement).value)}
    @blur=${view.leave}
  />`;
}

function select(
  field: Field, id: string, described: string, options: { code: string; label: string }[], error: string, view: FieldView,
): TemplateResult {
  const { say } = view.language;
  const empty = field.required ? say('choose') : say('notStated');
  return html`<select
    id=${id}
    aria-describedby=${described}
    aria-required=${field.required ? 'true' : 'false'}
    aria-invalid=${error ? 'true' : 'false'}
    @change=${(event: Event) => view.change((event.target as HTMLSelectElement).value)}
    @blur=${view.leave}
  >
    <option value="" .selected=${live(view.answer === '')}>${empty}</option>
    ${options.map(
      (option) => html`<option value=${option.code} lang=${view.texts} .selected=${live(view.answer === option.code)}>${option.label}</option>`,
    )}
  </select>`;
}
