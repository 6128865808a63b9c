// Each engine as an app's production build would serve it: one script, and the files it asks for.

import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "vite";

/** The engines by name. */
export const ENGINES = ["fieldscore", "onnxruntime-web"];

/** Builds every engine into a folder of its own under `to`; `ours` is the npm package's folder. */
export async function engines(ours, to) {
  for (const engine of ENGINES) {
    await build({
      configFile: false,
      logLevel: "error",
      root: fileURLToPath(new URL(".", import.meta.url)),
      base: `/${engine}/`,
      resolve: { alias: [{ find: /^fieldscore$/, replacement: join(ours, "dist/index.js") }] },
      build: {
        outDir: join(to, engine),
        emptyOutDir: true,
        target: "es2022",
        assetsInlineLimit: 0,
        rollupOptions: {
          input: { app: fileURLToPath(new URL(`./engines/${engine}.js`, import.meta.url)) },
          preserveEntrySignatures: "strict",
          output: { entryFileNames: "[name].js" },
        },
      },
    });
  }
}
