// The element on pages that exist already: plain HTML, and React under StrictMode with Vite.
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { build, createServer } from 'vite';
import { golden } from '../../test/bundles.mjs';
import { GOOD, ROOT, fill, launch, open, outcome, site, submit } from './browser.js';

const EXAMPLES = fileURLToPath(new URL('../examples', import.meta.url));
let browser, folder;

before(async () => {
  browser = await launch();
  folder = await mkdtemp(join(tmpdir(), 'fieldscore-'));
});
after(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Fills in the form on a page built from `root`. */
async function drive(root) {
  const served = await site({ root });
  await decides(`${served.url}/index.html`);
  await served.close();
}

async function decides(url) {
  const context = await browser.newContext({ locale: 'en-GB' });
  const page = await open(context, url);
  await fill(page, GOOD);
  await submit(page);
  await outcome(page).waitFor();
  const score = await page.locator('[data-score]').getAttribute('data-score');
  await page.locator('#told', { hasText: 'Decided' }).waitFor();
  assert.equal((await page.locator('#told').textContent()).trim(), `Decided: approve, ${score} points`);
  assert.deepEqual(page.faults, []);
  await context.close();
}

test('plain HTML', async () => {
  const root = join(folder, 'html');
  await cp(join(EXAMPLES, 'html'), root, { recursive: true });
  await cp(join(ROOT, 'fieldscore-form.js'), join(root, 'fieldscore-form.js'));
  await cp(join(ROOT, 'assets'), join(root, 'assets'), { recursive: true });
  await drive(root);
});

test('React under StrictMode, built with Vite', async () => {
  const root = join(EXAMPLES, 'react');
  const outDir = join(folder, 'react');
  await build({ root, configFile: join(root, 'vite.config.ts'), logLevel: 'error', build: { outDir } });
  await drive(outDir);
});

test('React under StrictMode, in Vite’s development server', async () => {
  const root = join(EXAMPLES, 'react');
  const publicDir = join(folder, 'public');
  await mkdir(publicDir);
  await writeFile(join(publicDir, 'bundle.fsb'), golden);
  const server = await createServer({
    root, publicDir, configFile: join(root, 'vite.config.ts'), logLevel: 'error', cacheDir: join(folder, 'vite'),
    server: { host: '127.0.0.1', port: 0 },
  });
  try {
    await server.listen();
    await decides(server.resolvedUrls.local[0]);
  } finally {
    await server.close();
  }
});
