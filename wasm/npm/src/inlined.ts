// The wasm modules as JavaScript, each loaded only where its build is wanted.

import type { Source } from "./engine.js";
import { fault } from "./error.js";

/** @internal */
export const inlined: Source = async (build) => {
  let text: string;
  try {
    const module =
      build === "simd128" ? await import("./inline-simd128.js") : await import("./inline-scalar.js");
    text = module.default;
  } catch (cause) {
    throw fault("wasm.load", "wasm", "this package's files, which could not be loaded (offline?)", cause);
  }
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
};
