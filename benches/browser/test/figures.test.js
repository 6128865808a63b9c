// What turns samples into figures, without a browser and without the peer.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { agree } from "../src/agree.js";
import { ratios } from "../src/report.js";
import { median, rounds } from "../src/rounds.js";
import { serve } from "../src/server.js";

test("the median is in the middle", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

test("every round calls everything once and starts with another", async () => {
  const calls = [];
  await rounds(2, ["a", "b"].map((name) => async () => calls.push(name)));
  assert.deepEqual(calls, ["a", "b", "b", "a"]);
});

const ppm = (logOdds) => Math.round(1e6 / (1 + Math.exp(-logOdds)));
const about = {
  model: "net",
  calibration: [
    [-8, -4],
    [8, 4],
  ],
  rows: [-2, -1, 0, 1, 2].map((output) => ({ output, score: output, probabilityPpm: ppm(output / 2) })),
};
const ours = { engine: "fieldscore", precision: "int8" };
const peer = { engine: "onnxruntime-web", precision: "f32" };

test("ours must be the native decision, and near the float net through the calibration", () => {
  assert.ok(agree(about, ours, about.rows) < 1e-3);
  const other = about.rows.with(3, { score: 7, probabilityPpm: about.rows[3].probabilityPpm });
  assert.throws(() => agree(about, ours, other), /row 3: expected 1 points as natively, not 7/);
  const far = { ...about, rows: about.rows.map((row) => ({ ...row, output: -row.output })) };
  assert.throws(() => agree(far, ours, far.rows), /within 0.2/);
});

test("a peer's answers must be the float net's", () => {
  assert.equal(agree(about, peer, about.rows), 0);
  const answers = about.rows.map(({ output }) => ({ output: output + 0.1 }));
  assert.throws(() => agree(about, peer, answers), /net in onnxruntime-web f32/);
  assert.ok(agree(about, { ...peer, precision: "int8" }, answers) < 0.2);
  assert.throws(() => agree(about, peer, [{ output: NaN }, ...answers.slice(1)]), /NaN/);
});

test("the peer's better precision is what ours is held against", () => {
  const figure = { browser: "score", model: "net" };
  const figures = [
    { ...figure, ...ours, median_ns: 2 },
    { ...figure, ...peer, median_ns: 11 },
    { ...figure, ...peer, precision: "int8", median_ns: 9 },
  ];
  const found = { model: "net", engine: "onnxruntime-web", precision: "int8" };
  assert.deepEqual(ratios(figures), [
    { browser: "ratio", of: "score", ...found, ratio: 4.5, at_least: 5, met: false },
  ]);
});

test("everything is served zipped, to be kept", async () => {
  const folder = mkdtempSync(join(tmpdir(), "browser-bench-"));
  writeFileSync(join(folder, "a.wasm"), "a".repeat(1000));
  const server = await serve({ files: folder });
  try {
    const response = await fetch(`${server.url}files/a.wasm`);
    assert.equal((await response.text()).length, 1000);
    const header = (name) => response.headers.get(name);
    assert.deepEqual(["content-type", "content-encoding"].map(header), ["application/wasm", "gzip"]);
    assert.match(header("cache-control"), /immutable/);
    assert.equal((await fetch(`${server.url}files/b`)).status, 404);
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});
