// The wasm modules of the entry for every family of models.

import type { Modules } from "./files.js";

/** @internal Names and addresses are written out: bundlers look for exactly this. */
export const modules: Modules = {
  prefix: "full-",
  address: (build) =>
    build === "simd128"
      ? new URL("./full-simd128.wasm", import.meta.url)
      : new URL("./full-scalar.wasm", import.meta.url),
  glue: (build) =>
    build === "simd128" ? import("./glue-full-simd128.js") : import("./glue-full-scalar.js"),
  inline: (build) =>
    build === "simd128" ? import("./inline-full-simd128.js") : import("./inline-full-scalar.js"),
};
