/** Which words to show: the form's own, in the language asked for or the browser's. */
import { ar } from './ar.js';
import { en, type Words } from './en.js';
import { es } from './es.js';
import { fr } from './fr.js';
import { sw } from './sw.js';
import { zh } from './zh.js';

export type { Words };
export type Word = keyof Words;

const LANGUAGES: Record<string, Words> = { en, es, fr, sw, ar, zh };

/** The languages of the form's own words. */
export const languages = Object.keys(LANGUAGES);

/** One of the form's words with its blanks filled in. */
export type Say = (word: Word, blanks?: Record<string, string | number>) => string;

/** The words and the way numbers and dates are written, for one language. */
export interface Language {
  /** The BCP-47 tag asked for; texts of the bundle are looked up with it. */
  readonly tag: string;
  /** The tag of the form's own words. */
  readonly words: string;
  readonly direction: 'ltr' | 'rtl';
  /** The character between whole and fraction in numbers as people here type them. */
  readonly mark: '.' | ',';
  readonly say: Say;
  number(value: number | string, decimals?: number): string;
  when(iso: string): string;
}

/** The first of `wanted` that the form has words for, by RFC 4647 lookup; else English. */
function lookup(wanted: readonly string[]): { tag: string; words: string } {
  for (const tag of wanted) {
    for (let part = tag.toLowerCase(); part; part = part.slice(0, Math.max(0, part.lastIndexOf('-')))) {
      if (part in LANGUAGES) return { tag, words: part };
    }
  }
  return { tag: 'en', words: 'en' };
}

function mark(tag: string): '.' | ',' {
  const parts = new Intl.NumberFormat(tag).formatToParts(1.5);
  return parts.some((part) => part.type === 'decimal' && part.value === ',') ? ',' : '.';
}

/** The language for `lang`, or the browser's where it is empty. */
export function language(lang: string | null | undefined): Language {
  const browsers = globalThis.navigator?.languages ?? [];
  const { tag, words } = lookup(lang ? [lang] : browsers);
  const list = LANGUAGES[words] ?? en;
  // Latin digits everywhere: they are what the form reads back, and what records hold.
  const latin = (() => {
    try {
      return new Intl.Locale(tag, { numberingSystem: 'latn' }).toString();
    } catch {
      return words;
    }
  })();
  return {
    tag,
    words,
    direction: words === 'ar' ? 'rtl' : 'ltr',
    mark: mark(latin),
    say: (word, blanks = {}) =>
      list[word].replace(/\{(\w+)\}/g, (whole, name: string) => String(blanks[name] ?? whole)),
    number: (value, decimals) =>
      new Intl.NumberFormat(latin, {
        minimumFractionDigits: decimals,
        maximumFractionDigits: decimals ?? 20,
      }).format(Number(value)),
    when: (iso) =>
      new Intl.DateTimeFormat(latin, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(iso)),
  };
}
