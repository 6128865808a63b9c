/** IndexedDB, as promises: one database for all forms of an origin. */
import { Fault, storageFault } from '../faults.js';

const NAME = 'fieldscore';
const VERSION = 1;
const STORES = ['keys', 'records', 'drafts', 'bundles', 'notes'] as const;
export type StoreName = (typeof STORES)[number];

/** An open database. */
export class Database {
  private constructor(private readonly db: IDBDatabase) {
    // Another tab with a newer form must not wait for this one.
    db.onversionchange = () => db.close();
  }

  /** Opens it; a browser that gives no storage is a {@link Fault}. */
  static async open(): Promise<Database> {
    const factory = globalThis.indexedDB;
    if (!factory) throw new Fault('storage.unavailable', 'noDb');
    return new Promise((resolve, reject) => {
      let request: IDBOpenDBRequest;
      try {
        request = factory.open(NAME, VERSION);
      } catch (error) {
        reject(storageFault(error));
        return;
      }
      request.onupgradeneeded = () => {
        for (const store of STORES) request.result.createObjectStore(store);
      };
      request.onsuccess = () => resolve(new Database(request.result));
      request.onerror = () => {
        const fault = storageFault(request.error);
        // What does not even open is as good as not there.
        reject(fault.code === 'storage.failed' ? new Fault('storage.unavailable', 'noDb') : fault);
      };
    });
  }

  async get<T>(store: StoreName, key: string): Promise<T | undefined> {
    return this.ask(store, 'readonly', (from) => from.get(key)) as Promise<T | undefined>;
  }

  async all<T>(store: StoreName): Promise<T[]> {
    return this.ask(store, 'readonly', (from) => from.getAll()) as Promise<T[]>;
  }

  async names(store: StoreName): Promise<string[]> {
    return (await this.ask(store, 'readonly', (from) => from.getAllKeys())) as string[];
  }

  /** Durable when it returns. */
  async put(store: StoreName, key: string, value: unknown): Promise<void> {
    await this.ask(store, 'readwrite', (into) => into.put(value, key));
  }

  /** Puts it where nothing is yet; gives what is there afterwards. */
  async add<T>(store: StoreName, key: string, value: T): Promise<T> {
    return this.change<T>(store, key, (found) => found ?? value);
  }

  async remove(store: StoreName, key: string): Promise<void> {
    await this.ask(store, 'readwrite', (from) => from.delete(key));
  }

  /**
   * Reads, changes and writes one value in one transaction, so that two tabs lose nothing. Where `next`
   * gives nothing, nothing is written.
   */
  async change<T>(store: StoreName, key: string, next: (found: T | undefined) => T): Promise<T> {
    return this.transact(store, 'readwrite', (into, give, fail) => {
      const request = into.get(key);
      request.onsuccess = () => {
        try {
          const value = next(request.result as T | undefined);
          if (value !== undefined) into.put(value, key);
          give(value);
        } catch (error) {
          fail(error);
        }
      };
    });
  }

  private ask(store: StoreName, mode: IDBTransactionMode, make: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
    return this.transact(store, mode, (objects, give) => {
      const request = make(objects);
      request.onsuccess = () => give(request.result);
    });
  }

  private transact<T>(
    store: StoreName,
    mode: IDBTransactionMode,
    work: (store: IDBObjectStore, give: (value: T) => void, fail: (error: unknown) => void) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      try {
        const transaction = this.db.transaction(store, mode, { durability: 'strict' });
        let result: T;
        const fail = (error: unknown) => {
          reject(storageFault(error));
          transaction.abort();
        };
        work(transaction.objectStore(store), (value) => (result = value), fail);
        transaction.oncomplete = () => resolve(result);
        transaction.onabort = () => reject(storageFault(transaction.error));
        transaction.onerror = () => reject(storageFault(transaction.error));
      } catch (error) {
        reject(storageFault(error));
      }
    });
  }
}
