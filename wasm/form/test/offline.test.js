// After one visit without a network; new bundles and new pages.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { GOOD, fill, launchKept, notice, open, outcome, site, submit } from './browser.js';
import { damaged, foreigner, signed, testKey } from '../../test/bundles.mjs';

const closers = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

async function kept(own) {
  const { context, close } = await launchKept({ locale: 'en-GB' });
  closers.push(close);
  const page = await open(context, `${own.url}/apply.html`);
  await notice(page, 'offline').waitFor();
  // The page's files are kept by the worker, the bundle by the form: the visit needs both.
  await page.locator('#f-income').waitFor();
  return { context, page };
}

test('after the first visit everything works with the server gone', async () => {
  const own = await site();
  const { context, page } = await kept(own);
  await own.close();
  await context.setOffline(true);
  for (const path of ['apply.html', 'index.html', 'kiosk.html', '']) {
    await page.goto(`${own.url}/${path}`);
    await page.locator(path === 'kiosk.html' ? '.start button' : '#f-income').waitFor();
  }
  await page.goto(`${own.url}/apply.html`);
  await fill(page, GOOD);
  await submit(page);
  await page.locator('[data-outcome=approve]').waitFor();
  assert.deepEqual(page.faults, []);
});

const sequence = (page) => page.evaluate(() => document.querySelector('fieldscore-form').engine.scorer.info.sequence);
const use = (page) => notice(page, 'update').getByRole('button', { name: 'Use them now' }).click();

/** Loads the page once more, the server having this bundle. */
async function offered(own, page, bundle) {
  own.given.set('/bundle.fsb', bundle);
  await page.reload();
}

test('a new bundle is offered, used when wanted, and stays in use', async () => {
  const own = await site({ bundle: signed({ sequence: 5 }), keys: testKey });
  closers.push(own.close);
  const { context, page } = await kept(own);
  await offered(own, page, signed({ sequence: 6 }));
  await notice(page, 'update').getByText('New rules are here (number 6).').waitFor();
  assert.equal(await sequence(page), 5, 'nobody is asked after the fact');
  await notice(page, 'update').getByRole('button', { name: 'Later' }).click();
  await page.reload();
  await use(page);
  await notice(page, 'updated').waitFor();
  assert.equal(await sequence(page), 6);
  await page.reload();
  await page.locator('#f-income').waitFor();
  assert.equal(await sequence(page), 6);
  await own.close();
  await context.setOffline(true);
  await page.reload();
  await page.locator('#f-income').waitFor();
  assert.equal(await sequence(page), 6, 'without a network too');
  assert.deepEqual(page.faults, []);
});

test('what is older, of another product, of another key or damaged is refused, and changes nothing', async () => {
  const own = await site({ bundle: signed({ sequence: 6 }), keys: testKey });
  closers.push(own.close);
  const { page } = await kept(own);
  for (const [bundle, code, says] of [
    [signed({ sequence: 4 }), 'store.refused', /older, or for another product.*present rules stay/],
    [signed({ sequence: 6, notAfter: '2098-12-31' }), 'store.refused', /They were refused/],
    [signed({ sequence: 9, product: 'other' }), 'store.refused', /They were refused/],
    [signed({ sequence: 9, by: foreigner }), 'bundle.untrusted_key', /not signed by this lender’s key, so they are not used/],
    [damaged(signed({ sequence: 9 })), 'bundle.altered', /damaged or were altered, so they are not used/],
    [signed({ sequence: 9 }).subarray(0, 4000), 'bundle.not_a_bundle', /damaged or were altered/],
    [Buffer.from('<!doctype html>'), 'bundle.not_a_bundle', /damaged or were altered/],
  ]) {
    await offered(own, page, bundle);
    await notice(page, code).waitFor();
    assert.match(await notice(page, code).textContent(), says);
    assert.equal(await notice(page, 'update').count(), 0);
    assert.equal(await sequence(page), 6, code);
  }
  await fill(page, GOOD);
  await submit(page);
  await outcome(page).waitFor();
});

test('new rules that have expired already leave every decision to a person, until newer ones come', async () => {
  const own = await site({ bundle: signed({ sequence: 5 }), keys: testKey });
  closers.push(own.close);
  const { page } = await kept(own);
  await offered(own, page, signed({ sequence: 6, notAfter: '2026-01-31' }));
  await use(page);
  await notice(page, 'bundle.expired').getByText('expired on 2026-01-31').waitFor();
  await offered(own, page, signed({ sequence: 7 }));
  await notice(page, 'bundle.expired').waitFor();
  await use(page);
  await notice(page, 'updated').waitFor();
  assert.equal(await notice(page, 'bundle.expired').count(), 0);
  await fill(page, GOOD);
  await submit(page);
  await page.locator('[data-outcome=approve]').waitFor();
});

test('two tabs take an update one after the other', async () => {
  const own = await site({ bundle: signed({ sequence: 5 }), keys: testKey });
  closers.push(own.close);
  const { context, page: first } = await kept(own);
  const second = await open(context, `${own.url}/apply.html`);
  await second.locator('#f-income').waitFor();
  own.given.set('/bundle.fsb', signed({ sequence: 6 }));
  for (const page of [first, second]) {
    await page.bringToFront();
    await page.evaluate(() => dispatchEvent(new Event('online')));
    await notice(page, 'update').waitFor();
  }
  for (const page of [first, second]) {
    await page.bringToFront();
    await use(page);
    await notice(page, 'updated').waitFor();
    assert.equal(await sequence(page), 6);
  }
  // One has moved on; the other still decides by what it opened, and keeps up when it looks again.
  own.given.set('/bundle.fsb', signed({ sequence: 7 }));
  await first.bringToFront();
  await first.reload();
  await use(first);
  await notice(first, 'updated').waitFor();
  own.given.set('/bundle.fsb', signed({ sequence: 6 }));
  await second.bringToFront();
  await second.reload();
  await notice(second, 'store.refused').waitFor();
  assert.equal(await sequence(second), 7, 'what one tab has installed holds for both');
  for (const page of [first, second]) assert.deepEqual(page.faults, []);
});

test('a new version of the page is offered', async () => {
  const own = await site();
  closers.push(own.close);
  const { page } = await kept(own);
  const worker = await (await fetch(`${own.url}/sw.js`)).text();
  own.given.set('/sw.js', worker.replace(/VERSION = '/, "VERSION = 'next"));
  await page.reload();
  await notice(page, 'app').getByRole('button', { name: 'Reload' }).click();
  await page.waitForFunction(async () => (await caches.keys()).some((name) => name.includes('next')));
  await page.locator('#f-income').waitFor();
});
