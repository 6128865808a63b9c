/** What browsers offer besides, each asked for gently. */

/** An iPhone or iPad: its browsers delete a page's storage after a week unless the page is installed. */
export function isApple(): boolean {
  const { userAgent, maxTouchPoints } = navigator;
  return /iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
}

export function isInstalled(): boolean {
  return matchMedia('(display-mode: standalone), (display-mode: fullscreen)').matches || 'standalone' in navigator && navigator.standalone === true;
}

/** Asks that storage be kept; whether it will be. */
export async function persist(): Promise<boolean> {
  const storage = navigator.storage;
  if (!storage?.persist) return false;
  return ((await storage.persisted()) || (await storage.persist())) === true;
}

/**
 * Holds `name` against the other tabs: nothing where another tab has it, unless it is to be taken from
 * there. `lost` is called when another tab takes it.
 */
export async function only(name: string, steal: boolean, lost: () => void): Promise<{ give(): void } | undefined> {
  const { locks } = navigator;
  if (!locks) return { give: () => undefined };
  return new Promise((resolve) => {
    let given = false;
    const hold = (lock: Lock | null) => {
      if (!lock) {
        resolve(undefined);
        return undefined;
      }
      return new Promise<void>((release) => {
        resolve({
          give: () => {
            given = true;
            release();
          },
        });
      });
    };
    locks.request(name, steal ? { steal } : { ifAvailable: true }, hold).catch(() => {
      if (!given) lost();
    });
  });
}

/** Runs `work` while no other tab runs what does not go together with it. */
export async function together<T>(name: string, mode: LockMode, work: () => Promise<T>): Promise<T> {
  const { locks } = navigator;
  return locks ? ((await locks.request(name, { mode }, work)) as T) : work();
}
