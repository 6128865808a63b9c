/**
 * From what people type to what the scorer reads. The bundle's schema says what is allowed; this only
 * turns local ways of writing (decimal comma, Arabic digits) into the runtime's one grammar, and tells
 * early what the scorer would refuse.
 */
import type { Field } from 'fieldscore';
import type { Language } from './i18n/index.js';

/** What is in the form: field name to text as typed, empty where nothing was given. */
export type Answers = Record<string, string>;

/** What there is to say about an answer. */
export interface Check {
  /** Why it cannot be taken. */
  error?: string;
  /** What will become of it. */
  note?: string;
  /** More typing may mend it: said only when the field is left. */
  early?: boolean;
}

const MAX_TEXT = 1000;
/** The application ids that the form takes; they name files and rows. */
const ID = /^[\p{L}\p{N}._-]{1,64}$/u;

/** Arabic-Indic, Persian and full-width digits, minus and decimal signs and full stops as ASCII. */
function ascii(text: string): string {
  return text
    .trim()
    .replace(/[\u0660-\u0669]/g, (digit) => String(digit.charCodeAt(0) - 0x660))
    .replace(/[\u06F0-\u06F9]/g, (digit) => String(digit.charCodeAt(0) - 0x6f0))
    .replace(/[\uFF10-\uFF19]/g, (digit) => String(digit.charCodeAt(0) - 0xff10))
    .replace(/[\u066B\uFF0E]/g, '.')
    .replace(/[\u2212\uFF0D]/g, '-');
}

function isNumeric(field: Field): boolean {
  return field.type === 'integer' || field.type === 'decimal' || field.type === 'money';
}

/** The runtime's text form of an answer. */
export function textForm(field: Field, text: string, language: Language): string {
  if (!isNumeric(field)) return field.type === 'date' ? ascii(text) : text.trim();
  const plain = ascii(text);
  return language.mark === ',' ? plain.replace(',', '.') : plain;
}

/** The values that the scorer is given; what has no answer is left out. */
export function values(fields: readonly Field[], answers: Answers, language: Language): Record<string, string | boolean> {
  const out: Record<string, string | boolean> = {};
  for (const field of fields) {
    const text = textForm(field, answers[field.name] ?? '', language);
    if (text === '') continue;
    out[field.name] = field.type === 'boolean' ? text === 'true' : text;
  }
  return out;
}

/** What a field's range is called in words, if it has one. */
export function bounds(field: Field, language: Language): { min: string; max: string } | undefined {
  if (field.min === undefined || field.max === undefined) return undefined;
  const shown = (end: number | string) =>
    field.type === 'date' ? String(end) : language.number(end, field.decimals);
  return { min: shown(field.min), max: shown(field.max) };
}

/** Checks one answer. */
export function check(field: Field, answer: string | undefined, language: Language): Check {
  const { say } = language;
  const text = textForm(field, answer ?? '', language);
  if (text === '') return field.required ? { error: say('errMissing'), early: true } : {};
  switch (field.type) {
    case 'integer':
    case 'decimal':
    case 'money':
      return checkNumber(field, text, language);
    case 'date':
      return checkDate(field, text, language);
    case 'text':
      return new TextEncoder().encode(text).length > MAX_TEXT ? { error: say('errText') } : {};
    default:
      return {};
  }
}

function checkNumber(field: Field, text: string, language: Language): Check {
  const { say } = language;
  const decimals = field.decimals ?? 0;
  const found = /^[+-]?(\d+)(?:\.(\d*))?$/.exec(text);
  if (!found) {
    const example = language.number(12.5, Math.max(1, decimals));
    const error = decimals ? say('errDecimal', { example }) : say('errNumber');
    return /^[+-]?$/.test(text) ? { error, early: true } : { error };
  }
  const fraction = found[2];
  if (fraction !== undefined && decimals === 0 && /[^0]/.test(fraction || '.')) return { error: say('errWhole') };
  if (fraction === '') return { error: say('errDecimal', { example: language.number(12.5, decimals) }), early: true };
  if (fraction !== undefined && /[^0]/.test(fraction.slice(decimals))) return { error: say('errDecimals', { n: decimals }) };
  return inRange(field, Number(text) < Number(field.min), Number(text) > Number(field.max), language);
}

function checkDate(field: Field, text: string, language: Language): Check {
  const error = language.say('errDate');
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return { error, early: text.length < 10 };
  const date = new Date(`${text}T00:00:00Z`);
  if (Number.isNaN(date.valueOf()) || date.toISOString().slice(0, 10) !== text) return { error };
  const [low, high] = [field.min, field.max];
  return inRange(field, low !== undefined && text < String(low), high !== undefined && text > String(high), language);
}

function inRange(field: Field, low: boolean, high: boolean, language: Language): Check {
  const ends = bounds(field, language);
  if (!ends || !(low || high)) return {};
  switch (field.outOfRange) {
    case 'clip':
      return { note: language.say(low ? 'clipLow' : 'clipHigh', ends) };
    case 'refuse':
      return { error: language.say(low ? 'errLow' : 'errHigh', ends), early: low };
    default:
      return { note: language.say('flagRange') };
  }
}

/** Checks an application's id. */
export function checkId(id: string, language: Language): Check {
  return ID.test(id) ? {} : { error: language.say('errId') };
}

/** A new application's id: the day, and enough chance that devices do not meet. */
export function newId(): string {
  const day = today().replaceAll('-', '');
  const alphabet = '23456789ABCDEFGHJKLMNPQRSTVWXYZ';
  const random = crypto.getRandomValues(new Uint8Array(8));
  return `${day}-${Array.from(random, (byte) => alphabet[byte % alphabet.length]).join('')}`;
}

/** The day where this device is. */
export function today(): string {
  const now = new Date();
  const two = (part: number) => String(part).padStart(2, '0');
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
}
