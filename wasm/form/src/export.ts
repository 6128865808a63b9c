/** Saved decisions as files. */
import type { Saved } from './store/records.js';

/** A decision, and how often its application was decided. */
type Exported = Saved & { decisions: number };

export type Format = 'csv' | 'json' | 'age';

const ENVELOPE = ['id', 'as_of', 'decided_at', 'decision', 'decisions', 'automation'] as const;
const DECISION = ['score', 'probability_ppm', 'outcome', 'flags', 'reasons', 'bundle_id', 'record'] as const;

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
      ...(entry.overrides && { overrides: entry.overrides }),
    });
  return entries.map((entry) => `${line(entry)}\n`).join('');
}

/** Comma-separated, RFC 4180, with a byte order mark so that spreadsheets read UTF-8. */
export function csv(entries: readonly Exported[], fields: readonly string[]): string {
  const rows: (string | number | boolean)[][] = [[...ENVELOPE, ...fields, ...DECISION]];
  for (const entry of entries) {
    rows.push([
      entry.id, entry.asOf, entry.decidedAt, entry.decision, entry.decisions, entry.automation,
      ...fields.map((name) => entry.values[name] ?? ''),
      entry.score, entry.probabilityPpm, entry.outcome, entry.flags.join(' '), entry.reasons.join(' '),
      entry.bundleId, entry.record,
    ]);
  }
  return `\uFEFF${rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('')}`;
}

/** A cell; text that a spreadsheet would run as a formula gets an apostrophe before it. */
function cell(value: string | number | boolean): string {
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
