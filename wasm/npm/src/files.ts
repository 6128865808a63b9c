// The wasm modules as files beside this one.

import type { Build, Source } from "./engine.js";
import { inlined } from "./inlined.js";

/**
 * @internal The module at its address, read by `read`. Tools that move this code without the files
 * (Vite's pre-bundling, some bundlers), and policies that let scripts be loaded but nothing be
 * fetched, break that address: then the module comes as JavaScript.
 */
export function files(read: (url: URL) => Promise<BufferSource>): Source {
  return async (build) => {
    try {
      const bytes = await read(address(build));
      if (isWasm(bytes)) return bytes;
    } catch {
      // As below.
    }
    return inlined(build);
  };
}

// Each address is written out: bundlers look for exactly this.
function address(build: Build): URL {
  return build === "simd128"
    ? new URL("./simd128.wasm", import.meta.url)
    : new URL("./scalar.wasm", import.meta.url);
}

/** Some servers answer every address with a page. */
function isWasm(bytes: BufferSource): boolean {
  const start = ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, Math.min(4, bytes.byteLength))
    : new Uint8Array(bytes, 0, Math.min(4, bytes.byteLength));
  return String.fromCharCode(...start) === "\0asm";
}
