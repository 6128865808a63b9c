/** The scorer and the bundle it was opened from: fetched, kept by a `BundleStore`, updated. */
import { BundleStore, init, openBundle } from 'fieldscore/agent';
import type { Scorer } from 'fieldscore';
import { Fault } from './faults.js';
import { today } from './fields.js';
import type { Database } from './store/db.js';

/** Which bundle a form wants. */
export interface Wanted {
  url: string;
  keys: string[];
  /** The product it must be of; where the page does not say, that of the first bundle. */
  product: string | null;
}

/** What a look at the server found. */
export type Update = { sequence: number; install(): Promise<void> };

/** Where the store's bytes lie: IndexedDB, one name space a product. */
class BundleStorage {
  constructor(private readonly db: Database, private readonly product: string) {}

  private key(name: string): string {
    return `${this.product}/${name}`;
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    return this.db.get<Uint8Array>('bundles', this.key(name));
  }

  async set(name: string, bytes: Uint8Array): Promise<void> {
    await this.db.put('bundles', this.key(name), bytes);
  }

  async delete(name: string): Promise<void> {
    await this.db.remove('bundles', this.key(name));
  }

  async keys(): Promise<string[]> {
    const start = this.key('');
    const all = await this.db.names('bundles');
    return all.filter((name) => name.startsWith(start)).map((name) => name.slice(start.length));
  }
}

export class Engine {
  private store: BundleStore | undefined;
  /** Why the bundle could not be kept, where it could not. */
  notKept: unknown;

  private constructor(
    private readonly wanted: Wanted,
    private readonly db: Database | undefined,
    /** What decides at present. */
    public scorer: Scorer,
  ) {}

  /** Opens the bundle that is kept, else the one on the server. */
  static async open(wanted: Wanted, db: Database | undefined): Promise<Engine> {
    if (!wanted.url || wanted.keys.length === 0) throw new Fault('bundle.unnamed', 'bundleMissing');
    if (typeof WebAssembly !== 'object') throw new Fault('wasm.unavailable', 'noWasm');
    await init();
    const note = `product of ${new URL(wanted.url, document.baseURI).pathname}`;
    const product = wanted.product ?? (await db?.get<string>('notes', note));
    if (db && product) {
      const store = storeOf(db, product, wanted.keys);
      const kept = await current(store);
      if (kept) return Object.assign(new Engine(wanted, db, kept), { store });
    }
    const bytes = await load(wanted.url);
    const scorer = await openBundle(bytes, wanted.keys);
    if (wanted.product && scorer.info.product !== wanted.product) throw new Fault('store.refused', 'bundleKey');
    const engine = new Engine(wanted, db, scorer);
    if (db) {
      engine.store = storeOf(db, scorer.info.product, wanted.keys);
      try {
        await engine.install(bytes);
        await db.put('notes', note, scorer.info.product);
      } catch (error) {
        // A full disk keeps nobody from deciding: the bundle in hand is verified.
        engine.notKept = error;
      }
    }
    return engine;
  }

  /** Why the bundle does not decide by itself today, if it does not. */
  validity(): Fault | undefined {
    const { notBefore, notAfter } = this.scorer.info;
    const day = today();
    if (notAfter && day > notAfter) return new Fault('bundle.expired', 'expired', { date: notAfter });
    if (notBefore && day < notBefore) return new Fault('bundle.not_yet_valid', 'notYet', { date: notBefore });
    return undefined;
  }

  /**
   * Asks the server for a newer bundle. Nothing where it has none or cannot be reached; what the store
   * refuses (older, of another product, badly signed) is an error.
   */
  async update(): Promise<Update | undefined> {
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = await load(this.wanted.url);
    } catch {
      return undefined;
    }
    const offered = await openBundle(bytes, this.wanted.keys);
    const { sequence, product, bundleId } = offered.info;
    offered.close();
    const present = this.scorer.info;
    if (bundleId === present.bundleId) return undefined;
    if (product !== present.product || sequence <= present.sequence) {
      // The store has the word, and says so.
      await this.install(bytes);
      return undefined;
    }
    return { sequence, install: () => this.install(bytes) };
  }

  /** Makes a bundle the one that decides. */
  private async install(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.store ??= this.db && (storeOf(this.db, this.scorer.info.product, this.wanted.keys));
    if (!this.store) {
      // Without storage nothing is kept, and the next visit starts from the server's bundle.
      const next = await openBundle(bytes, this.wanted.keys);
      const { product, sequence } = this.scorer.info;
      if (next.info.product !== product || next.info.sequence <= sequence) throw new Fault('store.refused', 'refusedUpdate');
      this.scorer = next;
      return;
    }
    this.scorer = await this.store.install(bytes);
  }
}

function storeOf(db: Database, product: string, keys: string[]): BundleStore {
  return new BundleStore({ storage: new BundleStorage(db, product), product, keys });
}

async function current(store: BundleStore): Promise<Scorer | undefined> {
  try {
    return await store.current();
  } catch (error) {
    if ((error as { code?: string }).code === 'store.empty') return undefined;
    throw error;
  }
}

/** The server's bundle, past the browser's own cache. */
async function load(url: string): Promise<Uint8Array<ArrayBuffer>> {
  let response: Response;
  try {
    response = await fetch(url, { cache: 'no-cache', credentials: 'same-origin' });
  } catch {
    throw new Fault('bundle.offline', 'offlineFirst');
  }
  if (!response.ok) throw new Fault('bundle.http', 'bundleHttp', { status: response.status });
  return new Uint8Array(await response.arrayBuffer());
}
