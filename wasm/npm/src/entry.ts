// What every entry of this package offers, over where it finds the wasm modules.

import { type InitOptions, type Source, engine } from "./engine.js";
import { type PublicKey, type Scorer, open } from "./scorer.js";
import { AnyBundleStore, type BundleStoreOptions } from "./store.js";

export { FieldscoreError } from "./error.js";
export type { Build, InitOptions, LogLevel } from "./engine.js";
export { Scorer, type PublicKey } from "./scorer.js";
export type { BundleStorage, BundleStoreOptions } from "./store.js";
export type * from "./types.js";

/** @internal */
export const initWith = async (source: Source, options?: InitOptions): Promise<void> => {
  await engine(source, options);
};

/** @internal */
export const openWith = (source: Source, bytes: BufferSource, keys: readonly PublicKey[]): Promise<Scorer> =>
  open(bytes, keys, source);

export { AnyBundleStore, type BundleStoreOptions as StoreOptions };
