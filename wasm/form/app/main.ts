/** The page around the form: what a lender sets, and the service worker that keeps the page. */
import { Fault, FieldscoreForm } from '../src/index.js';

/** `config.json`, beside the page. Names are the element's attributes. */
type Config = Record<string, string | number>;

const form = document.querySelector('fieldscore-form') as FieldscoreForm;

async function begin(): Promise<void> {
  const asked = new URLSearchParams(location.search).get('lang');
  if (asked) form.lang = asked;
  const direction = () => {
    const shell = form.shadowRoot?.querySelector('.shell');
    document.documentElement.lang = shell?.getAttribute('lang') ?? 'en';
    document.documentElement.dir = shell?.getAttribute('dir') ?? 'ltr';
    const title = form.shadowRoot?.querySelector('h1')?.textContent;
    if (title) document.title = title;
  };
  form.addEventListener('ready', direction);
  form.addEventListener('error', direction);
  form.prepare = settings;
  form.hold = false;
  await keep();
}

/** Sets what `config.json` says; the form itself says what it misses. */
async function settings(): Promise<void> {
  let response: Response;
  try {
    response = await fetch('config.json', { cache: 'no-cache' });
  } catch {
    throw new Fault('bundle.offline', 'offlineFirst');
  }
  if (!response.ok) throw new Fault('bundle.http', 'bundleHttp', { status: response.status });
  for (const [name, value] of Object.entries((await response.json()) as Config)) {
    // Which mode a page is in is not to be had from a file that pages share.
    if (name !== 'mode') form.setAttribute(name, String(value));
  }
}

/** Registers the service worker, and says when a newer page waits. */
async function keep(): Promise<void> {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return;
  const first = !serviceWorker.controller;
  let reloading = false;
  serviceWorker.addEventListener('controllerchange', () => {
    if (first || reloading) return;
    reloading = true;
    location.reload();
  });
  try {
    const registration = await serviceWorker.register('sw.js');
    const offer = (worker: ServiceWorker) => form.offerReload(() => worker.postMessage('take over'));
    if (registration.waiting && !first) offer(registration.waiting);
    registration.addEventListener('updatefound', () => {
      const worker = registration.installing;
      worker?.addEventListener('statechange', () => {
        if (worker.state === 'installed' && serviceWorker.controller) offer(worker);
      });
    });
    await serviceWorker.ready;
    if (first && form.mode !== 'kiosk') form.sayOffline();
  } catch {
    // The page works without; at the next visit it is tried again.
  }
}

void begin();
