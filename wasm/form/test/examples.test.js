// The element on pages that exist already: plain HTML, and React under StrictMode with Vite.
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { build } from 'vite';
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

async function drive(root) {
  const served = await site({ root });
  const context = await browser.newContext({ locale: 'en-GB' });
  const page = await open(context, `${served.url}/index.html`);
  await fill(page, GOOD);
  await submit(page);
  await outcome(page).waitFor();
  const score = await page.locator('[data-score]').getAttribute('data-score');
  await page.locator('#told', { hasText: 'Decided' }).waitFor();
  assert.equal((await page.locator('#told').textContent()).trim(), `Decided: approve, ${score} points`);
  assert.deepEqual(page.faults, []);
  await context.close();
  await served.close();
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
