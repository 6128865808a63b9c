// The wasm modules of the entry with what surrounds a decision.

import type { Modules } from "./files.js";

/** @internal Names and addresses are written out: bundlers look for exactly this. */
export const modules: Modules = {
  prefix: "agent-",
  address: (build) =>
    build === "simd128"
      ? new URL("./agent-simd128.wasm", import.meta.url)
      : new URL("./agent-scalar.wasm", import.meta.url),
  glue: (build) =>
    build === "simd128" ? import("./glue-agent-simd128.js") : import("./glue-agent-scalar.js"),
  inline: (build) =>
    build === "simd128" ? import("./inline-agent-simd128.js") : import("./inline-agent-scalar.js"),
};
