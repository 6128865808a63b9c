// Applicants and kiosks: decided once, drafts, nothing left behind.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BAD, GOOD, fill, launch, notice, open, outcome, site, submit } from './browser.js';

let browser, served;

before(async () => {
  served = await site({ config: { 'idle-seconds': 20 } });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await served?.close();
});

async function visit(path, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  return { context, page: await open(context, `${served.url}/${path}`) };
}

test('an applicant is decided once, on submit', async () => {
  const { context, page } = await visit('apply.html');
  await fill(page, GOOD);
  assert.equal(await outcome(page).count(), 0, 'nothing is shown before');
  await submit(page);
  await page.locator('[data-outcome=approve]').waitFor();
  assert.ok((await page.locator('[data-reason]').count()) > 0);
  assert.equal(await page.locator('#f-income').count(), 0, 'the answers can no longer be changed');
  assert.deepEqual(page.faults, []);
  await context.close();
});

test('who is not approved is told what would change it, and it does', async () => {
  const poor = { ...BAD, records: 'no' };
  const { context, page } = await visit('apply.html');
  await fill(page, poor);
  await submit(page);
  const list = page.getByRole('list', { name: 'What would change it' });
  const first = list.locator('[data-alternative]').first();
  const reached = await first.getAttribute('data-alternative');
  const changes = await first
    .locator('[data-change]')
    .evaluateAll((all) => all.map((one) => [one.dataset.change, one.querySelector('bdi').textContent.match(/[\d,]+/)[0].replaceAll(',', '')]));
  assert.ok(changes.length > 0);
  await context.close();
  const again = await visit('apply.html');
  await fill(again.page, { ...poor, ...Object.fromEntries(changes) });
  await submit(again.page);
  await again.page.locator(`[data-outcome=${reached}]`).waitFor();
  assert.deepEqual(again.page.faults, []);
  await again.context.close();
});

test('what is missing is said in one place that leads to each question', async () => {
  const { context, page } = await visit('apply.html');
  await fill(page, { ...GOOD, seniority: '', amount: '9' });
  await submit(page);
  const links = page.locator('.summary a');
  assert.equal(await links.count(), 2);
  await links.first().click();
  assert.equal(await page.evaluate(() => document.querySelector('fieldscore-form').shadowRoot.activeElement.id), 'f-seniority');
  await context.close();
});

test('a draft is kept and can be continued, and is gone after the decision', async () => {
  const { context, page } = await visit('apply.html');
  await fill(page, GOOD);
  await page.waitForSelector('fieldscore-form[draft-saved]');
  await page.reload();
  await notice(page, 'draft').getByRole('button', { name: 'Continue it' }).click();
  assert.equal(await page.locator('#f-income').inputValue(), GOOD.income);
  await submit(page);
  await outcome(page).waitFor();
  await page.reload();
  await page.locator('#f-income').waitFor();
  assert.equal(await notice(page, 'draft').count(), 0);
  await context.close();
});

test('the element tells its page what happens', async () => {
  const { context, page } = await visit('apply.html');
  await page.locator('#f-income').waitFor();
  await page.evaluate(() => {
    window.told = [];
    const form = document.querySelector('fieldscore-form');
    for (const name of ['change', 'decision']) form.addEventListener(name, (event) => window.told.push([name, event.detail]));
  });
  await fill(page, GOOD);
  await submit(page);
  await outcome(page).waitFor();
  const told = await page.evaluate(() => window.told.map(([name, { record, ...detail }]) => [name, detail, record?.length]));
  const [name, detail, length] = told.at(-1);
  assert.equal(name, 'decision');
  assert.equal(detail.outcome, 'approve');
  assert.equal(detail.decision, 1);
  assert.equal(detail.saved, true);
  assert.ok(length > 100);
  assert.equal(told.filter(([name]) => name === 'change').at(-1)[1].valid, true);
  await context.close();
});

async function kiosk() {
  const context = await browser.newContext({ locale: 'en-GB' });
  const page = await context.newPage();
  await page.clock.install();
  await page.goto(`${served.url}/kiosk.html`);
  await page.getByRole('button', { name: 'Touch to start' }).click();
  await page.locator('#f-income').waitFor();
  return { context, page };
}

test('a kiosk decides once, and shows nothing of the last applicant', async () => {
  const { context, page } = await kiosk();
  await fill(page, GOOD);
  await submit(page);
  await page.locator('[data-outcome=approve]').waitFor();
  assert.equal(await page.locator('[data-export], [data-lock], #staff-passphrase').count(), 0);
  await page.getByRole('button', { name: 'Finish' }).click();
  await page.getByRole('button', { name: 'Touch to start' }).click();
  assert.equal(await page.locator('#f-income').inputValue(), '');
  assert.equal(await page.locator('input:checked:not([value=""])').count(), 0);
  await context.close();
});

test('a kiosk asks, then clears itself', async () => {
  const { context, page } = await kiosk();
  await fill(page, GOOD);
  await page.clock.runFor(21_000);
  await page.getByText('Are you still there?').waitFor();
  await page.getByRole('button', { name: 'I am still here' }).click();
  assert.equal(await page.locator('#f-income').inputValue(), GOOD.income);
  await page.clock.runFor(21_000);
  await page.getByText('Are you still there?').waitFor();
  await page.clock.runFor(17_000);
  await page.getByRole('button', { name: 'Touch to start' }).waitFor();
  const left = await page.evaluate(() => document.querySelector('fieldscore-form').shadowRoot.innerHTML);
  assert.doesNotMatch(left, new RegExp(`${GOOD.assets}|${GOOD.income}`));
  const drafts = await page.evaluate(
    () => new Promise((resolve) => {
      indexedDB.open('fieldscore').onsuccess = ({ target }) => {
        target.result.transaction('drafts').objectStore('drafts').count().onsuccess = (event) => resolve(event.target.result);
      };
    }),
  );
  assert.equal(drafts, 0);
  await page.getByRole('button', { name: 'Touch to start' }).click();
  assert.equal(await page.locator('#f-income').inputValue(), '');
  await context.close();
});

test('a kiosk’s record is written by its own program before it counts', async () => {
  const written = [];
  let status = 507;
  const given = new Map([
    ['/records', (request, response) => {
      const parts = [];
      request.on('data', (part) => parts.push(part));
      request.on('end', () => { written.push(Buffer.concat(parts)); response.writeHead(status).end(); });
    }],
  ]);
  const own = await site({ given, config: { sink: 'records' } });
  const context = await browser.newContext({ locale: 'en-GB' });
  const page = await open(context, `${own.url}/kiosk.html`);
  await page.getByRole('button', { name: 'Touch to start' }).click();
  await fill(page, GOOD);
  await submit(page);
  await notice(page, 'keep').getByText('could not be written to the kiosk’s disk').waitFor();
  assert.equal(await outcome(page).count(), 0, 'what is not on disk is no decision');
  status = 201;
  await submit(page);
  await page.locator('[data-outcome=approve]').waitFor();
  assert.equal(written.length, 2);
  assert.equal(written[1][0], 0x88, 'a record: a CBOR array of eight');
  await context.close();
  await own.close();
});
