// The entry for browsers and bundlers.

import { type InitOptions, type PublicKey, type Scorer, AnyBundleStore, type BundleStoreOptions, initWith, openWith } from "./entry.js";
import { files } from "./files.js";
import { download } from "./engine.js";

const source = files(download);

export {
  FieldscoreError,
  Scorer,
  type Build,
  type BundleStorage,
  type BundleStoreOptions,
  type InitOptions,
  type LogLevel,
  type PublicKey,
} from "./entry.js";
export type * from "./types.js";

/**
 * Starts the runtime, once: a second call waits for the first, and its options change nothing but
 * the log's level. {@link openBundle} calls it; call it yourself to start early or with options.
 *
 * @throws {FieldscoreError} `wasm.*`: no WebAssembly, a module that cannot be had or compiled.
 */
export function init(options?: InitOptions): Promise<void> {
  return initWith(source, options);
}

/**
 * Opens a signed bundle: verifies it under one of the pinned public keys, validates it, and, the
 * first time on this page, runs its known-answer self-test. Where the simd128 build fails that, the
 * scalar build takes its place; where that fails too, the bundle is refused.
 *
 * @throws {FieldscoreError} `bundle.*`, `wasm.*`.
 */
export function openBundle(bytes: BufferSource, keys: readonly PublicKey[]): Promise<Scorer> {
  return openWith(source, bytes, keys);
}

/** Keeps one product's bundle up to date, in a storage of your choice. */
export class BundleStore extends AnyBundleStore {
  constructor(options: BundleStoreOptions) {
    super(options, source);
  }
}
