// Chromium, and what is done in its pages.

import { readFileSync } from "node:fs";

import { chromium } from "playwright-core";

/** A browser of its own: no cache, no compiled code from before. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.FIELDSCORE_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // A process that waits for a page to come would be counted with some pages and not with others.
      "--disable-features=SpareRendererForSitePerProcess",
      "--js-flags=--expose-gc",
    ],
  });
}

/** An empty page of the server, with what it is to score, which comes before anything is timed. */
export async function page(context, url, candidate) {
  const page = await context.newPage();
  await page.goto(url);
  await page.evaluate(
    async ({ candidate }) => {
      const about = await fetch(`/models/${candidate.model}.json`).then((response) => response.json());
      Object.assign(globalThis, { candidate: { ...candidate, key: about.key }, rows: about.rows });
    },
    { candidate },
  );
  return page;
}

/**
 * From nothing to the first answer, timed in the page: `load` until the model is ready, `first`
 * until its answer to the first row is there; and the files that came for it.
 */
export function start(page) {
  return page.evaluate(async () => {
    performance.clearResourceTimings();
    const from = performance.now();
    const { open } = await import(`/${candidate.engine}/app.js`);
    const engine = await open(candidate);
    const load = performance.now() - from;
    const [row] = engine.prepare(rows.slice(0, 1));
    const answer = await engine.score(row);
    const first = performance.now() - from;
    globalThis.engine = engine;
    globalThis.prepared = engine.prepare(rows);
    const files = performance.getEntriesByType("resource");
    const sum = (of) => files.reduce((sum, file) => sum + file[of], 0);
    return {
      load,
      first,
      answer,
      kernels: engine.kernels,
      files: files.map((file) => new URL(file.name).pathname),
      transferred: sum("transferSize"),
      bytes: sum("decodedBodySize"),
    };
  });
}

/** The answers to all rows. */
export function answers(page) {
  return page.evaluate(async () => {
    const found = [];
    for (const row of prepared) found.push(await engine.score(row));
    return found;
  });
}

/** The milliseconds that so many calls take. */
export function repeat(page, calls) {
  return page.evaluate(async (calls) => {
    const from = performance.now();
    await engine.repeat(prepared, calls);
    return performance.now() - from;
  }, calls);
}

/** Makes a page note the memories of its wasm instances: those it imports and those it exports. */
export function noteMemories(context) {
  return context.addInitScript(() => {
    const memories = new Set();
    globalThis.wasmBytes = () => [...memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
    const note = (instance) => {
      for (const value of Object.values(instance.exports)) {
        if (value instanceof WebAssembly.Memory) memories.add(value);
      }
    };
    for (const name of ["instantiate", "instantiateStreaming"]) {
      const original = WebAssembly[name];
      WebAssembly[name] = async (...given) => {
        const made = await original.apply(WebAssembly, given);
        note(made.instance ?? made);
        return made;
      };
    }
    WebAssembly.Memory = new Proxy(WebAssembly.Memory, {
      construct(...given) {
        const memory = Reflect.construct(...given);
        memories.add(memory);
        return memory;
      },
    });
  });
}

/** What the browser's page processes take: resident now, its part of what is shared, and at most. */
export async function resident(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const sum = { pss: 0, peak: 0 };
  for (const { id, type } of processInfo) {
    if (type !== "renderer") continue;
    sum.pss += kilobytes(`/proc/${id}/smaps_rollup`, "Pss") * 1024;
    sum.peak += kilobytes(`/proc/${id}/status`, "VmHWM") * 1024;
  }
  return sum;
}

function kilobytes(file, name) {
  const found = readFileSync(file, "utf8").match(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m"));
  if (!found) throw new Error(`${file}: expected ${name}`);
  return Number(found[1]);
}
