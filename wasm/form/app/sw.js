// Keeps the page: its files at one version, and the newest settings and bundle that were seen.
// `scripts/build.js` fills in the version and the files.
const VERSION = '__VERSION__';
const FILES = __FILES__;

const PAGE = `fieldscore-page-${VERSION}`;
const DATA = 'fieldscore-data';
const SCOPE = new URL('./', self.location.href);
const SETTINGS = new URL('config.json', SCOPE).href;
const known = new Set(FILES.map((file) => new URL(file, SCOPE).href));

self.addEventListener('install', (event) => event.waitUntil(install()));
self.addEventListener('activate', (event) => event.waitUntil(activate()));
self.addEventListener('message', (event) => {
  if (event.data === 'take over') self.skipWaiting();
});
self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== 'GET' || url.origin !== SCOPE.origin) return;
  url.search = url.hash = '';
  if (url.href === SCOPE.href) url.pathname += 'index.html';
  if (known.has(url.href)) event.respondWith(fromPage(event.request, url.href));
  else if (url.href === SETTINGS || url.pathname.endsWith('.fsb')) event.respondWith(newest(event.request, url.href));
});

/** Fetches all files, or fails as a whole: the browser tries again at the next visit. */
async function install() {
  const page = await caches.open(PAGE);
  await page.addAll([...known].map((url) => new Request(url, { cache: 'reload' })));
  const settings = await newest(new Request(SETTINGS), SETTINGS);
  const { bundle } = await settings.json();
  const url = new URL(bundle, SCOPE);
  if (url.origin === SCOPE.origin) await newest(new Request(url), url.href);
}

async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith('fieldscore-page-') && name !== PAGE) await caches.delete(name);
  }
  await self.clients.claim();
}

async function fromPage(request, url) {
  const page = await caches.open(PAGE);
  return (await page.match(url)) ?? fetch(request);
}

/** From the network where there is one, else what it last gave. What the bundle is worth, its signature says. */
async function newest(request, url) {
  const data = await caches.open(DATA);
  try {
    const response = await fetch(request, { cache: 'no-cache' });
    if (response.ok) await data.put(url, response.clone()).catch(() => undefined);
    return response;
  } catch (error) {
    const kept = await data.match(url);
    if (kept) return kept;
    throw error;
  }
}
