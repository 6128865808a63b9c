// The packed package in Chromium, under a strict content security policy, as it is and in Vite.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium as playwright } from "playwright-core";
import * as vite from "vite";

import { damaged, foreigner, signed, testKey } from "../../test/bundles.mjs";
import { recorded } from "./golden.mjs";
import { app, application, bundle, chromium, csv, digests, key } from "./setup.mjs";

const STRICT = "script-src 'self' 'wasm-unsafe-eval'";
const POLICIES = {
  // Nothing but scripts and what they fetch from here.
  strict: `default-src 'none'; connect-src 'self'; ${STRICT}`,
  // Nor may anything be fetched.
  scripts: `default-src 'none'; ${STRICT}`,
  // Wasm may not be compiled.
  none: "default-src 'none'; connect-src 'self'; script-src 'self'",
  // With what a page has besides: styles, icons.
  page: `default-src 'self'; ${STRICT}; img-src 'self' data:`,
};
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".css": "text/css" };

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Serves folders by the first part of the path, under a policy, on this machine only. */
async function serve(policy, folders) {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://127.0.0.1").pathname));
    const [, first, ...rest] = path === "/" ? ["", "index.html"] : path.split("/");
    try {
      const body =
        path === "/" && !folders[""]
          ? "<!doctype html><title>empty</title>"
          : readFileSync(first in folders ? join(folders[first], ...rest) : join(folders[""], first, ...rest));
      response.writeHead(200, {
        "content-type": path === "/" ? "text/html" : (TYPES[extname(path)] ?? "application/octet-stream"),
        "content-security-policy": POLICIES[policy],
      });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

let browser;
const data = join(app, "data");

before(async () => {
  mkdirSync(data, { recursive: true });
  writeFileSync(join(data, "credit.fsb"), bundle);
  writeFileSync(join(data, "applications.csv"), csv);
  cpSync(here("golden.mjs"), join(data, "golden.mjs"));
  cpSync(here("../examples/indexeddb/storage.js"), join(data, "storage.js"));
  browser = await playwright.launch({
    executablePath: chromium(),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});

after(() => browser?.close());

/** Runs `work` in a page of its own, served with the package under a policy. */
async function inPage(policy, work, ...given) {
  const server = await serve(policy, { package: join(app, "node_modules/fieldscore"), data });
  const page = await browser.newPage();
  try {
    await page.goto(server.url);
    return await page.evaluate(work, ...given);
  } finally {
    await page.close();
    server.close();
  }
}

for (const build of ["simd128", "scalar"]) {
  test(`the golden suite in Chromium, ${build}`, async () => {
    const work = async ({ build, key }) => {
      const { init, openBundle } = await import("/package/dist/agent.js");
      const { alternatives, applications, decided } = await import("/data/golden.mjs");
      await init({ build });
      const [bundle, csv] = await Promise.all(["credit.fsb", "applications.csv"].map((name) => fetch(`/data/${name}`)));
      const scorer = await openBundle(await bundle.arrayBuffer(), [key]);
      const rows = applications(await csv.text());
      const digest = async (bytes) =>
        Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (byte) =>
          byte.toString(16).padStart(2, "0"),
        ).join("");
      return {
        kernels: scorer.info.kernels,
        plain: await digest(decided((a) => scorer.score(a), rows.slice(0, 10_000))),
        explained: await digest(decided((a) => scorer.explain(a), rows.slice(0, 100))),
        alternatives: await digest(alternatives(scorer, rows.slice(0, 100))),
        loaded: performance.getEntriesByType("resource").map((entry) => entry.name.split("/").pop()),
      };
    };
    const { loaded, ...found } = await inPage("strict", work, { build, key });
    assert.deepEqual(found, {
      kernels: build,
      plain: recorded(digests, "plain 10000"),
      explained: recorded(digests, "explained 100"),
      alternatives: recorded(digests, "alternatives 100"),
    });
    // Its own module and glue, and nothing of the other build's.
    const other = build === "simd128" ? "scalar" : "simd128";
    assert.ok(loaded.includes(`agent-${build}.wasm`) && loaded.includes(`glue-agent-${build}.js`));
    assert.deepEqual(loaded.filter((name) => name.includes(other) || name.startsWith("inline-")), []);
  });
}

/** Opens the bundle, which comes with the call, and decides. */
const decide = async ({ entry, key, bundle, application }) => {
  const { openBundle } = await import(`/package/dist/${entry}.js`);
  try {
    const scorer = await openBundle(Uint8Array.from(bundle), [key]);
    return scorer.score(application).outcome;
  } catch (error) {
    return `${error.name} ${error.code}`;
  }
};
const given = (entry) => ({ entry, key, bundle: [...bundle], application });

test("where nothing may be fetched the modules come as scripts", async () => {
  assert.equal(await inPage("scripts", decide, given("index")), "approve");
  assert.equal(await inPage("scripts", decide, given("inline")), "approve");
});

test("a policy that forbids wasm is named as what is wrong", async () => {
  assert.equal(await inPage("none", decide, given("index")), "FieldscoreError wasm.compile");
});

/** The first JavaScript of a README, as a reader would copy it. */
const snippet = (path) => /```js\n([^]*?)```/.exec(readFileSync(here(path), "utf8"))[1];

test("the READMEs' ten lines to a decision run as they stand", async () => {
  const lines = snippet("../README.md");
  assert.equal(snippet("../../../README.md"), lines, "the project's README has the same lines");
  assert.ok(lines.trim().split("\n").length <= 10);
  const root = join(app, "readme");
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, "public"), { recursive: true });
  writeFileSync(join(root, "main.js"), lines);
  writeFileSync(join(root, "index.html"), '<!doctype html><title>ten lines</title><link rel="icon" href="data:,"><script type="module" src="/main.js"></script>');
  writeFileSync(join(root, "public/credit.fsb"), bundle);
  await vite.build({ root, configFile: false, logLevel: "error", build: { target: "es2022" } });
  const server = await serve("page", { "": join(root, "dist") });
  const page = await browser.newPage();
  try {
    const said = page.waitForEvent("console", { timeout: 30_000 });
    await page.goto(server.url);
    const [score, outcome, reasons] = await Promise.all((await said).args().map((value) => value.jsonValue()));
    assert.ok(Number.isInteger(score) && score > 300);
    assert.equal(outcome, "approve");
    assert.ok(reasons.length > 0 && reasons.every((text) => text.length > 5));
  } finally {
    await page.close();
    server.close();
  }
});

/** Has a page's store do one thing; what is current afterwards, or the code of what went wrong. */
const stored = (page, doing, bytes) =>
  page.evaluate(
    async ({ doing, bytes, key }) => {
      const { BundleStore } = await import("/package/dist/index.js");
      const { indexedDbStorage } = await import("/data/storage.js");
      const store = new BundleStore({ storage: await indexedDbStorage("credit"), product: "credit", keys: [key] });
      try {
        return (await store[doing](bytes && Uint8Array.from(bytes))).info.sequence;
      } catch (error) {
        return error.code;
      }
    },
    { doing, bytes: bytes && [...bytes], key: testKey },
  );

test("updates in Chromium, kept in IndexedDB over reloads", async () => {
  const server = await serve("strict", { package: join(app, "node_modules/fieldscore"), data });
  const context = await browser.newContext();
  const page = await context.newPage();
  try {
    await page.goto(server.url);
    assert.equal(await stored(page, "current"), "store.empty");
    for (const [bytes, answer, current] of [
      [signed({ sequence: 5 }), 5, 5],
      [signed({ sequence: 4 }), "store.refused", 5],
      [signed({ sequence: 6 }), 6, 6],
      [signed({ sequence: 9, product: "other" }), "store.refused", 6],
      [signed({ sequence: 9, by: foreigner }), "bundle.untrusted_key", 6],
      [damaged(signed({ sequence: 9 })), "bundle.altered", 6],
      [signed({ sequence: 7, notAfter: "2026-01-31" }), 7, 7],
    ]) {
      assert.equal(await stored(page, "install", bytes), answer);
      await page.reload();
      assert.equal(await stored(page, "current"), current);
    }
  } finally {
    await context.close();
    server.close();
  }
});

test("two tabs install at once: the newer bundle is current in the end, in both", async () => {
  const server = await serve("strict", { package: join(app, "node_modules/fieldscore"), data });
  const context = await browser.newContext();
  try {
    const tabs = await Promise.all([0, 1].map(() => context.newPage()));
    for (const tab of tabs) await tab.goto(server.url);
    assert.equal(await stored(tabs[0], "install", signed({ sequence: 1 })), 1);
    for (let sequence = 2; sequence < 12; sequence += 2) {
      const [older, newer] = await Promise.all([
        stored(tabs[0], "install", signed({ sequence })),
        stored(tabs[1], "install", signed({ sequence: sequence + 1 })),
      ]);
      assert.ok(older === sequence || older === "store.refused", `${older}`);
      assert.equal(newer, sequence + 1);
      for (const tab of tabs) assert.equal(await stored(tab, "current"), sequence + 1);
    }
  } finally {
    await context.close();
    server.close();
  }
});

/** The React example with its data, in a folder of its own. */
function example() {
  const root = join(app, "react");
  rmSync(root, { recursive: true, force: true });
  cpSync(here("../examples/react"), root, { recursive: true });
  mkdirSync(join(root, "public"));
  writeFileSync(join(root, "public/credit.fsb"), bundle);
  writeFileSync(join(root, "public/application.json"), JSON.stringify({ ...application, key }));
  for (const name of ["react", "react-dom", "scheduler"]) {
    cpSync(here(`../node_modules/${name}`), join(app, "node_modules", name), { recursive: true });
  }
  return root;
}

/** What the example shows, and what the page complained of. */
async function shown(url) {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(`${error}`));
  try {
    await page.goto(url);
    const text = await page.locator("#outcome").textContent({ timeout: 30_000 });
    return { text, reasons: await page.locator("li").count(), errors };
  } catch (error) {
    throw new Error(`${error} ${errors.join("; ")} ${await page.content()}`);
  } finally {
    await page.close();
  }
}

const expected = (found) => {
  assert.match(found.text, /^\d+ points: approve \(simd128\)$/);
  assert.deepEqual(found.errors, []);
  assert.ok(found.reasons > 0);
};

for (const [how, optimizeDeps] of [
  ["pre-bundled", {}],
  ["left as it is", { exclude: ["fieldscore"] }],
]) {
  test(`React under StrictMode in Vite dev, the package ${how}`, async () => {
    const server = await vite.createServer({
      root: example(),
      configFile: false,
      logLevel: "error",
      cacheDir: join(app, "react/.vite"),
      optimizeDeps,
      server: { host: "127.0.0.1", port: 0, strictPort: false },
    });
    try {
      await server.listen();
      expected(await shown(server.resolvedUrls.local[0]));
    } finally {
      await server.close();
    }
  });
}

test("React under StrictMode, built by Vite and served under the strict policy", async () => {
  const root = example();
  await vite.build({ root, configFile: false, logLevel: "error", build: { target: "es2022" } });
  const server = await serve("page", { "": join(root, "dist") });
  try {
    expected(await shown(server.url));
  } finally {
    server.close();
  }
});
