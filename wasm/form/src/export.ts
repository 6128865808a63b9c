/** Saved decisions as files. */
import type { Saved } from './store/records.js';

/** A decision, and how often its application was decided. */
type Exported = Saved & { decisions: number };

export type Format = 'csv' | 'json' | 'age';

/** JSON lines: an object a decision, its canonical record in base64, as the command's `replay` reads them. */
export function jsonLines(entries: readonly Exported[]): string {
  const line = (entry: Exported) =>
    JSON.stringify({
      id: entry.id,
      as_of: entry.asOf,
      decided_at: entry.decidedAt,
      decision: entry.decision,
      decisions: entry.decisions,
      automation: entry.automation,
      values: entry.values,
      score: entry.score,
      probability_ppm: entry.probabilityPpm,
      outcome: entry.outcome,
      flags: entry.flags,
      reasons: entry.reasons,
      bundle_id: entry.bundleId,
      record: entry.record,
      ...(entry.terms && { terms: entry.terms }),
      ...(entry.overrides && { overrides: entry.overrides.map(({ bytes }) => bytes) }),
    });
  return entries.map((entry) => `${line(entry)}\n`).join('');
}

type Cell = string | number | boolean;

/**
 * Comma-separated, RFC 4180, with a byte order mark so that spreadsheets read UTF-8. Of overrides the last one, which holds,
 * stands beside the decision.
 */
export function csv(entries: readonly Exported[], fields: readonly string[]): string {
  const terms = new Set(entries.flatMap((entry) => Object.keys(entry.terms ?? {})));
  const columns: [title: string, of: (entry: Exported) => Cell | null | undefined][] = [
    ['id', (it) => it.id],
    ['as_of', (it) => it.asOf],
    ['decided_at', (it) => it.decidedAt],
    ['decision', (it) => it.decision],
    ['decisions', (it) => it.decisions],
    ['automation', (it) => it.automation],
    ...fields.map((name): (typeof columns)[number] => [name, (it) => it.values[name]]),
    ['score', (it) => it.score],
    ['probability_ppm', (it) => it.probabilityPpm],
    ...Array.from(terms, (name): (typeof columns)[number] => [`term_${name}`, (it) => it.terms?.[name]]),
    ['outcome', (it) => it.outcome],
    ['flags', (it) => it.flags.join(' ')],
    ['reasons', (it) => it.reasons.join(' ')],
    ['override_by', (it) => it.overrides?.at(-1)?.by],
    ['override_outcome', (it) => it.overrides?.at(-1)?.outcome],
    ['override_reason', (it) => it.overrides?.at(-1)?.reason],
    ['override_as_of', (it) => it.overrides?.at(-1)?.asOf],
    ['bundle_id', (it) => it.bundleId],
    ['record', (it) => it.record],
  ];
  const rows = [columns.map(([title]) => title as Cell), ...entries.map((entry) => columns.map(([, of]) => of(entry) ?? ''))];
  return `\uFEFF${rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('')}`;
}

/** A cell; text that a spreadsheet would run as a formula gets an apostrophe before it. */
function cell(value: Cell): string {
  let text = String(value);
  if (/^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d.]+$/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The file of an export. The encrypted one holds the JSON lines. */
export async function file(
  format: Format, entries: readonly Exported[], fields: readonly string[], recipient: string | null,
): Promise<{ name: string; blob: Blob }> {
  const stem = `fieldscore-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '')}`;
  if (format === 'csv') {
    return { name: `${stem}.csv`, blob: new Blob([csv(entries, fields)], { type: 'text/csv' }) };
  }
  const lines = jsonLines(entries);
  if (format === 'json') {
    return { name: `${stem}.jsonl`, blob: new Blob([lines], { type: 'application/jsonl' }) };
  }
  // Loaded when first needed: most visitors never export.
  const { Encrypter } = await import('age-encryption');
  const age = new Encrypter();
  age.addRecipient(recipient ?? '');
  const closed = await age.encrypt(lines);
  return { name: `${stem}.jsonl.age`, blob: new Blob([closed.slice()], { type: 'application/octet-stream' }) };
}

/** Has the browser save a file. */
export function download(name: string, blob: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The download has its own hold on the bytes by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
