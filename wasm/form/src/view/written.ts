/** What a policy, an application or a decision names, and the values, as people write them. */
import { html, type TemplateResult } from 'lit';
import type { Field } from 'fieldscore';
import type { Language, Word } from '../i18n/index.js';

/** How names and values are written. */
export interface Writing {
  language: Language;
  /** The language of the fields' labels. */
  texts: string;
  fields: readonly Field[];
}

/** What the form has words for. */
export const WORDS: ReadonlyMap<string, Word> = new Map([
  ['true', 'yes'],
  ['false', 'no'],
  ['approve', 'approve'],
  ['refer', 'refer'],
  ['decline', 'decline'],
  ['outcome', 'outcome'],
  ['score', 'score'],
  ['knock_out', 'rule'],
  ['expired', 'flagExpired'],
  ['not_yet_valid', 'flagNotYet'],
  ['automation_refused', 'flagAutomation'],
]);

/** A field's label, a word of the form, or else the name as the policy has it. */
export function name(name: string, { language: { say, tag }, texts, fields }: Writing): TemplateResult | string {
  const field = fields.find((field) => field.name === name);
  if (field) return html`<span lang=${texts} dir="auto">${field.label(tag)}</span>`;
  const word = WORDS.get(name);
  return word ? say(word) : name;
}

/** A value, of a field or of the policy: a number with its unit, a category's label, a word. */
export function value(
  value: number | boolean | string | null, { language: { say, tag, number }, fields }: Writing, of?: string, unit?: string,
): string {
  if (value === null) return say('noValue');
  const field = fields.find((field) => field.name === of);
  const text = String(value);
  const category = field?.categories?.find(({ code }) => code === text);
  if (category) return category.label(tag);
  const word = WORDS.get(text);
  if (word) return say(word);
  if (typeof value !== 'number' && !/^-?\d+(\.\d+)?$/.test(text)) return text;
  const beside = unit || (field?.type === 'money' ? field.currency : field?.unit);
  return `${number(text, field?.decimals ?? text.split('.')[1]?.length)}${beside ? ` ${beside}` : ''}`;
}
