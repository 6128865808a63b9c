// What every entry of this package offers, over where it finds the wasm modules.

import { type InitOptions, type Source, engine } from "./engine.js";
import { type PublicKey, type Scorer, open } from "./scorer.js";
import { AnyBundleStore, type BundleStoreOptions } from "./store.js";

/** @internal What an entry offers; `index.ts` says what each is for, to users of all of them. */
export interface Entry {
  init(options?: InitOptions): Promise<void>;
  openBundle(bytes: BufferSource, keys: readonly PublicKey[]): Promise<Scorer>;
  BundleStore: new (options: BundleStoreOptions) => AnyBundleStore;
}

/** @internal */
export const entry = (source: Source): Entry => ({
  init: async (options) => {
    await engine(source, options);
  },
  openBundle: (bytes, keys) => open(bytes, keys, source),
  BundleStore: class extends AnyBundleStore {
    constructor(options: BundleStoreOptions) {
      super(options, source);
    }
  },
});
