// Fieldscore and onnxruntime-web in one Chromium, in one run. `cargo xtask bench --only browser`
// makes the folders and starts it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { agree } from "./agree.js";
import { engines } from "./build.js";
import { answers, launch, noteMemories, page, repeat, resident, start } from "./chromium.js";
import { Report } from "./report.js";
import { median, rounds } from "./rounds.js";
import { serve } from "./server.js";

/** How long a sample of calls lasts at least, in ms: the page's clock ticks every 0.1 ms. */
const SAMPLE = 40;
/** How long an engine runs before it is timed, in ms: browsers compile hot code again. */
const WARM = 500;
/** Browsers for a figure of memory, and loads over the slow network, at most. */
const FEW = 3;
/** Calls before memory is read, and ms for the browser to come to rest. */
const CALLS = 1000;
const REST = 2000;
/** What the developer tools have long called "Fast 3G": bytes a second, ms. */
const SLOW = { downloadThroughput: 1.6e6 / 8, uploadThroughput: 0.75e6 / 8, latency: 150, offline: false };
/** The model that is loaded over it. */
const SLOW_MODEL = "credit";

const { values: options } = parseArgs({
  options: {
    models: { type: "string" },
    package: { type: "string" },
    files: { type: "string" },
    to: { type: "string" },
    rounds: { type: "string", default: "15" },
    json: { type: "boolean", default: false },
  },
});
const count = Number(options.rounds);
const report = new Report(options.json);

const candidates = (model) => [
  { model, engine: "fieldscore", precision: "int8" },
  { model, engine: "onnxruntime-web", precision: "f32" },
  { model, engine: "onnxruntime-web", precision: "int8" },
];

/** First visits, each in a browser profile of its own, and a second one with its caches. */
async function loading(browser, url, of) {
  const samples = of.map(() => ({ first: [], later: [] }));
  const works = of.map((candidate, at) => async () => {
    const context = await browser.newContext();
    for (const visit of ["first", "later"]) {
      const opened = await page(context, url, candidate);
      samples[at][visit].push(await start(opened));
      await opened.close();
    }
    await context.close();
  });
  await rounds(count, works);
  of.forEach((candidate, at) => {
    for (const visit of ["first", "later"]) {
      const found = samples[at][visit];
      const of = (name) => median(found.map((sample) => sample[name]));
      const { transferred, bytes } = found[0];
      report.take({
        browser: "loading",
        visit,
        ...candidate,
        median_ns: of("load") * 1e6,
        first_score_ns: of("first") * 1e6,
        bytes,
        transferred_bytes: transferred,
      });
    }
  });
}

/** Calls of engines that run already, each in a process of its own. */
async function scoring(browser, url, of, about) {
  const running = [];
  for (const candidate of of) {
    const context = await browser.newContext();
    const opened = await page(context, url, candidate);
    const { kernels } = await start(opened);
    const off = agree(about, candidate, await answers(opened));
    const { model, engine, precision } = candidate;
    console.error(`${model} in ${engine} ${precision} (${kernels}): within ${off.toExponential(1)} of the float net`);
    let calls = 16;
    for (let took = 0, warm = 0; took < SAMPLE || warm < WARM; warm += took) {
      took = await repeat(opened, calls);
      calls = Math.ceil(calls * Math.min(4, Math.max(1, (1.1 * SAMPLE) / Math.max(took, 0.1))));
    }
    running.push({ candidate, context, opened, calls, samples: [] });
  }
  const sample = async ({ opened, calls, samples }) => {
    // The others have had the caches.
    await repeat(opened, Math.ceil(calls / 4));
    samples.push((await repeat(opened, calls)) / calls);
  };
  await rounds(2 * count, running.map((one) => () => sample(one)));
  for (const { candidate, context, samples } of running) {
    report.take({ browser: "score", ...candidate, batch: 1, median_ns: median(samples) * 1e6 });
    await context.close();
  }
}

/** What a page's process takes beyond an empty page's, each in a browser of its own. */
async function memory(url, of) {
  const measure = async (candidate, engine) => {
    const browser = await launch();
    const context = await browser.newContext();
    await noteMemories(context);
    const opened = await page(context, url, candidate);
    if (engine) {
      await start(opened);
      await repeat(opened, CALLS);
    }
    await opened.waitForTimeout(REST);
    await opened.evaluate(() => gc());
    const wasm = await opened.evaluate(() => wasmBytes());
    const found = { wasm, ...(await resident(browser)) };
    await browser.close();
    return found;
  };
  const empty = [];
  const samples = of.map(() => []);
  await rounds(Math.min(count, FEW), [
    async () => empty.push(await measure(of[0], false)),
    ...of.map((candidate, at) => async () => samples[at].push(await measure(candidate, true))),
  ]);
  of.forEach((candidate, at) => {
    const beyond = (name) => median(samples[at].map((s) => s[name])) - median(empty.map((s) => s[name]));
    report.take({
      browser: "memory",
      ...candidate,
      resident_bytes: beyond("pss"),
      peak_bytes: beyond("peak"),
      wasm_bytes: beyond("wasm"),
    });
  });
}

/** First visits over a slow network. */
async function slowly(browser, url, of) {
  const samples = of.map(() => []);
  const works = of.map((candidate, at) => async () => {
    const context = await browser.newContext();
    const opened = await page(context, url, candidate);
    const session = await context.newCDPSession(opened);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", SLOW);
    samples[at].push(await start(opened));
    await context.close();
  });
  await rounds(Math.min(count, FEW), works);
  of.forEach((candidate, at) => {
    const of = (name) => median(samples[at].map((sample) => sample[name]));
    report.take({
      browser: "slow_network",
      ...candidate,
      median_ns: of("load") * 1e6,
      first_score_ns: of("first") * 1e6,
      bytes: samples[at][0].bytes,
      transferred_bytes: samples[at][0].transferred,
    });
  });
}

await engines(options.package, options.to);
const server = await serve({
  fieldscore: join(options.to, "fieldscore"),
  "onnxruntime-web": join(options.to, "onnxruntime-web"),
  models: options.files,
});
const browser = await launch();
try {
  console.error(`Chromium ${browser.version()}, ${count} rounds`);
  for (const model of options.models.split(",")) {
    console.error(`${model}: measuring in the browser`);
    const about = JSON.parse(readFileSync(join(options.files, `${model}.json`), "utf8"));
    const of = candidates(model);
    await scoring(browser, server.url, of, about);
    await loading(browser, server.url, of);
    await memory(server.url, of);
    if (model === SLOW_MODEL) await slowly(browser, server.url, of);
  }
  report.finish();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
} finally {
  await browser.close();
  server.close();
}
