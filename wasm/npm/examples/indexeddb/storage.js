// A `BundleStore`'s storage in IndexedDB: what a page keeps between visits.

/** The storage of one product, in a database of its own. */
export async function indexedDbStorage(product) {
  const db = await new Promise((resolve, reject) => {
    const request = indexedDB.open(`bundles of ${product}`, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("files");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  /** One transaction: what `set` has been answered for is on the disk, whole. */
  const run = (mode, work) =>
    new Promise((resolve, reject) => {
      const transaction = db.transaction("files", mode, { durability: "strict" });
      const request = work(transaction.objectStore("files"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  return {
    get: (name) => run("readonly", (files) => files.get(name)),
    set: (name, bytes) => run("readwrite", (files) => files.put(bytes, name)),
    delete: (name) => run("readwrite", (files) => files.delete(name)),
    keys: () => run("readonly", (files) => files.getAllKeys()),
  };
}
