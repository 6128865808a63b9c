// After one visit without a network; new bundles and new pages.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { GOOD, fill, launchKept, notice, open, outcome, site, submit } from './browser.js';
import { signed, testKey } from './bundles.js';

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

test('a new bundle is offered, used when wanted, and stays in use; an older or foreign one is refused', async () => {
  const own = await site({ bundle: signed({ sequence: 5 }), keys: testKey });
  closers.push(own.close);
  const { page } = await kept(own);
  const sequence = () => page.evaluate(async () => {
    const form = document.querySelector('fieldscore-form');
    return form.engine.scorer.info.sequence;
  });
  own.given.set('/bundle.fsb', signed({ sequence: 6 }));
  await page.reload();
  await notice(page, 'update').getByText('New rules are here (number 6).').waitFor();
  assert.equal(await sequence(), 5, 'nobody is asked after the fact');
  await notice(page, 'update').getByRole('button', { name: 'Use them now' }).click();
  await notice(page, 'updated').waitFor();
  assert.equal(await sequence(), 6);
  await page.reload();
  await page.locator('#f-income').waitFor();
  assert.equal(await sequence(), 6);

  for (const refused of [signed({ sequence: 4 }), signed({ sequence: 9, product: 'other' })]) {
    own.given.set('/bundle.fsb', refused);
    await page.reload();
    await notice(page, 'store.refused').getByText('They were refused').waitFor();
    assert.equal(await sequence(), 6);
  }
  await fill(page, GOOD);
  await submit(page);
  await outcome(page).waitFor();
});

test('a bundle that arrives damaged changes nothing', async () => {
  const own = await site({ bundle: signed({ sequence: 5 }), keys: testKey });
  closers.push(own.close);
  const { page } = await kept(own);
  const bad = signed({ sequence: 6 });
  bad[bad.length - 40] ^= 1;
  own.given.set('/bundle.fsb', bad);
  await page.reload();
  await notice(page, 'bundle.altered').waitFor();
  await fill(page, GOOD);
  await submit(page);
  await outcome(page).waitFor();
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
