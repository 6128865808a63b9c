// A field of every type in the browser: shown, checked, and decided upon as the package decides.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { openBundle } from 'fieldscore';
import { clean, fill, launch, open, outcome, site, submit, unlock } from './browser.js';
import { goldenKey } from '../../test/bundles.mjs';
import { everyType } from './every-type.js';

let browser, served, scorer;

before(async () => {
  const bundle = everyType();
  scorer = await openBundle(bundle, [goldenKey]);
  served = await site({ bundle });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await served?.close();
});

const ANSWERS = { born: '1990-02-28', income: '1250.5', employed: 'true', home: 'rent', trade: 'tailor', visits: '7', rate: '12.25' };
const TYPED = { born: '1990-02-28', income: 1250.5, employed: true, home: 'rent', trade: 'tailor', visits: 7, rate: 12.25 };

async function visit(path, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', acceptDownloads: true, ...options });
  const page = await open(context, `${served.url}/${path}`);
  await page.locator('#f-born').waitFor();
  return { context, page };
}

/** Waits until the page shows what the package makes of `values`, and gives it. */
async function shows(page, values) {
  const asOf = await page.evaluate(() => {
    const now = new Date();
    return [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, '0')).join('-');
  });
  const expected = scorer.explain({ id: 'x', asOf, automation: true, values });
  await page.locator(`[data-score="${expected.score}"]`).waitFor();
  assert.equal(await outcome(page).getAttribute('data-outcome'), expected.outcome);
  return expected;
}

test('each type has its own way of asking', async () => {
  const { context, page } = await visit('index.html');
  assert.equal(await page.locator('#f-born').getAttribute('type'), 'date');
  assert.deepEqual(
    [await page.locator('#f-born').getAttribute('min'), await page.locator('#f-born').getAttribute('max')],
    ['1930-01-01', '2008-12-31'],
  );
  assert.equal(await page.locator('#f-income').getAttribute('inputmode'), 'decimal');
  assert.match(await page.locator('[data-field=income]').textContent(), /KES/);
  assert.match(await page.locator('#f-income-help').textContent(), /From 0\.00 to 5,000\.00\./);
  assert.equal(await page.locator('#f-visits').getAttribute('inputmode'), 'numeric');
  const said = await page.locator('[data-field=employed] label').allTextContents();
  assert.deepEqual(said.map((text) => text.trim()), ['Yes', 'No', 'Not stated']);
  assert.equal(await page.locator('#f-trade').getAttribute('inputmode'), null);
  await context.close();
});

test('answers of every type are decided as typed values are, to the same record', async () => {
  const { context, page } = await visit('index.html');
  await unlock(page, 'three green boats', true);
  await fill(page, ANSWERS);
  await shows(page, TYPED);
  for (const [name, text, value] of [['employed', 'false', false], ['income', '399.99', 399.99], ['born', '2006-01-02', '2006-01-02'], ['trade', '', ''], ['home', 'own', 'own']]) {
    await fill(page, { ...ANSWERS, [name]: text });
    await shows(page, { ...TYPED, [name]: value });
  }
  // Both rules: neither work nor income, and young.
  await fill(page, { ...ANSWERS, employed: 'false', income: '399.99', born: '2006-01-02' });
  const both = await shows(page, { ...TYPED, employed: false, income: 399.99, born: '2006-01-02' });
  assert.deepEqual([both.outcome, both.fired], ['decline', ['K1', 'K2']]);

  await fill(page, ANSWERS);
  await page.locator('#application-id').fill('E-1');
  await submit(page);
  await page.locator('[data-saved="1"]').waitFor();
  const [file] = await Promise.all([page.waitForEvent('download'), page.locator('[data-export=json]').click()]);
  const saved = JSON.parse(await readFile(await file.path(), 'utf8'));
  assert.deepEqual(saved.values, { ...ANSWERS, employed: true });
  const typed = scorer.explain({ id: 'E-1', asOf: saved.as_of, automation: true, values: TYPED });
  assert.equal(saved.record, Buffer.from(typed.record).toString('base64'));
  assert.deepEqual(page.faults, []);
  await context.close();
});

test('a truth that is not stated is missing, not false', async () => {
  const { context, page } = await visit('index.html');
  await fill(page, ANSWERS);
  await page.locator('[data-field=employed] input[value=""]').check();
  const { employed: _, ...rest } = TYPED;
  const expected = await shows(page, rest);
  assert.deepEqual(expected.missing, ['employed']);
  await page.locator('.flags').getByText('Not answered: In work').waitFor();
  await context.close();
});

test('what is wrong with an amount or a date is said', async () => {
  const { context, page } = await visit('apply.html');
  const said = (name) => page.locator(`#f-${name}-said`).textContent();
  const type = async (name, text) => {
    await page.locator(`#f-${name}`).fill(text);
    await page.locator(`#f-${name}`).blur();
  };
  await type('income', '1,250.50');
  assert.match(await said('income'), /^A number, for example 12\.50\.$/);
  await type('income', '12.505');
  assert.equal(await said('income'), 'At most 2 decimals.');
  await type('income', '5000.01');
  assert.equal(await said('income'), 'More than 5,000.00 counts as 5,000.00.');
  await type('born', '2009-01-01');
  assert.match(await said('born'), /2008-12-31/);
  await type('born', '1929-12-31');
  assert.match(await said('born'), /1930-01-01/);
  await type('rate', '60.01');
  assert.equal(await said('rate'), 'Outside the usual range', 'a person decides');
  await type('born', '');
  await submit(page);
  await page.locator('.summary').getByText('Born').waitFor();
  assert.equal(await outcome(page).count(), 0);
  await context.close();
});

const WRITTEN = {
  // The digits and marks of each place, all of which mean 1250.50, 7 and 12.25.
  ar: { income: '١٢٥٠٫٥٠', visits: '٧', rate: '١٢٫٢٥' },
  'fa-IR': { income: '۱۲۵۰٫۵۰', visits: '۷', rate: '۱۲٫۲۵' },
  zh: { income: '１２５０．５０', visits: '７', rate: '１２．２５' },
  fr: { income: '1250,50', visits: '7', rate: '12,25' },
  sw: { income: '1250.50', visits: '7', rate: '12.25' },
};
for (const [lang, written] of Object.entries(WRITTEN)) {
  test(`numbers as they are written in ${lang}`, async () => {
    const { context, page } = await visit('index.html', { locale: lang, bypassCSP: true });
    await fill(page, { ...ANSWERS, ...written });
    await shows(page, TYPED);
    await clean(page, lang);
    assert.deepEqual(page.faults, []);
    await context.close();
  });
}
