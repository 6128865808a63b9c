// Bad surroundings: each shows what happened and what to do.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { Decrypter, generateIdentity, identityToRecipient } from 'age-encryption';
import { openBundle } from 'fieldscore';
import { GOOD, fill, launch, notice, open, outcome, site, submit, unlock } from './browser.js';
import { golden, goldenKey, testKey } from '../../test/bundles.mjs';

let browser, served;

before(async () => {
  served = await site();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await served?.close();
});

/** A page of a context that `prepare` has changed. */
async function visit({ url = `${served.url}/apply.html`, prepare, context: options = {} } = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  if (prepare) await context.addInitScript(prepare);
  return { context, page: await open(context, url) };
}

/** What the notice says; it must say something to do. */
async function says(page, code, what) {
  await notice(page, code).waitFor();
  assert.match(await notice(page, code).textContent(), what);
}

async function decides(page) {
  await fill(page, GOOD);
  await submit(page);
  await page.locator('[data-outcome=approve]').waitFor();
}

test('no WebAssembly', async () => {
  const { context, page } = await visit({ prepare: () => delete globalThis.WebAssembly });
  await says(page, 'wasm.unavailable', /cannot run the scoring program.*Chrome, Firefox or Safari/s);
  await context.close();
});

test('no SIMD: the scalar build decides the same', async () => {
  const { context, page } = await visit({ prepare: () => { WebAssembly.validate = () => false; } });
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.reload();
  await decides(page);
  assert.ok(asked.some((url) => /scalar.*\.wasm/.test(url)) && !asked.some((url) => /simd128.*\.wasm/.test(url)), asked.join('\n'));
  await context.close();
});

test('no IndexedDB', async () => {
  const { context, page } = await visit({ prepare: () => Object.defineProperty(globalThis, 'indexedDB', { value: undefined }) });
  await says(page, 'storage.unavailable', /no storage.*nothing is saved.*ordinary window/s);
  await decides(page);
  await page.locator('[data-saved="0"]').waitFor();
  await context.close();
});

test('a private window that refuses storage', async () => {
  const { context, page } = await visit({
    prepare: () => {
      IDBFactory.prototype.open = function () {
        throw new DOMException('A mutation operation was attempted on a database that did not allow mutations.', 'InvalidStateError');
      };
    },
  });
  await says(page, 'storage.unavailable', /perhaps because the window is private/);
  await decides(page);
  await context.close();
});

test('full storage at the first visit: the bundle decides all the same', async () => {
  const { context, page } = await visit({ url: 'about:blank' });
  const devtools = await context.newCDPSession(page);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: served.url, quotaSize: 1 });
  await page.goto(`${served.url}/apply.html`);
  await says(page, 'storage.full', /storage is full/);
  await decides(page);
  await context.close();
});

/** A page whose origin has used up its quota, by what it wrote itself, down to the last hundred bytes. */
async function full({ config = {}, ...options } = {}) {
  const own = await site({ config });
  const { context, page } = await visit({ ...options, url: 'about:blank' });
  const devtools = await context.newCDPSession(page);
  // Room for the first visit; the service worker, which writes when it likes, is not part of this.
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: own.url, quotaSize: 600_000 });
  const use = (work) => page.evaluate(async (work) => {
    const db = await new Promise((resolve) => { indexedDB.open('fieldscore').onsuccess = ({ target }) => resolve(target.result); });
    const write = (change) => new Promise((resolve) => {
      const transaction = db.transaction('notes', 'readwrite');
      change(transaction.objectStore('notes'));
      transaction.oncomplete = () => resolve(true);
      transaction.onabort = () => resolve(transaction.error.name !== 'QuotaExceededError');
    });
    if (work === 'free') {
      await write((notes) => notes.delete(IDBKeyRange.bound('filler', 'fillerz')));
    } else {
      let count = 0;
      for (let size = 1 << 17; size >= 64; size /= 2) {
        while (await write((notes) => notes.put('x'.repeat(size), `filler${count}`))) count += 1;
      }
    }
    db.close();
  }, work);
  return { own, context, page, fillUp: () => use('fill'), free: () => use('free'), url: own.url };
}

const FULL = { context: { serviceWorkers: 'block', acceptDownloads: true } };

test('full storage at a decision: nothing typed is lost, and once there is room it can be tried again', async () => {
  const { own, context, page, fillUp, free, url } = await full(FULL);
  await page.goto(`${url}/apply.html`);
  await fill(page, GOOD);
  await page.waitForSelector('fieldscore-form[draft-saved]');
  await fillUp();
  await submit(page);
  await says(page, 'keep', /storage is full, so this was not saved.*free some space/s);
  assert.equal(await outcome(page).count(), 0, 'what could not be saved is no decision');
  for (const name of ['seniority', 'income', 'price']) assert.equal(await page.locator(`#f-${name}`).inputValue(), GOOD[name]);
  await free();
  await submit(page);
  await page.locator('[data-outcome=approve]').waitFor();
  await page.locator('[data-saved="1"]').waitFor();
  assert.deepEqual(page.faults, []);
  await context.close();
  await own.close();
});

test('full storage at a decision: a file serves instead, and is what would have been saved', async () => {
  const { own, context, page, fillUp, url } = await full(FULL);
  await page.goto(`${url}/apply.html`);
  await fill(page, GOOD);
  await fillUp();
  await submit(page);
  const instead = notice(page, 'keep').getByRole('button', { name: 'Put it into a file instead' });
  await instead.waitFor();
  await page.locator('#f-income').fill('190');
  assert.equal(await notice(page, 'keep').count(), 0, 'it was about other answers');
  await submit(page);
  const [download] = await Promise.all([page.waitForEvent('download'), instead.click()]);
  await page.locator('[data-outcome=approve]').waitFor();
  await page.locator('[data-kept=file]').getByText('Only in the file that you downloaded.').waitFor();
  const saved = JSON.parse(await readFile(await download.path(), 'utf8'));
  assert.deepEqual([saved.decision, saved.values.income, saved.outcome], [1, '190', 'approve']);
  const scorer = await openBundle(golden, [goldenKey]);
  const again = scorer.explain({ id: saved.id, asOf: saved.as_of, automation: true, values: saved.values });
  assert.equal(saved.record, Buffer.from(again.record).toString('base64'));
  await context.close();
  await own.close();
});

test('full storage with staff at work: the file is for the lender alone where its key is known', async () => {
  const identity = await generateIdentity();
  const { own, context, page, fillUp, url } = await full({ ...FULL, config: { recipient: await identityToRecipient(identity) } });
  await page.goto(`${url}/index.html`);
  await unlock(page, 'three green boats', true);
  await page.locator('#application-id').fill('F-1');
  await fill(page, GOOD);
  await submit(page);
  await page.locator('[data-saved="1"]').waitFor();
  await page.locator('#f-time').fill('30');
  await page.waitForTimeout(600);
  await fillUp();
  await submit(page);
  const instead = notice(page, 'keep').getByRole('button', { name: 'Put it into a file instead' });
  const [download] = await Promise.all([page.waitForEvent('download'), instead.click()]);
  await page.locator('[data-kept=file]').waitFor();
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const saved = JSON.parse(await decrypter.decrypt(await readFile(await download.path()), 'text'));
  assert.deepEqual([saved.id, saved.decision, saved.values.time], ['F-1', 2, '30']);
  await context.close();
  await own.close();
});

test('full storage at a kiosk: nothing is given away', async () => {
  const { own, context, page, fillUp, url } = await full(FULL);
  await page.goto(`${url}/kiosk.html`);
  await page.getByRole('button', { name: 'Touch to start' }).click();
  await fill(page, GOOD);
  await fillUp();
  await submit(page);
  await says(page, 'keep', /storage is full/);
  assert.equal(await page.getByRole('button', { name: 'Put it into a file instead' }).count(), 0);
  await context.close();
  await own.close();
});

test('an altered bundle', async () => {
  const bad = Buffer.from(golden);
  bad[bad.length - 40] ^= 1;
  const own = await site({ bundle: bad });
  const { context, page } = await visit({ url: `${own.url}/apply.html` });
  await says(page, 'bundle.altered', /damaged or were altered.*Load the page again/s);
  own.given.set('/bundle.fsb', golden);
  await page.getByRole('button', { name: 'Try again' }).click();
  await decides(page);
  await context.close();
  await own.close();
});

test('a bundle whose header is altered', async () => {
  const bad = Buffer.from(golden);
  bad[140] ^= 1;
  const own = await site({ bundle: bad });
  const { context, page } = await visit({ url: `${own.url}/apply.html` });
  await says(page, 'bundle.signature', /damaged or were altered/);
  await context.close();
  await own.close();
});

test('an expired bundle: a person decides', async () => {
  const { context, page } = await visit({ url: 'about:blank' });
  await page.clock.setFixedTime(new Date('2037-02-03T12:00:00Z'));
  await page.goto(`${served.url}/apply.html`);
  await says(page, 'bundle.expired', /expired on 2036-12-31.*Connect to the network/s);
  await fill(page, GOOD);
  await submit(page);
  await page.locator('[data-outcome=refer]').waitFor();
  await page.getByText('The rules in use have expired.').waitFor();
  await context.close();
});

test('the wrong key', async () => {
  const own = await site({ keys: testKey });
  const { context, page } = await visit({ url: `${own.url}/apply.html` });
  await says(page, 'bundle.untrusted_key', /not signed by this lender’s key.*Tell whoever runs this page/s);
  await context.close();
  await own.close();
});

test('no bundle at its address', async () => {
  const own = await site({ bundle: 404 });
  const { context, page } = await visit({ url: `${own.url}/apply.html` });
  await says(page, 'bundle.http', /answer 404.*Tell whoever runs this page/s);
  await context.close();
  await own.close();
});

test('plain http on a LAN: it scores, saves nothing, and says so', async () => {
  const { context, page } = await visit({ url: `${served.lan}/apply.html` });
  assert.equal(await page.evaluate(() => isSecureContext), false);
  await says(page, 'page.insecure', /without encryption.*Open it with https/s);
  await decides(page);
  await page.locator('[data-saved="0"]').waitFor();
  await context.close();
});

test('offline at the first visit', async () => {
  const { context, page } = await visit({ url: 'about:blank' });
  let offline = true;
  await context.route('**/*.{fsb,json}', (route) => (offline ? route.abort('internetdisconnected') : route.continue()));
  await page.goto(`${served.url}/apply.html`);
  await says(page, 'bundle.offline', /could not be loaded, and none are saved.*Connect to the network once/s);
  offline = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await decides(page);
  await context.close();
});

test('offline at the first visit, the scoring program not there either', async () => {
  const { context, page } = await visit({ url: 'about:blank' });
  let offline = true;
  await context.route(/\.(wasm|fsb)$|inline-|glue-/, (route) => (offline ? route.abort('internetdisconnected') : route.continue()));
  await page.goto(`${served.url}/apply.html`);
  await says(page, 'wasm.load', /could not be loaded, and none are saved.*Connect to the network once/s);
  offline = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await decides(page);
  await context.close();
});

test('two tabs: drafts are saved in one, and the other can take over', async () => {
  const { context, page: first } = await visit();
  await first.locator('#f-income').fill('111');
  await first.waitForSelector('fieldscore-form[draft-saved]');
  const second = await open(context, `${served.url}/apply.html`);
  await says(second, 'tabs', /open in another tab/);
  await second.locator('#f-income').fill('222');
  await second.waitForTimeout(800);
  assert.equal(await second.locator('fieldscore-form[draft-saved]').count(), 0);
  await notice(second, 'tabs').getByRole('button', { name: 'Use this tab instead' }).click();
  await says(first, 'tabs', /open in another tab/);
  assert.equal(await notice(second, 'tabs').count(), 0);
  await second.locator('#f-income').fill('333');
  await second.waitForSelector('fieldscore-form[draft-saved]');
  await context.close();
});

test('an iPhone is asked to install the page', async () => {
  const userAgent = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1';
  const { context, page } = await visit({ context: { userAgent } });
  await says(page, 'ios.install', /Add to Home Screen/);
  await context.close();
});

test('staff are told when the browser will not keep what is saved', async () => {
  const { context, page } = await visit({
    url: `${served.url}/index.html`,
    prepare: () => { StorageManager.prototype.persist = async () => false; StorageManager.prototype.persisted = async () => false; },
  });
  await unlock(page, 'three green boats', true);
  await fill(page, GOOD);
  await submit(page);
  await says(page, 'persist', /may delete saved applications.*Export them often/s);
  await context.close();
});
