// The default entry's wasm modules: dense nets, scorecards, linear pipelines.

import type { Modules } from "./files.js";

/** @internal Names and addresses are written out: bundlers look for exactly this. */
export const modules: Modules = {
  prefix: "",
  address: (build) =>
    build === "simd128"
      ? new URL("./simd128.wasm", import.meta.url)
      : new URL("./scalar.wasm", import.meta.url),
  glue: (build) => (build === "simd128" ? import("./glue-simd128.js") : import("./glue-scalar.js")),
  inline: (build) => (build === "simd128" ? import("./inline-simd128.js") : import("./inline-scalar.js")),
};
