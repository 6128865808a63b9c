// Puts the package's modules together, as small as they get: bundle.mjs FROM TO.
//
// What the entries share becomes one module, so that a browser without a bundler waits for two files
// after the entry, not for eight; the glue and the inlined modules stay apart, and only the one that
// serves is loaded.

import { rolldown } from "rolldown";

const [from, to] = process.argv.slice(2);
const builds = ["simd128", "scalar", "agent-simd128", "agent-scalar", "full-simd128", "full-scalar"];
const entries = ["index", "inline", "node", "agent", "agent-inline", "agent-node", "full", "full-inline", "full-node"];
for (const build of builds) entries.push(`glue-${build}`, `inline-${build}`);

const bundle = await rolldown({
  input: entries.map((name) => `${from}/${name}.js`),
  platform: "neutral",
  external: /^node:/,
  transform: { target: "es2020" },
  onLog(level, log) {
    throw new Error(`${level}: ${log.message}`);
  },
});
await bundle.write({
  dir: to,
  format: "es",
  minify: true,
  entryFileNames: "[name].js",
  chunkFileNames: "[name].js",
});
await bundle.close();
