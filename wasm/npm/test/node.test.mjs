// The packed package in node, without `window`.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";

import { damaged, foreigner, signed, testKey } from "../../test/bundles.mjs";
import { alternatives, applications, decided, marks, recorded } from "./golden.mjs";
import { miscounting, trapping } from "./patch.mjs";
import { app, application, bundle, csv, digests, dist, families, key, load, notices, run, tables } from "./setup.mjs";

const rows = applications(csv);
/**
 * The feature bits of what each entry leaves to others: trees, nets beyond dense chains, tables, several outputs, and of the
 * default one policies' tables (docs/bundle-format.md).
 */
const BEYOND = { node: 0b1111011n, "agent-node": 0b011011n, "full-node": 0n };
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const thrown = (code, field) => (error) => {
  assert.equal(error.name, "FieldscoreError");
  assert.ok(error instanceof Error);
  assert.equal(error.code, code);
  assert.equal(error.field, field);
  assert.ok(error.message.includes(code) && error.message.length > code.length + 4);
  return true;
};

after(() => {
  for (const name of readdirSync(app)) if (/^copy-/.test(name)) rmSync(join(app, name), { recursive: true });
});

test("there are bundles that the default entry decides on, and such that it refuses", () => {
  const beyond = families.filter((family) => (family.bundle.readBigUInt64LE(16) & BEYOND.node) !== 0n);
  assert.ok(beyond.length > 0 && beyond.length < families.length);
});

for (const build of ["simd128", "scalar"]) {
  test(`the golden suite, ${build}`, async () => {
    const { init, openBundle } = await load("agent-node");
    await init({ build });
    const scorer = await openBundle(bundle, [key]);
    assert.equal(scorer.info.kernels, build);
    const plain = decided((a) => scorer.score(a), rows.slice(0, 10_000));
    assert.equal(sha256(plain), recorded(digests, "plain 10000"));
    const explained = decided((a) => scorer.explain(a), rows.slice(0, 100));
    assert.equal(sha256(explained), recorded(digests, "explained 100"));
    assert.equal(sha256(alternatives(scorer, rows.slice(0, 100))), recorded(digests, "alternatives 100"));
  });

  test(`what surrounds a decision is left to the other entries, ${build}`, async () => {
    const { init, openBundle } = await load();
    await init({ build });
    const scorer = await openBundle(bundle, [key]);
    const { record } = scorer.score(application);
    for (const work of [() => scorer.alternatives(application), () => scorer.notice(record, "en"), () => scorer.verifyRecord(record)])
      assert.throws(work, thrown("bundle.unsupported"));
  });

  test(`a record of another device is scored again, ${build}`, async () => {
    const { init, openBundle } = await load("agent-node");
    await init({ build });
    const scorer = await openBundle(bundle, [key]);
    const sent = scorer.explain(application).record;
    const { id, asOf, decision, terms, trace } = scorer.verifyRecord(sent);
    assert.deepEqual([id, asOf], [application.id, application.asOf]);
    assert.deepEqual(decision, { ...scorer.score(application), record: sent });
    assert.deepEqual(terms, []);
    assert.equal(trace[0].table, "score");
    assert.deepEqual(trace[0].saw, { score: `${decision.score}` });
    assert.ok(trace[0].held && trace.some(({ table, rule }) => table === "knock_out" && rule === "K01"));
    // The envelope and the values are the sender's own; what was made of them is not.
    for (let at = sent.length - 30; at < sent.length; at++) {
      const forged = sent.slice();
      forged[at] ^= 1;
      assert.throws(() => scorer.verifyRecord(forged), { name: "FieldscoreError" });
    }
  });

  test(`what a challenger says and alternatives stand in records, ${build}`, async () => {
    const { init, openBundle } = await load("agent-node");
    await init({ build });
    const family = families.find(({ name }) => name === "challenger");
    const scorer = await openBundle(family.bundle, [family.key]);
    let assigned = 0;
    for (const row of applications(family.csv).slice(0, 50)) {
      const { record } = scorer.explain(row);
      const { challenger } = scorer.verifyRecord(record);
      if (challenger) {
        assigned++;
        assert.ok(challenger.score >= 300 && challenger.probabilityPpm >= 100);
        assert.ok(["approve", "refer", "decline"].includes(challenger.outcome));
      }
      const shown = scorer.recordAlternatives(record);
      assert.ok(shown.length > record.length);
      assert.deepEqual(scorer.recordAlternatives(shown), shown);
      assert.deepEqual(scorer.verifyRecord(shown).challenger, challenger);
    }
    assert.ok(assigned > 3 && assigned < 25, `${assigned}`);
  });

  test(`summaries are the recorded bytes, ${build}`, async () => {
    const { init, openBundle } = await load("agent-node");
    await init({ build });
    const watched = families.find(({ name }) => name === "watched");
    const scorer = await openBundle(watched.bundle, [watched.key]);
    const records = applications(watched.csv).map((a) => scorer.score(a).record);
    let summary;
    for (const record of records.slice(0, 19)) summary = scorer.summarise(record, summary);
    assert.throws(() => scorer.shareSummary(summary), thrown("summary.too_few"));
    for (const record of records.slice(19)) summary = scorer.summarise(record, summary);
    const shared = scorer.shareSummary(summary);
    assert.equal(sha256(shared), recorded(watched.summary, `summary ${records.length}`));
    assert.throws(() => scorer.shareSummary(shared.slice(1)), thrown("summary.malformed"));
    const plain = await openBundle(bundle, [key]);
    assert.throws(() => plain.summarise(records[0]), thrown("bundle.unsupported"));
  });

  for (const family of families) {
    // What the default entry doesn't run needs the full one, which runs everything.
    for (const entry of ["node", "agent-node", "full-node"]) {
      test(`the golden suite of ${family.name}, ${entry}, ${build}`, async () => {
        const { init, openBundle } = await load(entry);
        await init({ build });
        if ((family.bundle.readBigUInt64LE(16) & BEYOND[entry]) !== 0n) {
          await assert.rejects(openBundle(family.bundle, [family.key]), thrown("bundle.unsupported"));
          return;
        }
        const scorer = await openBundle(family.bundle, [family.key]);
        assert.equal(scorer.info.kernels, build);
        const rows = applications(family.csv, family.tables);
        for (const [kind, decide] of [["plain", (a) => scorer.score(a)], ["explained", (a) => scorer.explain(a)]]) {
          const counts = marks(family.digests, kind);
          assert.ok(counts.length > 0);
          for (const count of counts) {
            assert.ok(count <= rows.length);
            const found = sha256(decided(decide, rows.slice(0, count)));
            assert.equal(found, recorded(family.digests, `${kind} ${count}`), `${kind} ${count}`);
          }
        }
      });
    }
  }

  test(`the golden notices, ${build}`, async () => {
    const { init, openBundle } = await load("agent-node");
    await init({ build });
    const scorer = await openBundle(bundle, [key]);
    const records = rows.slice(0, 100).flatMap((row) => {
      try {
        return [scorer.score(row).record];
      } catch {
        return [];
      }
    });
    for (const language of ["en", "zh"]) {
      const made = records.slice(0, 12).map((record) => scorer.notice(record, language));
      assert.equal(made.map(({ text }) => text).join("\n---\n\n"), notices[language]);
      for (const notice of made) {
        const { title, statement, facts, reasons, reviewTitle, review, text } = notice;
        assert.equal(notice.language, language);
        assert.equal(notice.rightToLeft, false);
        const all = [title, statement, reviewTitle, review, ...reasons, ...facts.map(({ label, value }) => `${label}: ${value}`)];
        for (const part of all) assert.ok(text.includes(part), part);
        assert.equal(reasons.length === 0, notice.outcome === "approve");
      }
    }
    const changed = records[0].slice();
    changed[changed.length - 1] ^= 1;
    assert.throws(() => scorer.notice(changed, "en"), thrown("record.malformed"));
    assert.throws(() => scorer.notice(new Uint8Array(), "en"), thrown("record.malformed"));
  });

  test(`overrides, ${build}`, async () => {
    const { init, openBundle } = await load("agent-node");
    await init({ build });
    const scorer = await openBundle(bundle, [key]);
    const { record, outcome } = scorer.score(application);
    const made = { by: "T-17", outcome: outcome === "refer" ? "decline" : "refer", reason: "O1", asOf: application.asOf };
    // The golden bundle lists no reasons: nobody may override what it decides.
    assert.deepEqual(scorer.overrideReasons("en"), []);
    assert.throws(() => scorer.overrideDecision(record, made), thrown("record.malformed"));
    assert.throws(() => scorer.overrideDecision(record, { ...made, outcome: "perhaps" }), thrown("field.type"));
    assert.throws(() => scorer.overrideDecision(record, { ...made, asOf: "today" }), thrown("field.type"));
    assert.throws(() => scorer.checkOverride(record, Uint8Array.of(0x80)), thrown("record.malformed"));
  });

  test(`a table is an array of objects, ${build}`, async () => {
    const { init, openBundle, beside } = await load();
    await init({ build });
    await assert.rejects(openBundle(tables.bundle, [key]), thrown("bundle.unsupported"));
    const full = await beside("full-node");
    await full.init({ build });
    const scorer = await full.openBundle(tables.bundle, [key]);
    const { rows } = tables;
    for (const [kind, decide] of [["plain", (a) => scorer.score(a)], ["explained", (a) => scorer.explain(a)]]) {
      const found = sha256(decided(decide, rows));
      assert.equal(found, recorded(tables.digests, `${kind} ${rows.length}`), kind);
    }
    const { columns, maxRows } = scorer.schema.fields.find(({ name }) => name === "history");
    assert.deepEqual(columns.map(({ name }) => name), ["day", "amount", "kind"]);
    assert.equal(maxRows, 12);
    const given = (history) => ({ ...rows[0], values: { ...rows[0].values, history } });
    const refused = (history, code, field) => assert.throws(() => scorer.score(given(history)), thrown(code, field));
    refused([{}, { amount: "x-73913" }], "field.type", "history, row 2, column amount");
    refused({}, "field.type", "history");
    refused(Uint8Array.of(1), "field.type", "history");
    refused([{ secret: 1 }], "field.unknown", "history, column secret");
    const missing = (history) => scorer.score(given(history)).missing.includes("history");
    assert.ok(missing(null));
    assert.ok(!missing([]));
  });

  test(`the entries side by side, ${build}`, async () => {
    const first = await load();
    const both = [first, await first.beside("full-node")];
    for (const { init, openBundle } of both) {
      await init({ build });
      const scorer = await openBundle(bundle, [key]);
      assert.equal(scorer.info.kernels, build);
      assert.equal(scorer.score(application).outcome, "approve");
    }
  });

  test(`nothing of an application stays in memory, ${build}`, async () => {
    const memories = [];
    const instantiate = WebAssembly.instantiate;
    WebAssembly.instantiate = async (...given) => {
      const made = await instantiate(...given);
      memories.push((made.instance ?? made).exports.memory);
      return made;
    };
    try {
      const { init, openBundle } = await load();
      await init({ build });
      const scorer = await openBundle(bundle, [key]);
      const [income, expenses] = [73_913_457, 913_571];
      const values = { ...application.values, income, assets: `${expenses}`, home: "unlisted-7391" };
      const given = { ...application, id: "id-of-73913", values };
      scorer.score(given);
      scorer.explain(given);
      assert.throws(() => scorer.score({ ...given, values: { ...values, debt: "x-73913-y" } }), thrown("field.type", "debt"));
      assert.throws(() => scorer.score({ ...given, values: { ...values, records: "r-73913" } }), thrown("field.category", "records"));
      const raw = (value) => new Uint8Array(BigInt64Array.of(BigInt(value)).buffer);
      const float = (value) => new Uint8Array(Float64Array.of(value).buffer);
      const text = (value) => new TextEncoder().encode(value);
      const marks = { income: raw(income), "income, float": float(income), assets: raw(expenses) };
      Object.assign(marks, { "assets, float": float(expenses), "assets, text": text(`${expenses}`) });
      for (const word of ["unlisted-7391", "id-of-73913", "x-73913-y", "r-73913"]) marks[word] = text(word);
      assert.equal(memories.length, 1);
      const memory = Buffer.from(memories[0].buffer);
      for (const [what, bytes] of Object.entries(marks)) {
        assert.equal(memory.indexOf(bytes), -1, `${what} is still there`);
      }
      // The search itself: what does stay there is found.
      assert.notEqual(memory.indexOf(text("seniority")), -1);
    } finally {
      WebAssembly.instantiate = instantiate;
    }
  });
}

test("typed and text forms of values give the same record", async () => {
  const { openBundle } = await load();
  const scorer = await openBundle(bundle, [key]);
  const texts = Object.fromEntries(Object.entries(application.values).map(([name, value]) => [name, `${value}`]));
  const typed = scorer.score(application);
  assert.deepEqual(scorer.score({ ...application, values: texts }), typed);
  const { record, ...rest } = scorer.explain(application);
  assert.equal(rest.score, typed.score);
  assert.notDeepEqual(record, typed.record);
  const sum = (items) => items.reduce((total, { points }) => total + points, 0);
  assert.equal(sum(rest.groups), rest.score - rest.referenceScore);
  assert.equal(sum(rest.fields), rest.score - rest.referenceScore);
  assert.deepEqual(typed.missing, []);
  const without = scorer.score({ ...application, values: { ...application.values, assets: null } });
  assert.deepEqual([without.missing, without.flags], [["assets"], ["missing"]]);
});

test("the schema has what a form needs", async () => {
  const { openBundle } = await load();
  const { schema, info, reasonText } = await openBundle(bundle, [key]);
  assert.equal(typeof reasonText, "function");
  assert.deepEqual(info.languages, ["en", "zh"]);
  assert.equal(info.product, "credit");
  assert.equal(info.scoreAsTyped, false, "the golden bundle does not say so");
  const names = schema.fields.map((field) => field.name);
  assert.deepEqual(names, csv.split("\n")[0].split(",").slice(2));
  const home = schema.fields.find((field) => field.name === "home");
  assert.equal(home.type, "category");
  assert.equal(home.categories[0].label("en"), "Owns the home");
  assert.notEqual(home.label("zh"), home.label("en"));
  assert.equal(home.label("de"), home.label("en"));
  for (const field of schema.fields) {
    assert.equal(field.required, field.missing === "refuse");
    assert.ok(schema.groups.some((group) => group.code === field.group));
    if (field.min !== undefined) assert.ok(field.min < field.max);
  }
});

test("reasons have texts, and those that need a field name it", async () => {
  const { openBundle, FieldscoreError } = await load();
  const scorer = await openBundle(bundle, [key]);
  const { reasons } = scorer.explain({ ...rows[0], automation: false });
  assert.equal(reasons[0].code, "S1");
  for (const { code, text } of reasons) {
    assert.ok(text("en").length > code.length);
    assert.equal(text("en"), scorer.reasonText(code, "en"));
    assert.notEqual(text("zh"), text("en"));
  }
  assert.throws(() => scorer.reasonText("nope", "en"), FieldscoreError);
});

test("bad values are refused with the field, never the value", async () => {
  const { openBundle } = await load();
  const scorer = await openBundle(bundle, [key]);
  const score = (values) => () => scorer.score({ ...application, values: { ...application.values, ...values } });
  for (const value of ["secret-4711", true, {}, [], 1n, NaN, Infinity, 0.5, "1,5"]) {
    assert.throws(score({ income: value }), (error) => {
      assert.ok(!error.message.includes("secret"));
      return thrown("field.type", "income")(error);
    });
  }
  assert.throws(score({ nothing: 1 }), thrown("field.unknown", "nothing"));
  assert.throws(score({ records: "" }), thrown("field.missing", "records"));
  for (const asOf of ["", "1.9.2026", "2026-02-30", null, undefined]) {
    assert.throws(() => scorer.score({ ...application, asOf }), thrown("field.type"));
  }
  assert.throws(() => scorer.score({ ...application, id: 7 }), thrown("field.type"));
  assert.throws(() => scorer.score({ ...application, id: "x".repeat(1025) }), thrown("field.type"));
  assert.throws(() => scorer.score({ ...application, automation: "no" }), thrown("field.type"));
  // After all that, as before it.
  assert.equal(scorer.score(application).outcome, "approve");
});

test("altered, foreign and truncated bundles are refused, and keys that are none", async () => {
  const { openBundle } = await load();
  const altered = (at) => {
    const copy = Uint8Array.from(bundle);
    copy[at] ^= 1;
    return copy;
  };
  await assert.rejects(openBundle(altered(bundle.length - 100), [key]), thrown("bundle.altered"));
  await assert.rejects(openBundle(altered(200), [key]), (error) => /^bundle\./.test(error.code));
  await assert.rejects(openBundle(bundle.subarray(0, 50), [key]), thrown("bundle.not_a_bundle"));
  await assert.rejects(openBundle(new Uint8Array(0), [key]), thrown("bundle.not_a_bundle"));
  await assert.rejects(openBundle(bundle, ["00".repeat(32)]), thrown("bundle.untrusted_key"));
  for (const keys of [[], ["abc"], [new Uint8Array(31)], ["zz".repeat(32)], key]) {
    await assert.rejects(openBundle(bundle, keys), thrown("field.type"));
  }
  await assert.rejects(openBundle("credit.fsb", [key]), thrown("field.type"));
  // A foreign key beside the right one, as bytes and in either case.
  const bytes = Uint8Array.from(Buffer.from(key, "hex"));
  for (const right of [key, key.toUpperCase(), bytes]) {
    const scorer = await openBundle(bundle.buffer.slice(bundle.byteOffset, bundle.byteOffset + bundle.length), ["11".repeat(32), right]);
    assert.equal(scorer.selfTest(), 16);
  }
});

test("an expired bundle and one that does not hold yet refer, with a flag", async () => {
  const { openBundle } = await load();
  const scorer = await openBundle(bundle, [key]);
  const late = scorer.score({ ...application, asOf: "2040-01-01" });
  assert.deepEqual([late.outcome, late.flags], ["refer", ["expired"]]);
  const early = scorer.score({ ...application, asOf: "2020-01-01" });
  assert.deepEqual([early.outcome, early.flags], ["refer", ["not_yet_valid"]]);
});

test("a closed scorer says so; others go on", async () => {
  const { openBundle } = await load();
  const [one, other] = [await openBundle(bundle, [key]), await openBundle(bundle, [key])];
  one.close();
  one.close();
  assert.throws(() => one.score(application), thrown("scorer.closed"));
  assert.equal(other.score(application).outcome, "approve");
});

test("after a trap the next call works, on a fresh instance", async () => {
  for (const build of ["simd128", "scalar"]) {
    const { init, openBundle } = await load();
    const wasm = trapping(readFileSync(join(dist, `${build}.wasm`)), "session_explain");
    await init({ wasm, build });
    const scorer = await openBundle(bundle, [key]);
    const before = scorer.score(application);
    assert.throws(() => scorer.explain(application), thrown("wasm.trap"));
    assert.deepEqual(scorer.score(application), before);
    assert.throws(() => scorer.explain(application), thrown("wasm.trap"));
    await new Promise((done) => setTimeout(done, 20));
    assert.deepEqual(scorer.score(application), before);
    scorer.close();
  }
});

/** A copy of the installed package with another simd128 module. */
function altered(change) {
  const copy = join(mkdtempSync(join(app, "copy-altered-")), "dist");
  cpSync(dist, copy, { recursive: true });
  const path = join(copy, "simd128.wasm");
  writeFileSync(path, change(readFileSync(path)));
  return copy;
}

test("a build that fails its self-test is left for the scalar one", async () => {
  const warnings = [];
  const warn = console.warn;
  console.warn = (text) => warnings.push(text);
  try {
    for (const change of [miscounting, (wasm) => trapping(wasm, "session_briefSelfTest")]) {
      const { openBundle } = await load("node", altered(change));
      const scorer = await openBundle(bundle, [key]);
      assert.equal(scorer.info.kernels, "scalar");
      assert.equal(scorer.score(application).outcome, "approve");
      assert.match(warnings.pop(), /self-test/);
    }
  } finally {
    console.warn = warn;
  }
  const { init, openBundle } = await load("node", altered(miscounting));
  await init({ build: "simd128" });
  await assert.rejects(openBundle(bundle, [key]), thrown("bundle.self_test"));
});

test("without vectors the scalar build is used, and simd128 refused", async () => {
  const validate = WebAssembly.validate;
  WebAssembly.validate = () => false;
  try {
    const { openBundle } = await load();
    assert.equal((await openBundle(bundle, [key])).info.kernels, "scalar");
    const { init } = await load();
    await assert.rejects(init({ build: "simd128" }), thrown("wasm.simd"));
    // Failing is not for ever.
    await init();
  } finally {
    WebAssembly.validate = validate;
  }
});

test("without WebAssembly the error says so", () => {
  const script = `
    delete globalThis.WebAssembly;
    const { init } = await import("fieldscore");
    await init().catch((error) => console.log(error.code, error.message));`;
  assert.match(run(script), /^wasm\.unavailable WebAssembly: /);
});

test("the module may come as bytes, compiled, or from a URL; a foreign one is refused", async () => {
  for (const build of ["simd128", "scalar"]) {
    const bytes = readFileSync(join(dist, `${build}.wasm`));
    const url = `data:application/wasm;base64,${bytes.toString("base64")}`;
    for (const wasm of [bytes, await WebAssembly.compile(bytes), url, new URL(url)]) {
      const { init, openBundle } = await load("inline");
      await init({ wasm });
      assert.equal((await openBundle(bundle, [key])).info.kernels, build);
    }
  }
  const { init } = await load();
  await assert.rejects(init({ wasm: Uint8Array.of(1, 2, 3) }), thrown("wasm.compile"));
  const empty = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
  await assert.rejects(init({ wasm: empty }), thrown("wasm.load"));
  const scalar = readFileSync(join(dist, "scalar.wasm"));
  await assert.rejects(init({ wasm: scalar, build: "simd128" }), thrown("wasm.load"));
  await assert.rejects(init({ wasm: "data:application/wasm,x" }), thrown("wasm.compile"));
  await assert.rejects(init({ log: "loud" }), thrown("field.type"));
});

test("one initialisation, however many ask for it", async () => {
  let compiled = 0;
  const compile = WebAssembly.compile;
  WebAssembly.compile = (...given) => (compiled++, compile(...given));
  try {
    const { init, openBundle } = await load();
    await Promise.all([init(), init(), openBundle(bundle, [key]), openBundle(bundle, [key]), init({ build: "scalar" })]);
    assert.equal(compiled, 1);
  } finally {
    WebAssembly.compile = compile;
  }
});

test("the log goes to the console from the level asked", async () => {
  const lines = [];
  const { info, warn } = console;
  console.info = (text) => lines.push(text);
  try {
    const { init, openBundle } = await load();
    await openBundle(bundle, [key]);
    assert.deepEqual(lines, []);
    await init({ log: "info" });
    await openBundle(bundle, [key]);
    assert.match(lines.join("\n"), /bundle opened: product credit/);
    const count = lines.length;
    await init({ log: "off" });
    await openBundle(bundle, [key]);
    assert.equal(lines.length, count);
  } finally {
    Object.assign(console, { info, warn });
  }
});

test("the store installs, opens again, and refuses what is foreign or damaged", async () => {
  const { BundleStore } = await load();
  const storage = new Map([["somebody-elses", Uint8Array.of(1)]]);
  const store = new BundleStore({ storage, product: "credit", keys: [key] });
  await assert.rejects(store.current(), thrown("store.empty"));
  const installed = await store.install(bundle);
  const id = installed.info.bundleId;
  assert.deepEqual([...storage.keys()].sort(), [`${id}.fsb`, "somebody-elses", "state"].sort());
  assert.deepEqual(Buffer.from(storage.get(`${id}.fsb`)), bundle);
  // A new page: another store over the same bytes.
  const again = new BundleStore({ storage, product: "credit", keys: [key] });
  const scorer = await again.current();
  assert.equal(scorer.info.bundleId, id);
  assert.deepEqual(scorer.score(application), installed.score(application));
  await again.install(bundle);
  const other = new BundleStore({ storage: new Map(), product: "mortgage", keys: [key] });
  await assert.rejects(other.install(bundle), thrown("store.refused"));
  await assert.rejects(again.install(bundle.subarray(0, 1000)), (error) => /^bundle\./.test(error.code));
  storage.get(`${id}.fsb`)[9000] ^= 1;
  await assert.rejects(again.current(), thrown("store.empty"));
  assert.equal((await again.install(bundle)).info.bundleId, id);
  assert.equal((await again.current()).info.bundleId, id);
});

/** What a store must do with each of these, whatever its storage: the current one, a code. */
const OFFERS = [
  [signed({ sequence: 6 }), 6],
  [signed({ sequence: 5 }), "store.refused"],
  [signed({ sequence: 6, notAfter: "2098-12-31" }), "store.refused"],
  [signed({ sequence: 9, product: "other" }), "store.refused"],
  [signed({ sequence: 9, by: foreigner }), "bundle.untrusted_key"],
  [damaged(signed({ sequence: 9 })), "bundle.altered"],
  [signed({ sequence: 9 }).subarray(0, 5000), /^bundle\./],
  [signed({ sequence: 8 }), 8],
];

test("updates: newer ones are taken and last; older, foreign and damaged ones change nothing", async () => {
  const { BundleStore } = await load();
  const storage = new Map();
  const store = () => new BundleStore({ storage, product: "credit", keys: [testKey] });
  let current = (await store().install(signed({ sequence: 5 }))).info.sequence;
  for (const [bundle, expected] of OFFERS) {
    const before = new Map(storage);
    if (typeof expected === "number") {
      current = (await store().install(bundle)).info.sequence;
      assert.equal(current, expected);
    } else {
      await assert.rejects(store().install(bundle), ({ code }) => (expected.test ? expected.test(code) : expected === code));
      assert.deepEqual(storage, before, `${expected}`);
    }
    // A new page: another store over the same bytes.
    assert.equal((await store().current()).info.sequence, current);
  }
});

test("an update that has expired is taken, and leaves decisions to a person", async () => {
  const { BundleStore } = await load();
  const store = new BundleStore({ storage: new Map(), product: "credit", keys: [testKey] });
  await store.install(signed({ sequence: 5 }));
  const scorer = await store.install(signed({ sequence: 6, notAfter: "2026-01-31" }));
  const { outcome, flags } = scorer.score(application);
  assert.deepEqual([outcome, flags], ["refer", ["expired"]]);
});

test("where the current bundle is damaged the last good one opens, and takes its update again", async () => {
  const { BundleStore } = await load();
  const storage = new Map();
  const store = new BundleStore({ storage, product: "credit", keys: [testKey] });
  await store.install(signed({ sequence: 5 }));
  const { bundleId } = (await store.install(signed({ sequence: 6 }))).info;
  storage.get(`${bundleId}.fsb`)[9000] ^= 1;
  assert.equal((await store.current()).info.sequence, 5);
  await assert.rejects(store.install(signed({ sequence: 5, notAfter: "2098-12-31" })), thrown("store.refused"));
  assert.equal((await store.install(signed({ sequence: 7 }))).info.sequence, 7);
  assert.equal((await store.current()).info.sequence, 7);
});

test("a storage that fails is an error of its own, and what was there stays", async () => {
  const { BundleStore } = await load();
  const full = () => Promise.reject(new Error("QuotaExceededError"));
  const storage = { get: async () => undefined, set: full, delete: async () => {}, keys: async () => [] };
  const store = new BundleStore({ storage, product: "credit", keys: [key] });
  await assert.rejects(store.install(bundle), (error) => {
    assert.match(error.cause.message, /Quota/);
    return thrown("io")(error);
  });
  await assert.rejects(store.current(), thrown("store.empty"));
  storage.keys = full;
  await assert.rejects(store.current(), thrown("io"));
});

test("the entries resolve as installed, without window", () => {
  const script = (name) => `
    import { readFileSync } from "node:fs";
    import { openBundle } from ${JSON.stringify(name)};
    const scorer = await openBundle(readFileSync(process.env.FIELDSCORE_GOLDEN + "/credit.fsb"), ["${key}"]);
    console.log(typeof window, scorer.info.product, scorer.score(${JSON.stringify(application)}).outcome);`;
  for (const name of ["fieldscore", "fieldscore/inline"]) {
    assert.equal(run(script(name)), "undefined credit approve");
  }
});
