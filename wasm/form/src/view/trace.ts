/** The rules that were tried, for staff. */
import { html, nothing, type TemplateResult } from 'lit';
import type { Tried } from 'fieldscore';
import { name, value, type Writing } from './written.js';

/** A row a rule: what it saw, whether it held, what it said. */
export function traceView(trace: readonly Tried[], writing: Writing): TemplateResult {
  const { say } = writing.language;
  // A table and its columns may be called as a field is, and are not it.
  const own = { ...writing, fields: [] };
  /** `bare`: whose names need not be said again. */
  const pairs = (all: Tried['saw'], as: Writing, ...bare: string[]) =>
    html`<ul>
      ${Object.entries(all).map(
        ([of, text]) => html`<li>${bare.includes(of) ? nothing : html`${name(of, as)}: `}<bdi>${value(text, as, of)}</bdi></li>`,
      )}
    </ul>`;
  return html`<details data-trace>
    <summary>${say('trace')}</summary>
    <div class="scroll" tabindex="0" role="group" aria-label=${say('trace')}>
      <table class="trace">
        <caption class="help">
          ${say('traceHelp')}
        </caption>
        <thead>
          <tr>
            <th scope="col">${say('rule')}</th>
            <th scope="col">${say('saw')}</th>
            <th scope="col">${say('held')}</th>
            <th scope="col">${say('said')}</th>
          </tr>
        </thead>
        <tbody>
          ${trace.map(
            ({ table, rule, saw, held, said }) => html`<tr data-tried="${table} ${rule}" data-held=${held}>
              <th scope="row">${table === 'flags' || table === 'fields' ? name(rule, writing) : html`${name(table, own)}: <bdi>${value(rule, own)}</bdi>`}</th>
              <td>${pairs(saw, writing, table, rule)}</td>
              <td>${value(held, own)}</td>
              <td>${pairs(said, own, 'outcome')}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}
