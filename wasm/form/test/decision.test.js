// What surrounds a decision under a policy of amounts and tables: its terms, the rules tried, the notice, an override.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { openBundle } from 'fieldscore/agent';
import { BAD, GOOD, clean, fill, launch, notice, open, outcome, site, submit, unlock } from './browser.js';
import { goldenKey } from '../../test/bundles.mjs';

const bundle = readFileSync(new URL('../../../tests/golden/families/policy/policy.fsb', import.meta.url));
let browser, served, scorer;

before(async () => {
  scorer = await openBundle(bundle, [goldenKey]);
  served = await site({ bundle });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await served?.close();
});

async function visit(path, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', acceptDownloads: true, ...options });
  const page = await open(context, `${served.url}/${path}`);
  if (path === 'kiosk.html') await page.locator('.start button').click();
  await page.locator('#f-income').waitFor();
  await page.evaluate(() => {
    document.querySelector('fieldscore-form').addEventListener('decision', ({ detail }) => { window.decided = detail; });
  });
  return { context, page };
}

/** Decides, and gives the record. */
async function decide(page, answers) {
  await fill(page, answers);
  await submit(page);
  await page.locator('[data-kept], .kiosk [data-outcome]').first().waitFor();
  return Uint8Array.from(await page.evaluate(() => Array.from(window.decided.record)));
}

/** Presses the tab key until what has the focus says `text`. */
async function tabTo(page, text) {
  for (let step = 0; step < 80; step += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const { activeElement } = document.querySelector('fieldscore-form').shadowRoot;
      return activeElement?.getAttribute('aria-label') ?? activeElement?.textContent.trim();
    });
    if (at === text) return;
  }
  assert.fail(`no way to ${text} by the tab key`);
}

const terms = (page) =>
  page.locator('[data-term]').evaluateAll((all) => all.map((one) => [one.dataset.term, one.querySelector('dd').textContent]));

test('the terms of a decision, as numbers are written where one is', async () => {
  for (const [path, locale, instalment, limit] of [
    ['apply.html', 'en-GB', '28.38', '3,000 thousand pesetas'],
    ['kiosk.html', 'fr', '28,38', '3\u202f000 thousand pesetas'],
    ['index.html', 'es', '28,38', '3000 thousand pesetas'],
  ]) {
    const { context, page } = await visit(path, { locale });
    await fill(page, GOOD);
    assert.deepEqual(await terms(page), [], 'not before it is decided');
    const record = await decide(page, {});
    const shown = Object.fromEntries(await terms(page));
    const expected = scorer.verifyRecord(record).terms;
    assert.deepEqual(Object.keys(shown), expected.map(({ name }) => name));
    assert.deepEqual([shown.instalment, shown['tier.tier'], shown['tier.limit']], [instalment, 'A', limit]);
    assert.deepEqual(await page.evaluate(() => window.decided.terms), expected);
    assert.equal(await page.locator('[data-trace]').count(), path === 'index.html' ? 1 : 0, 'the rules are for staff');
    assert.deepEqual(page.faults, []);
    await context.close();
  }
});

test('a term without a value says so', async () => {
  const { context, page } = await visit('apply.html');
  const record = await decide(page, { ...GOOD, income: '' });
  const missing = scorer.verifyRecord(record).terms.filter(({ text }) => text === null).map(({ name }) => name);
  assert.deepEqual(missing, ['burden']);
  assert.deepEqual((await terms(page)).filter(([, text]) => text === 'no value').map(([name]) => name), missing);
  await context.close();
});

test('the rules tried: a table that keyboard and screen reader open', async () => {
  const { context, page } = await visit('index.html');
  const record = await decide(page, BAD);
  const { trace } = scorer.verifyRecord(record);
  const table = page.getByRole('table', { name: 'Each rule of the policy that was tried, in order.' });
  assert.equal(await table.count(), 0, 'closed');
  await tabTo(page, 'Rules tried');
  await page.keyboard.press('Enter');
  await table.waitFor();
  await page.keyboard.press('Tab');
  const focused = await page.evaluate(() => document.querySelector('fieldscore-form').shadowRoot.activeElement.getAttribute('aria-label'));
  assert.equal(focused, 'Rules tried', 'the arrow keys scroll it');

  const said = await table.getByRole('columnheader').allTextContents();
  assert.deepEqual(said, ['Rule', 'It saw', 'It held', 'It said']);
  const rows = await table.locator('[data-tried]').evaluateAll((all) => all.map(({ dataset }) => [dataset.tried, dataset.held]));
  assert.deepEqual(rows, trace.map(({ table, rule, held }) => [`${table} ${rule}`, String(held)]));
  const row = (name) =>
    table.getByRole('row').filter({ has: page.getByRole('rowheader', { name, exact: true }) }).getByRole('cell').evaluateAll((cells) =>
      cells.map((cell) => {
        const lines = Array.from(cell.querySelectorAll('li'), (line) => line.textContent);
        return lines.length ? lines : cell.textContent.trim();
      }),
    );
  const score = String(scorer.verifyRecord(record).decision.score);
  assert.deepEqual(await row('Score: Declined'), [[score], 'Yes', ['Declined']]);
  assert.deepEqual(await row('There is no consent to an automatic decision.'), [['No'], 'No', '']);
  assert.deepEqual(await row('Rule: K02'), [['Adverse payment record: On record', 'Income: 60 thousand pesetas a month (not stated in the source)'], 'No', '']);
  assert.deepEqual(await row('tier: 3'), [[`Score: ${score}`, 'Adverse payment record: On record'], 'Yes', ['tier: C', 'limit: 700']]);

  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Space');
  await table.waitFor({ state: 'hidden' });
  assert.deepEqual(page.faults, []);
  await context.close();
});

test('the notice opens, prints and is saved as text by keyboard', async () => {
  for (const [locale, summary, print, save] of [
    ['en-GB', 'Notice for the applicant', 'Print the notice', 'Save the notice'],
    ['zh', '给申请人的通知', '打印通知', '保存通知'],
  ]) {
    const { context, page } = await visit('apply.html', { locale });
    // In place of the system's window, which no browser opens without a screen.
    await context.addInitScript(() => {
      window.print = () => {
        top.printed = [document.title, document.documentElement.lang, document.body.innerText];
        dispatchEvent(new Event('afterprint'));
      };
    });
    await page.reload();
    await page.locator('#f-income').waitFor();
    await page.evaluate(() => {
      document.querySelector('fieldscore-form').addEventListener('decision', ({ detail }) => { window.decided = detail; });
    });
    const record = await decide(page, BAD);
    const made = scorer.notice(record, locale);
    assert.equal(made.language, locale.slice(0, 2));
    const article = page.getByRole('article');
    assert.equal(await article.count(), 0, 'closed');
    await tabTo(page, summary);
    await page.keyboard.press('Enter');
    await article.getByRole('heading', { name: made.title }).waitFor();
    assert.equal(await article.getAttribute('lang'), made.language);
    assert.deepEqual(await article.getByRole('listitem').allTextContents(), made.reasons);

    await tabTo(page, print);
    await page.keyboard.press('Enter');
    const [title, lang, text] = await page.evaluate(() => window.printed);
    assert.deepEqual([title, lang], [made.title, made.language]);
    for (const part of [made.statement, ...made.reasons, made.review]) assert.ok(text.includes(part.trim()), part);
    assert.equal(await page.locator('iframe').count(), 0, 'gone once it is printed');

    await tabTo(page, save);
    const [file] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
    assert.equal(await readFile(await file.path(), 'utf8'), made.text);
    assert.deepEqual(page.faults, []);
    await context.close();
  }
});

test('a kiosk prints the notice and saves none', async () => {
  const { context, page } = await visit('kiosk.html');
  await decide(page, BAD);
  await page.getByText('Notice for the applicant').click();
  assert.equal(await page.getByRole('button', { name: 'Print the notice' }).count(), 1);
  assert.equal(await page.locator('[data-notice-save]').count(), 0);
  await context.close();
});

test('an override stands beside the decision, with a reason of the list, and in the exports', async () => {
  const { context, page } = await visit('index.html');
  const today = await page.evaluate(() => new Intl.DateTimeFormat('sv').format(new Date()));
  await unlock(page, 'three green boats', true);
  await page.locator('#application-id').fill('O-1');
  const record = await decide(page, BAD);
  const { terms } = scorer.verifyRecord(record);
  const exported = async (format) => {
    const [file] = await Promise.all([page.waitForEvent('download'), page.locator(`[data-export=${format}]`).click()]);
    return readFile(await file.path(), 'utf8');
  };
  const csv = async () => {
    const [head, row] = (await exported('csv')).slice(1).split('\r\n').map((line) => line.split(','));
    return Object.fromEntries(head.map((name, at) => [name, row[at]]));
  };
  const overrides = ['by', 'outcome', 'reason', 'as_of'].map((name) => `override_${name}`);
  const before = await csv();
  assert.deepEqual(overrides.map((name) => before[name]), ['', '', '', '']);
  for (const { name, text } of terms) assert.equal(before[`term_${name}`], text ?? '');

  await tabTo(page, 'Override a decision');
  await page.keyboard.press('Enter');
  const reason = page.getByRole('combobox', { name: 'Reason', exact: true });
  const listed = scorer.overrideReasons('en');
  assert.deepEqual(await reason.getByRole('option').allTextContents(), listed.map(({ text }) => text));
  const make = async (outcome, code, by) => {
    await page.getByLabel('Decided instead').selectOption({ label: outcome });
    await reason.selectOption(code);
    await page.getByLabel('Staff id').fill(by);
    await page.keyboard.press('Enter');
  };
  await make('Declined', 'O2', 'T-17');
  await notice(page, 'override').getByText('Not kept').waitFor();
  assert.deepEqual(await csv(), before, 'what the decision says already overrides nothing');
  await make('A person decides', 'O2', 'T-17');
  const entry = page.locator('[data-entry="O-1"]');
  await entry.getByText('Declined (overridden: A person decides)').waitFor();
  await make('Approved', 'O3', 'T-4');
  await entry.getByText('Declined (overridden: Approved)').waitFor();

  const after = await csv();
  assert.deepEqual(overrides.map((name) => after[name]), ['T-4', 'approve', 'O3', today]);
  const beside = ([name]) => !name.startsWith('override_');
  assert.deepEqual(Object.entries(after).filter(beside), Object.entries(before).filter(beside), 'the decision stays as it was');
  const line = JSON.parse(await exported('json'));
  assert.equal(line.outcome, 'decline');
  assert.equal(line.record, Buffer.from(record).toString('base64'));
  assert.deepEqual(line.terms, Object.fromEntries(terms.map(({ name, text }) => [name, text])));
  assert.deepEqual(
    line.overrides.map((bytes) => scorer.checkOverride(record, Buffer.from(bytes, 'base64'))),
    [{ by: 'T-17', outcome: 'refer', reason: 'O2', asOf: today }, { by: 'T-4', outcome: 'approve', reason: 'O3', asOf: today }],
  );
  assert.deepEqual(page.faults, []);
  await context.close();
});

for (const lang of ['en', 'ar', 'fr', 'es', 'sw', 'zh']) {
  test(`axe, and nothing cut off on a phone: all of it open, ${lang}`, async () => {
    const { context, page } = await visit('index.html', { locale: lang, bypassCSP: true, viewport: { width: 320, height: 640 } });
    await unlock(page, 'three green boats', true);
    await decide(page, BAD);
    await outcome(page).waitFor();
    await page.locator('[data-override]').waitFor();
    await page.locator('summary').evaluateAll((all) => all.forEach((one) => one.click()));
    await page.locator('table.trace').waitFor();
    await clean(page, lang);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 0, `${over} pixels too wide`);
    await context.close();
  });
}
