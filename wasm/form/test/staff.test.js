// The staff passphrase: changed, and reset where it is lost; other tabs keep up.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GOOD, clean, fill, launch, notice, open, site, submit, unlock } from './browser.js';

const OLD = 'three green boats';
const NEW = 'four yellow kites';
let browser, served;

before(async () => {
  served = await site();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await served?.close();
});

async function agent(options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await open(context, `${served.url}/index.html`);
  await page.locator('#f-income').waitFor();
  return { context, page };
}

/** Decides and saves an application, staff being at work. */
async function save(page, id) {
  await page.locator('#application-id').fill(id);
  await fill(page, GOOD);
  await submit(page);
  await page.locator(`[data-entry="${id}"]`).waitFor();
}

async function reload(page) {
  await page.reload();
  await page.locator('#staff-passphrase').waitFor();
}

async function change(page, present, next, again = next) {
  const saved = page.locator('[aria-labelledby=staff-title]');
  if (!(await saved.locator('details[open]').count())) await saved.locator('summary').click();
  await page.locator('#staff-present').fill(present);
  await page.locator('#staff-next').fill(next);
  await page.locator('#staff-next-again').fill(again);
  await page.locator('[data-change]').click();
}

/** Every record and draft as they lie in the database, and the wrapped key. */
const stored = (page) => page.evaluate(async () => {
  const db = await new Promise((resolve) => { indexedDB.open('fieldscore').onsuccess = ({ target }) => resolve(target.result); });
  const all = (name) => new Promise((resolve) => { db.transaction(name).objectStore(name).getAll().onsuccess = ({ target }) => resolve(target.result); });
  const one = (key) => new Promise((resolve) => { db.transaction('keys').objectStore('keys').get(key).onsuccess = ({ target }) => resolve(target.result); });
  const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
  const staff = await one('staff');
  const answer = {
    records: (await all('records')).map((row) => `${row.tag} ${row.decisions} ${hex(row.sealed.data)}`),
    drafts: (await all('drafts')).map((sealed) => sealed.to),
    staff: staff && { public: hex(staff.publicKey), wrapped: hex(staff.wrapped) },
  };
  db.close();
  return answer;
});

test('a changed passphrase opens what the old one closed; nothing is closed anew', async () => {
  const { context, page } = await agent();
  await unlock(page, OLD, true);
  await save(page, 'S-1');
  const before = await stored(page);

  await change(page, 'not the passphrase', NEW);
  await page.locator('#change-fault', { hasText: 'That is not the passphrase.' }).waitFor();
  await change(page, OLD, 'short');
  await page.locator('#change-fault', { hasText: 'At least 10 characters.' }).waitFor();
  await change(page, OLD, NEW, `${NEW}!`);
  await page.locator('#change-fault', { hasText: 'The two are not the same.' }).waitFor();
  assert.deepEqual(await stored(page), before, 'nothing of that changed anything');

  await change(page, OLD, NEW);
  await notice(page, 'passphrase').getByText('What is saved stays readable.').waitFor();
  const after = await stored(page);
  assert.deepEqual(after.records, before.records);
  assert.equal(after.staff.public, before.staff.public);
  assert.notEqual(after.staff.wrapped, before.staff.wrapped);
  await page.locator('[data-entry="S-1"]').waitFor();

  await reload(page);
  await page.locator('#staff-passphrase').fill(OLD);
  await page.locator('section form button').first().click();
  await page.locator('#give-fault', { hasText: 'That is not the passphrase.' }).waitFor();
  await unlock(page, NEW);
  await page.locator('[data-entry="S-1"] button').click();
  assert.equal(await page.locator('#f-income').inputValue(), GOOD.income);
  assert.deepEqual(page.faults, []);
  await context.close();
});

test('a lost passphrase: what it costs is counted, and nothing goes before it is confirmed', async () => {
  const { context, page } = await agent({ acceptDownloads: true });
  await unlock(page, OLD, true);
  await save(page, 'S-1');
  await Promise.all([page.waitForEvent('download'), page.locator('[data-export=json]').click()]);
  await notice(page, 'exported').waitFor();
  await page.getByRole('button', { name: 'New application' }).first().click();
  await save(page, 'S-2');
  await page.getByRole('button', { name: 'New application' }).first().click();
  await page.locator('#application-id').fill('S-3');
  await page.locator('#f-seniority').fill('7');
  await page.waitForSelector('fieldscore-form[draft-saved]');
  await reload(page);
  const before = await stored(page);
  assert.deepEqual([before.records.length, before.drafts], [2, ['staff']]);

  const lost = page.locator('[data-lost]');
  await lost.click();
  const tell = page.locator('#reset-tell');
  await tell.getByText('Saved applications: 2, of these never exported: 1. Drafts: 1.').waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await tell.count(), 0);
  await lost.click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await lost.click();
  await page.locator('[data-reset]').click();
  await page.locator('#reset-fault', { hasText: 'Tick the box first' }).waitFor();
  assert.deepEqual(await stored(page), before, 'still there');

  await page.locator('[name=sure]').check();
  await page.locator('[data-reset]').click();
  await notice(page, 'passphrase').getByText('The old passphrase is gone').waitFor();
  assert.deepEqual(await stored(page), { records: [], drafts: [], staff: undefined });
  await unlock(page, NEW, true);
  await page.getByText('Nothing is saved yet.').waitFor();
  await save(page, 'S-4');
  await reload(page);
  await unlock(page, NEW);
  await page.locator('[data-entry="S-4"]').waitFor();
  assert.deepEqual(page.faults, []);
  await context.close();
});

test('what another tab saves while one is asked is counted before it goes', async () => {
  const { context, page } = await agent();
  await unlock(page, OLD, true);
  await save(page, 'T-1');
  const other = await open(context, `${served.url}/index.html`);
  await other.locator('[data-lost]').click();
  await other.getByText('never exported: 1.').waitFor();
  await page.bringToFront();
  await page.getByRole('button', { name: 'New application' }).first().click();
  await save(page, 'T-2');
  await other.bringToFront();
  await other.locator('[name=sure]').check();
  await other.locator('[data-reset]').click();
  await other.locator('#reset-fault', { hasText: 'Look at the numbers again.' }).waitFor();
  await other.getByText('never exported: 2.').waitFor();
  assert.equal((await stored(page)).records.length, 2);

  await other.locator('[data-reset]').click();
  await notice(other, 'passphrase').waitFor();
  await unlock(other, NEW, true);
  // The first tab still has the old key; it locks as soon as it would save anything.
  await page.bringToFront();
  await page.getByRole('button', { name: 'New application' }).first().click();
  await page.locator('#application-id').fill('T-3');
  await fill(page, GOOD);
  await page.locator('#staff-passphrase').waitFor();
  assert.equal(await page.locator('[data-entry]').count(), 0);
  assert.deepEqual((await stored(page)).drafts, []);
  await unlock(page, NEW);
  assert.equal(await page.locator('#f-income').inputValue(), GOOD.income, 'nothing typed is lost');
  await submit(page);
  await page.locator('[data-entry="T-3"]').waitFor();
  await context.close();
});

test('a passphrase that another tab changed holds here at once', async () => {
  const { context, page } = await agent();
  await unlock(page, OLD, true);
  const other = await open(context, `${served.url}/index.html`);
  await other.locator('#staff-passphrase').waitFor();
  await change(page, OLD, NEW);
  await notice(page, 'passphrase').waitFor();
  await other.locator('#staff-passphrase').fill(OLD);
  await other.locator('section form button').first().click();
  await other.locator('#give-fault', { hasText: 'That is not the passphrase.' }).waitFor();
  await unlock(other, NEW);
  await context.close();
});

test('changed and reset by keyboard alone; the focus is never lost', async () => {
  const { context, page } = await agent();
  const at = () => page.evaluate(() => {
    const { id, name, tagName, dataset } = document.querySelector('fieldscore-form').shadowRoot.activeElement ?? {};
    return Object.keys(dataset ?? {})[0] ?? (id || name || tagName);
  });
  const tabTo = async (where) => {
    for (let step = 0; (await at()) !== where; step += 1) {
      assert.ok(step < 40, `no way to ${where} by the tab key`);
      await page.keyboard.press('Tab');
    }
  };
  const type = async (where, text) => {
    await tabTo(where);
    await page.keyboard.type(text);
  };
  await page.locator('#application-id').focus();
  await type('staff-passphrase', OLD);
  await type('staff-again', OLD);
  await page.keyboard.press('Enter');
  await page.locator('[data-lock]').waitFor();
  await page.locator('#application-id').focus();
  await tabTo('SUMMARY');
  await page.keyboard.press('Enter');
  await type('staff-present', OLD);
  await type('staff-next', NEW);
  await type('staff-next-again', NEW);
  await page.keyboard.press('Enter');
  await notice(page, 'passphrase').waitFor();
  assert.equal(await at(), 'SUMMARY');

  await reload(page);
  await page.locator('#staff-passphrase').focus();
  await tabTo('lost');
  await page.keyboard.press('Enter');
  await page.locator('dialog.reset').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog.reset').waitFor({ state: 'detached' });
  assert.equal(await at(), 'lost', 'back where one was');
  await page.keyboard.press('Enter');
  await page.locator('dialog.reset').waitFor();
  await tabTo('sure');
  await page.keyboard.press('Space');
  await tabTo('reset');
  await page.keyboard.press('Enter');
  await notice(page, 'passphrase').waitFor();
  await page.waitForFunction(() => document.querySelector('fieldscore-form').shadowRoot.activeElement?.id === 'staff-passphrase');
  await context.close();
});

for (const lang of ['en', 'ar', 'fr', 'es', 'sw', 'zh']) {
  test(`axe: changing and resetting, ${lang}`, async () => {
    const { context, page } = await agent({ locale: lang, bypassCSP: true });
    await unlock(page, OLD, true);
    await change(page, 'wrong passphrase', NEW);
    await page.locator('#change-fault:not(:empty)').waitFor();
    await clean(page, 'changing');
    await reload(page);
    await page.locator('[data-lost]').click();
    await page.locator('[data-reset]').click();
    await page.locator('#reset-fault:not(:empty)').waitFor();
    const box = await page.locator('dialog.reset').boundingBox();
    assert.ok(box.width > 200);
    await clean(page, 'resetting');
    await context.close();
  });
}
