/** What came out: outcome, score, reasons, and what moved the score. */
import { html, nothing, svg, type TemplateResult } from 'lit';
import type { Alternative, Explanation, Term } from 'fieldscore';
import { WORDS, name, value, type Writing } from './written.js';

export interface ResultView extends Writing {
  explanation: Explanation;
  /** The amounts and tiers of a decision that was made. */
  terms: readonly Term[];
  /** What would change it; nothing while it is scored as one types. */
  alternatives: readonly Alternative[];
  /** The label of a group, by code. */
  group(code: string): string;
  /** Whether the probability is shown: to staff. */
  probability: boolean;
  /** The rules that were tried: for staff. */
  trace: TemplateResult | undefined;
  /** The notice of a decision that was made. */
  notice?: TemplateResult | undefined;
}

/** A tick, a person, a cross: told apart by shape. */
const SHAPES: Record<Explanation['outcome'], TemplateResult> = {
  approve: svg`<path d="M5 12.5l4.5 4.5L19 7.5" />`,
  refer: svg`<circle cx="12" cy="8" r="3.5" /><path d="M5 20c1-4 4-5.5 7-5.5s6 1.5 7 5.5" />`,
  decline: svg`<path d="M6.5 6.5l11 11m0-11l-11 11" />`,
};

export function resultView(view: ResultView): TemplateResult {
  const { explanation: it, language } = view;
  const { say } = language;
  return html`
    <div class="verdict ${it.outcome}" data-outcome=${it.outcome}>
      <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.5" stroke-linecap="round" aria-hidden="true">
        ${SHAPES[it.outcome]}
      </svg>
      <span><span class="hidden">${say('outcome')}: </span>${say(it.outcome)}</span>
    </div>
    <dl class="figures">
      <div>
        <dt>${say('score')}</dt>
        <dd class="big" data-score=${it.score}>${language.number(it.score)}</dd>
      </div>
      ${view.probability
        ? html`<div>
            <dt>${say('probability')}</dt>
            <dd dir="ltr">${language.number((it.probabilityPpm / 10_000).toFixed(1), 1)} %</dd>
          </div>`
        : nothing}
    </dl>
    ${termsOf(view)} ${notes(view)}
    <h3>${say('reasons')}</h3>
    ${it.reasons.length
      ? html`<ol class="reasons">
          ${it.reasons.map((reason) => html`<li data-reason=${reason.code} lang=${view.texts} dir="auto">${reason.text(language.tag)}</li>`)}
        </ol>`
      : html`<p>${say('noReasons')}</p>`}
    ${wouldChange(view)}
    <h3>${say('contributions')}</h3>
    <p class="help">${say('contributionsHelp', { reference: language.number(it.referenceScore) })}</p>
    ${bars(view)} ${view.trace ?? nothing} ${view.notice ?? nothing}
  `;
}

/** The amounts and tiers that the policy gives. */
function termsOf(view: ResultView): TemplateResult | typeof nothing {
  if (!view.terms.length) return nothing;
  return html`<h3>${view.language.say('terms')}</h3>
    <dl class="figures">
      ${view.terms.map(
        (term) => html`<div data-term=${term.name}>
          <dt>${name(term.name, view)}</dt>
          <dd><bdi>${value(term.text, view, term.name, term.unit)}</bdi></dd>
        </div>`,
      )}
    </dl>`;
}

/** Ways to a better outcome, each a list of answers that differ. */
function wouldChange(view: ResultView): TemplateResult | typeof nothing {
  const { alternatives, language } = view;
  const { say } = language;
  if (!alternatives.length) return nothing;
  return html`<h3 id="alternatives-title">${say('alternatives')}</h3>
    <p class="help">${say('alternativesHelp')}</p>
    <ol class="reasons" aria-labelledby="alternatives-title">
      ${alternatives.map(
        ({ changes, outcome }) => html`<li data-alternative=${outcome}>
          <strong>${say(outcome)}</strong>
          <ul>
            ${changes.map(({ field, value: to }) => html`<li data-change=${field}>${name(field, view)}: <bdi>${value(to, view, field)}</bdi></li>`)}
          </ul>
        </li>`,
      )}
    </ol>`;
}

function notes({ explanation: it, language, fields }: ResultView): TemplateResult | typeof nothing {
  const { say, tag } = language;
  const labels = (names: readonly string[]) =>
    names.map((name) => fields.find((field) => field.name === name)?.label(tag) ?? name).join(', ');
  const lines = [
    ...it.flags.flatMap((flag) => {
      const word = WORDS.get(flag);
      return word ? [say(word)] : [];
    }),
    ...(it.missing.length ? [`${say('flagMissing')}: ${labels(it.missing)}`] : []),
    ...(it.outOfRange.length ? [`${say('flagRange')}: ${labels(it.outOfRange)}`] : []),
    ...(it.unlisted.length ? [`${say('flagUnlisted')}: ${labels(it.unlisted)}`] : []),
    ...(it.fired.length ? [`${say('rule')}: ${it.fired.join(', ')}`] : []),
  ];
  return lines.length ? html`<ul class="flags">${lines.map((line) => html`<li>${line}</li>`)}</ul>` : nothing;
}

/**
 * A bar a group, from a middle line to the right where it raises the score, to the left where it lowers
 * it; the sign and the pattern say it as well.
 */
function bars({ explanation: it, language, texts, group }: ResultView): TemplateResult {
  const { say } = language;
  const most = Math.max(1, ...it.groups.map(({ points }) => Math.abs(points)));
  const rows = [...it.groups].sort((a, b) => Math.abs(b.points) - Math.abs(a.points));
  return html`<ul class="bars">
    ${rows.map(({ code, points }) => {
      const width = (Math.abs(points) / most) * 50;
      const x = points < 0 ? 50 - width : 50;
      const word = say(points === 0 ? 'same' : points < 0 ? 'lowers' : 'raises');
      const sign = points < 0 ? '−' : points > 0 ? '+' : '';
      return html`<li class="bar" data-group=${code} data-points=${points}>
        <span lang=${texts} dir="auto">${group(code)}</span>
        <span class="points"><span dir="ltr">${sign}${language.number(Math.abs(points))}</span><span class="hidden"> ${say('points')}, ${word}</span></span>
        <svg aria-hidden="true">
          <defs>
            <pattern id="stripes-${code}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
              <rect width="6" height="6" fill="#fff" />
              <rect width="3" height="6" fill="#9b2c1d" />
            </pattern>
          </defs>
          <rect class="track" x="0" y="0" width="100%" height="16" rx="3" />
          ${points < 0
            ? svg`<rect x="${x}%" y="1" width="${width}%" height="14" fill="url(#stripes-${code})" stroke="#9b2c1d" />`
            : svg`<rect class="up" x="${x}%" y="1" width="${width}%" height="14" />`}
          <line class="axis" x1="50%" x2="50%" y1="-2" y2="18" />
        </svg>
      </li>`;
    })}
  </ul>`;
}
