// Chromium for tests, and what tests do with the form.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { serve } from '../scripts/server.js';
import { golden, goldenKey } from '../../test/bundles.mjs';

export const ROOT = fileURLToPath(new URL('../dist/app', import.meta.url));

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
  // A name that is this machine, but that browsers don't take for it: a page on a LAN.
  '--host-resolver-rules=MAP kiosk.test 127.0.0.1',
];

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export async function launch() {
  return chromium.launch({ executablePath, args: FLAGS });
}

/** A browser with a profile on disk, as people have: a context that is no private window. */
export async function launchKept(options = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'fieldscore-'));
  const context = await chromium.launchPersistentContext(folder, { executablePath, args: FLAGS, ...options });
  return { context, close: async () => { await context.close(); await rm(folder, { recursive: true, force: true }); } };
}

/** Serves the built pages with a bundle and settings; `given` may be changed while it runs. */
export async function site({ bundle = golden, keys = goldenKey, config = {}, root = ROOT, given = new Map() } = {}) {
  given.set('/bundle.fsb', bundle);
  given.set('/config.json', JSON.stringify({ bundle: 'bundle.fsb', keys, ...config }));
  const server = await serve(root, given);
  const { port } = server.address();
  return {
    given,
    url: `http://127.0.0.1:${port}`,
    lan: `http://kiosk.test:${port}`,
    close: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
  };
}

/** A page whose faults fail the test: exceptions and refusals of the content security policy. */
export async function open(context, url) {
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) page.faults.push(message.text());
  });
  await page.goto(url);
  return page;
}

/** Answers that the credit model approves. */
export const GOOD = {
  seniority: '12', home: 'owner', time: '24', records: 'no', job: 'fixed', expenses: '45',
  income: '200', assets: '8000', debt: '0', amount: '600', price: '1500',
};
/** Answers that it declines. */
export const BAD = { ...GOOD, seniority: '0', home: 'rent', time: '60', records: 'yes', job: 'partime', income: '60', assets: '0', amount: '1500' };

/** Answers questions as a person does. */
export async function fill(page, answers, consent = true) {
  for (const [name, text] of Object.entries(answers)) {
    const field = page.locator(`[data-field="${name}"]`);
    if (await field.locator('select').count()) await field.locator('select').selectOption(text);
    else if (await field.locator('input[type=radio]').count()) await field.locator(`input[value="${text}"]`).check();
    else await field.locator('input').fill(text);
  }
  if (consent) await page.locator('#consent').check();
}

export const submit = (page) => page.locator('form.card button.main').click();
export const notice = (page, code) => page.locator(`[data-notice="${code}"]`);
export const outcome = (page) => page.locator('[data-outcome]');

/** Gives the staff passphrase; `first` sets it. */
export async function unlock(page, passphrase, first = false) {
  await page.locator('#staff-passphrase').fill(passphrase);
  if (first) await page.locator('#staff-again').fill(passphrase);
  await page.locator('section form button').first().click();
  await page.locator('[data-lock]').waitFor();
}

const axe = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** axe-core finds nothing; the context must let its script past the page's policy. */
export async function clean(page, where) {
  // Through the debugger: the page's own policy would refuse it.
  const { violations } = await page.evaluate(async (source) => {
    new Function(source).call(window);
    return window.axe.run(document, { resultTypes: ['violations'] });
  }, await axe);
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(' | ')}`);
  assert.deepEqual(found, [], where);
}
