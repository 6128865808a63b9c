// The entry for browsers and bundlers. `full.ts` is the same for every family of models.

import { type InitOptions, download } from "./engine.js";
import { entry } from "./entry.js";
import { files } from "./files.js";
import { modules } from "./modules.js";
import type { PublicKey, Scorer } from "./scorer.js";
import type { AnyBundleStore, BundleStoreOptions } from "./store.js";

export { FieldscoreError } from "./error.js";
export type { Build, InitOptions, LogLevel } from "./engine.js";
export { Scorer, type PublicKey } from "./scorer.js";
export type { BundleStorage, BundleStoreOptions } from "./store.js";
export type * from "./types.js";

const its = entry(files(modules, download));

/**
 * Starts the runtime, once: a second call waits for the first, and its options change nothing but
 * the log's level. {@link openBundle} calls it; call it yourself to start early or with options.
 *
 * @throws {FieldscoreError} `wasm.*`: no WebAssembly, a module that cannot be had or compiled.
 */
export const init: (options?: InitOptions) => Promise<void> = its.init;

/**
 * Opens a signed bundle: verifies it under one of the pinned public keys, validates it, and, the
 * first time on this page, runs its known-answer self-test. Where the simd128 build fails that, the
 * scalar build takes its place; where that fails too, the bundle is refused.
 *
 * @throws {FieldscoreError} `bundle.*`, `wasm.*`.
 */
export const openBundle: (bytes: BufferSource, keys: readonly PublicKey[]) => Promise<Scorer> = its.openBundle;

/** Keeps one product's bundle up to date, in a storage of your choice. */
export const BundleStore: new (options: BundleStoreOptions) => BundleStore = its.BundleStore;
export type BundleStore = AnyBundleStore;
