// Staff: a score as one types, saving under a passphrase, lists, exports, deletion.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { Decrypter, generateIdentity, identityToRecipient } from 'age-encryption';
import { openBundle } from 'fieldscore';
import { BAD, GOOD, fill, launch, notice, open, outcome, site, submit, unlock } from './browser.js';
import { applications, signed, testKey } from '../../test/bundles.mjs';

const PASSPHRASE = 'three green boats';
const DAY = 86_400_000;
/** It lets staff see the score as they type. */
const bundle = signed({ scoreAsTyped: true });
let browser, served, identity;

before(async () => {
  identity = await generateIdentity();
  const recipient = await identityToRecipient(identity);
  served = await site({ bundle, keys: testKey, config: { recipient, 'retention-days': 7 } });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await served?.close();
});

async function agent({ url = served.url, ...options } = {}) {
  const context = await browser.newContext({ locale: 'en-GB', acceptDownloads: true, ...options });
  const page = await open(context, `${url}/index.html`);
  await page.locator('#f-seniority').waitFor();
  return { context, page };
}

test('the score follows the answers, and is the one that the package gives', async () => {
  const { context, page } = await agent();
  const scorer = await openBundle(bundle, [testKey]);
  for (const row of [...applications().slice(0, 3), GOOD, BAD]) {
    const { id: _, as_of: __, ...answers } = row;
    await fill(page, answers);
    const values = Object.fromEntries(Object.entries(answers).filter(([, text]) => text !== ''));
    const asOf = new Date().toISOString().slice(0, 10);
    let expected;
    try {
      expected = scorer.explain({ id: 'x', asOf, values });
    } catch {
      assert.equal(await outcome(page).count(), 0);
      continue;
    }
    await page.waitForFunction(
      (score) => document.querySelector('fieldscore-form').shadowRoot.querySelector(`[data-score="${score}"]`),
      expected.score,
    );
    assert.equal(await outcome(page).getAttribute('data-outcome'), expected.outcome);
    const reasons = await page.locator('[data-reason]').allTextContents();
    assert.deepEqual(reasons, expected.reasons.map((reason) => reason.text('en')));
    const bars = await page.locator('[data-group]').evaluateAll((all) => all.map((bar) => [bar.dataset.group, Number(bar.dataset.points)]));
    assert.deepEqual(Object.fromEntries(bars), Object.fromEntries(expected.groups.map(({ code, points }) => [code, points])));
  }
  assert.deepEqual(page.faults, []);
  await context.close();
});

test('where the bundle does not allow scoring as one types, the result waits for the button', async () => {
  const own = await site({ bundle: signed(), keys: testKey });
  const { context, page } = await agent({ url: own.url });
  await page.getByText('press the button below them').waitFor();
  await fill(page, GOOD);
  // Longer than a score as one types is announced after.
  await page.waitForTimeout(1500);
  assert.equal(await outcome(page).count(), 0);
  assert.equal(await page.locator('[data-score]').count(), 0);
  await submit(page);
  await page.locator('[data-outcome=approve]').waitFor();
  await page.locator('#f-income').fill('190');
  await page.getByText('press the button below them').waitFor();
  assert.equal(await outcome(page).count(), 0, 'another answer is another decision');
  await context.close();
  await own.close();
});

test('without consent a person decides, and the result says why', async () => {
  const { context, page } = await agent();
  await fill(page, GOOD, false);
  await page.locator('[data-outcome=refer]').waitFor();
  await assert.doesNotReject(page.getByText('There is no consent to an automatic decision.').waitFor());
  await context.close();
});

test('answers are checked as they are typed', async () => {
  const { context, page } = await agent();
  const said = page.locator('#f-seniority-said');
  await page.locator('#f-seniority').fill('twelve');
  assert.equal(await said.textContent(), 'Digits only, for example 12.');
  await page.locator('#f-seniority').fill('61');
  assert.equal(await said.textContent(), 'The most is 60.');
  await page.locator('#f-time').fill('1');
  assert.equal(await page.locator('#f-time-said').textContent(), '', 'more digits may follow');
  await page.locator('#f-time').blur();
  assert.equal(await page.locator('#f-time-said').textContent(), 'The least is 6.');
  await page.locator('#f-income').fill('10001');
  assert.equal(await page.locator('#f-income-said').textContent(), 'More than 10,000 counts as 10,000.');
  await submit(page);
  await page.locator('.summary').waitFor();
  assert.equal(await outcome(page).count(), 0);
  await context.close();
});

test('decisions are saved behind the passphrase and counted; drafts come back', async () => {
  const { context, page } = await agent();
  await fill(page, GOOD);
  await page.locator('#application-id').fill('B-17');
  await submit(page);
  await page.locator('[data-saved="0"]').waitFor();
  await unlock(page, PASSPHRASE, true);
  await submit(page);
  await page.locator('[data-saved="1"]').waitFor();
  await page.locator('#f-time').fill('30');
  await submit(page);
  await page.locator('[data-saved="2"]').waitFor();
  await page.locator('[data-entry="B-17"] [data-decisions="2"]').waitFor();

  await page.getByRole('button', { name: 'New application' }).first().click();
  await page.locator('#application-id').fill('B-18');
  await page.locator('#f-seniority').fill('7');
  await page.waitForTimeout(1000);
  await page.reload();
  await page.locator('#f-seniority').waitFor();
  assert.equal(await page.locator('[data-entry]').count(), 0, 'nothing is listed before the passphrase');
  await page.locator('#staff-passphrase').fill('not the passphrase');
  await page.locator('section form button').first().click();
  await page.getByText('That is not the passphrase.').waitFor();
  await unlock(page, PASSPHRASE);
  await page.locator('[data-draft="B-18"] button').first().click();
  assert.equal(await page.locator('#f-seniority').inputValue(), '7');
  await page.locator('[data-entry="B-17"] button').click();
  assert.equal(await page.locator('#f-time').inputValue(), '30');
  await context.close();
});

test('what lies in the database shows no value and no id', async () => {
  const { context, page } = await agent();
  await unlock(page, PASSPHRASE, true);
  await fill(page, { ...GOOD, assets: '8731642' });
  await fill(page, { assets: '873164' });
  await page.locator('#application-id').fill('SECRET-99');
  await submit(page);
  await page.locator('[data-saved="1"]').waitFor();
  const stored = await page.evaluate(async () => {
    const db = await new Promise((resolve) => { indexedDB.open('fieldscore').onsuccess = (event) => resolve(event.target.result); });
    const texts = [];
    const text = (value) => {
      if (value instanceof CryptoKey) texts.push(`extractable ${value.extractable}`);
      else if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) texts.push(new TextDecoder('latin1').decode(value));
      else if (typeof value === 'object' && value) Object.entries(value).forEach(([key, inner]) => { texts.push(key); text(inner); });
      else texts.push(String(value));
    };
    for (const name of db.objectStoreNames) {
      if (name === 'bundles') continue;
      const all = await new Promise((resolve) => { db.transaction(name).objectStore(name).getAll().onsuccess = (event) => resolve(event.target.result); });
      all.forEach(text);
    }
    return texts.join('\n');
  });
  assert.match(stored, /sealed/);
  assert.match(stored, /extractable false/);
  assert.doesNotMatch(stored, /extractable true|SECRET-99|873164|seniority/);
  await context.close();
});

test('exports: CSV, JSON lines, age; exported ones are deleted after their days', async () => {
  const { context, page } = await agent();
  await page.clock.install();
  await unlock(page, PASSPHRASE, true);
  // Before there are answers: a machine that takes its time would keep a draft under this number.
  await page.locator('#application-id').fill('=1+1');
  assert.equal(await page.locator('#application-id-said').textContent(), 'Letters, digits, dots and dashes, at most 64.');
  await page.locator('#application-id').fill('C-1');
  await fill(page, GOOD);
  await submit(page);
  await page.locator('[data-saved="1"]').waitFor();
  const download = async (format) => {
    const [file] = await Promise.all([page.waitForEvent('download'), page.locator(`[data-export=${format}]`).click()]);
    return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
  };
  const csv = await download('csv');
  const [head, row] = csv.bytes.toString('utf8').slice(1).split('\r\n').map((line) => line.split(','));
  assert.equal(row[head.indexOf('id')], 'C-1');
  assert.equal(row[head.indexOf('assets')], GOOD.assets);
  assert.equal(row[head.indexOf('outcome')], 'approve');

  const json = JSON.parse((await download('json')).bytes.toString('utf8'));
  assert.equal(json.decision, 1);
  const scorer = await openBundle(bundle, [testKey]);
  const again = scorer.explain({ id: 'C-1', asOf: json.as_of, automation: true, values: json.values });
  assert.equal(json.record, Buffer.from(again.record).toString('base64'), 'the record is the package’s, byte for byte');

  const age = await download('age');
  assert.match(age.name, /\.age$/);
  assert.equal(age.bytes.toString('latin1', 0, 21), 'age-encryption.org/v1');
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  assert.deepEqual(JSON.parse(await decrypter.decrypt(age.bytes, 'text')), json);

  await page.clock.fastForward(6 * DAY);
  await page.locator('#staff-passphrase').waitFor();
  assert.equal(await page.locator('[data-entry]').count(), 0, 'staff who are away lock');
  await unlock(page, PASSPHRASE);
  await page.locator('[data-entry="C-1"]').waitFor();
  await page.clock.fastForward(2 * DAY);
  await page.reload();
  await page.locator('#staff-passphrase').waitFor();
  await unlock(page, PASSPHRASE);
  await page.getByText('Nothing is saved yet.').waitFor();
  await context.close();
});
