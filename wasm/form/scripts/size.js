// What one first visit loads, gzipped, with the credit bundle: node scripts/size.js BUNDLE.fsb
// One JSON object on stdout.
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { serve } from './server.js';

const bundle = process.argv[2];
if (!bundle) {
  console.error('error: expected the path of a bundle');
  process.exit(2);
}
const given = new Map([
  ['/bundle.fsb', await readFile(bundle)],
  ['/config.json', JSON.stringify({ bundle: 'bundle.fsb', keys: '0'.repeat(64) })],
]);
const server = await serve(fileURLToPath(new URL('../dist/app', import.meta.url)), given);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
// What the service worker fetches afterwards, for later visits, holds nobody up.
const page = await (await browser.newContext({ serviceWorkers: 'block' })).newPage();
const seen = new Map();
page.on('response', async (response) => {
  const { pathname } = new URL(response.url());
  if (response.ok()) seen.set(pathname, response.body());
});
await page.goto(`http://127.0.0.1:${server.address().port}/apply.html`);
// Nothing has signed with the key of zeros: all is loaded by the time the form says so.
await page.locator('[data-notice^="bundle."]').waitFor();
let [raw, gzip] = [0, 0];
for (const [path, body] of seen) {
  const bytes = await body;
  // Pictures are packed already.
  const packed = extname(path) === '.png' ? bytes.length : gzipSync(bytes, { level: 9 }).length;
  console.error(`${String(packed).padStart(8)}  ${path}`);
  raw += bytes.length;
  gzip += packed;
}
await browser.close();
server.close();
server.closeAllConnections();
console.log(JSON.stringify({ artifact: 'form', raw, gzip }));
