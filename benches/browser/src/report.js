// What was measured: one JSON object a figure, or tables with ratios.

const ms = (name) => (figure) => (figure[name] / 1e6).toFixed(1);
const us = (name) => (figure) => (figure[name] / 1e3).toFixed(2);
const kib = (name) => (figure) => Math.round(figure[name] / 1024);

/** What is compared, and what is asked of us against the peer's better precision: times as good. */
const RATIOS = [
  { of: "score", kind: { browser: "score" }, value: "median_ns", least: 5 },
  { of: "load, first visit", kind: { browser: "loading", visit: "first" }, value: "median_ns" },
  { of: "first score, first visit", kind: { browser: "loading", visit: "first" }, value: "first_score_ns", least: 10 },
  { of: "load, later visit", kind: { browser: "loading", visit: "later" }, value: "median_ns" },
  { of: "first score, later visit", kind: { browser: "loading", visit: "later" }, value: "first_score_ns" },
  { of: "first score, slow network", kind: { browser: "slow_network" }, value: "first_score_ns" },
  { of: "memory", kind: { browser: "memory" }, value: "resident_bytes" },
];

const LOADING = [
  ["to load, ms", ms("median_ns")],
  ["to the first score, ms", ms("first_score_ns")],
  ["KiB", kib("bytes")],
  ["KiB transferred", kib("transferred_bytes")],
];

/** The tables of one model. */
const TABLES = [
  ["a score, once warm", { browser: "score" }, [["µs", us("median_ns")]]],
  ["a first visit", { browser: "loading", visit: "first" }, LOADING],
  ["a later visit, from the browser's cache", { browser: "loading", visit: "later" }, LOADING],
  ["a first visit at 1.6 Mbit/s and 150 ms", { browser: "slow_network" }, LOADING],
  [
    "memory beyond an empty page's",
    { browser: "memory" },
    [
      ["resident KiB", kib("resident_bytes")],
      ["peak KiB", kib("peak_bytes")],
      ["wasm KiB", kib("wasm_bytes")],
    ],
  ],
];

const are = (kind) => (figure) => Object.entries(kind).every(([name, value]) => figure[name] === value);

/** The peer's better precision over ours, for each kind of figures that one model has. */
export function ratios(figures) {
  const found = [];
  for (const { of, kind, value, least } of RATIOS) {
    const [ours, ...peers] = figures.filter(are(kind));
    const [peer] = peers.sort((a, b) => a[value] - b[value]);
    if (!peer) continue;
    const ratio = peer[value] / ours[value];
    const { model, engine, precision } = peer;
    const judged = least === undefined ? {} : { at_least: least, met: ratio >= least };
    found.push({ browser: "ratio", of, model, engine, precision, ratio, ...judged });
  }
  return found;
}

/** Collects figures, ours first of each kind; as JSON each is printed at once, as tables at the end. */
export class Report {
  #json;
  #figures = [];

  constructor(json) {
    this.#json = json;
  }

  /** Takes a figure. */
  take(figure) {
    if (this.#json) console.log(JSON.stringify(figure));
    this.#figures.push(figure);
  }

  /** Prints the ratios, and the tables unless the figures went out as JSON. */
  finish() {
    for (const model of new Set(this.#figures.map((figure) => figure.model))) {
      const figures = this.#figures.filter(are({ model }));
      if (this.#json) {
        for (const ratio of ratios(figures)) console.log(JSON.stringify(ratio));
        continue;
      }
      for (const [title, kind, columns] of TABLES) table(`${model}, ${title}`, figures.filter(are(kind)), columns);
      console.log(`\n${model}, times ours`);
      for (const { of, engine, precision, ratio, at_least, met } of ratios(figures)) {
        const verdict = at_least === undefined ? "" : `, at least ${at_least}×: ${met ? "met" : "not met"}`;
        console.log(`  ${of.padEnd(26)} ${engine} ${precision.padEnd(5)} ${ratio.toFixed(2)}×${verdict}`);
      }
    }
  }
}

function table(title, figures, columns) {
  if (figures.length === 0) return;
  console.log(`\n${title} (${columns.map(([unit]) => unit).join("; ")})`);
  for (const figure of figures) {
    const cells = columns.map(([, cell]) => `${cell(figure)}`.padStart(10));
    console.log(`  ${figure.engine.padEnd(16)} ${figure.precision.padEnd(5)} ${cells.join(" ")}`);
  }
}
