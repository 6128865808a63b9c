// Where a build's module comes from: a file beside this one, or JavaScript.

import type { Build, Source } from "./engine.js";
import { fault } from "./error.js";

/** @internal The modules of an entry. */
export interface Modules extends Pick<Source, "prefix" | "glue"> {
  /** Where a build's module lies. */
  address(build: Build): URL;
  /** The module as JavaScript, in base64, loaded only where its build is wanted. */
  inline(build: Build): Promise<{ default: string }>;
}

/**
 * @internal The module at its address, read by `read`. Tools that move this code without the files
 * (Vite's pre-bundling, some bundlers), and policies that let scripts be loaded but nothing be
 * fetched, break that address: then the module comes as JavaScript.
 */
export function files(modules: Modules, read: (url: URL) => Promise<BufferSource>): Source {
  const { prefix, glue } = modules;
  const { bytes: inline } = inlined(modules);
  const bytes = async (build: Build) => {
    try {
      const bytes = await read(modules.address(build));
      if (isWasm(bytes)) return bytes;
    } catch {
      // As below.
    }
    return inline(build);
  };
  return { prefix, glue, bytes };
}

/** @internal The module as JavaScript. */
export function inlined({ prefix, glue, inline }: Modules): Source {
  const bytes = async (build: Build) => {
    let text: string;
    try {
      text = (await inline(build)).default;
    } catch (cause) {
      throw fault("wasm.load", "wasm", "this package's files, which could not be loaded (offline?)", cause);
    }
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  };
  return { prefix, glue, bytes };
}

/** Some servers answer every address with a page. */
function isWasm(bytes: BufferSource): boolean {
  const start = ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, Math.min(4, bytes.byteLength))
    : new Uint8Array(bytes, 0, Math.min(4, bytes.byteLength));
  return String.fromCharCode(...start) === "\0asm";
}
