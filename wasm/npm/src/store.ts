// Installing updates: one product, rising sequence numbers, the last good bundle kept.

import { fault } from "./error.js";
import { type Source, engine } from "./engine.js";
import { type PublicKey, type Scorer, bytesOf, checked, keyBytes } from "./scorer.js";
import type { Raw, RawSession } from "./raw.js";

/**
 * Where a store keeps its bytes: a database, a folder; a `Map<string, Uint8Array>` is one, for
 * tests. `set` must be durable and atomic: whoever reads later finds what was there before or all
 * of the bytes. `keys` must list the names that this store wrote, and may list others.
 */
export interface BundleStorage {
  get(name: string): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  set(name: string, bytes: Uint8Array): unknown;
  delete(name: string): unknown;
  keys(): Iterable<string> | Promise<Iterable<string>>;
}

/** What a {@link BundleStore} is made of. */
export interface BundleStoreOptions {
  /** Where it keeps its bytes. */
  storage: BundleStorage;
  /** The product whose bundles it takes. */
  product: string;
  /** The lender's pinned public keys. */
  keys: readonly PublicKey[];
}

/** Keeps one product's bundle up to date; made by an entry of this package. */
export abstract class AnyBundleStore {
  private readonly _storage: BundleStorage;
  private readonly _product: string;
  private readonly _keys: Uint8Array;
  private readonly _source: Source;
  private _last: Promise<unknown> = Promise.resolve();

  /** @internal */
  protected constructor(options: BundleStoreOptions, source: Source) {
    const { storage, product, keys } = options;
    if (typeof product !== "string") throw fault("field.type", "product", "the product's name");
    this._storage = storage;
    this._product = product;
    this._keys = keyBytes(keys);
    this._source = source;
  }

  /**
   * Installs an update: verifies it, runs its self-test, and makes it current if it is of this
   * product and its sequence number is higher than any before. What is current already changes
   * nothing. After any error the store opens what it opened before.
   *
   * @throws {FieldscoreError} `store.refused` for an older or a foreign bundle; as `openBundle`;
   * `io` where the storage fails.
   */
  install(bundle: BufferSource): Promise<Scorer> {
    const bytes = bytesOf(bundle).slice();
    return this._alone(async () => {
      const files = await this._read();
      const changes: (string | Uint8Array | null)[] = [];
      const scorer = await checked(this._source, (raw) =>
        this._with(raw, files, (store) => {
          const session = store.install(bytes);
          const made = store.changes();
          if (changes.length === 0) changes.push(...made);
          return session;
        }),
      );
      try {
        for (let at = 0; at < changes.length; at += 2) {
          const name = changes[at] as string;
          const written = changes[at + 1] as Uint8Array | null;
          if (written) {
            await this._io(() => this._storage.set(name, written));
            files.set(name, written);
          } else {
            // Not being able to clean up is no failure of the installation.
            await this._io(() => this._storage.delete(name)).catch(() => {});
          }
        }
      } catch (error) {
        scorer.close();
        throw error;
      }
      return scorer;
    });
  }

  /**
   * Opens the current bundle, or the last good one where that does not open.
   *
   * @throws {FieldscoreError} `store.empty` where none opens; `io` where the storage fails.
   */
  current(): Promise<Scorer> {
    return this._alone(async () => {
      const files = await this._read();
      return checked(this._source, (raw) => this._with(raw, files, (store) => store.open()));
    });
  }

  /** Starts the runtime's own store over what is stored. */
  private _with(
    raw: Raw,
    files: Map<string, Uint8Array>,
    work: (store: InstanceType<Raw["Store"]>) => RawSession,
  ): RawSession {
    const store = new raw.Store(this._product, this._keys);
    try {
      for (const [name, bytes] of files) store.load(name, bytes);
      return work(store);
    } finally {
      store.free();
    }
  }

  private async _read(): Promise<Map<string, Uint8Array>> {
    // Before anything is read: what follows is then without a wait for the network.
    await engine(this._source);
    return this._io(async () => {
      const files = new Map<string, Uint8Array>();
      for (const name of await this._storage.keys()) {
        if (name !== "state" && !name.endsWith(".fsb")) continue;
        const bytes = await this._storage.get(name);
        if (bytes) files.set(name, bytes);
      }
      return files;
    });
  }

  private async _io<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw fault("io", "store", "readable and writable storage with room left", cause);
    }
  }

  /** One call after the other, in other tabs too where the browser has locks. */
  private _alone<T>(work: () => Promise<T>): Promise<T> {
    const locks = (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks;
    const locked = () =>
      locks ? (locks.request(`fieldscore ${this._product}`, work) as Promise<T>) : work();
    const done = this._last.then(locked, locked);
    this._last = done.catch(() => {});
    return done;
  }
}
