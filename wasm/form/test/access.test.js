// axe-core finds nothing, in each mode, state and direction; the keyboard reaches everything.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BAD, GOOD, clean, fill, launch, open, outcome, site, submit, unlock } from './browser.js';

let browser, served;

before(async () => {
  served = await site();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await served?.close();
});

for (const lang of ['en', 'ar', 'fr', 'es', 'sw', 'zh']) {
  for (const [mode, path] of [['agent', 'index.html'], ['applicant', 'apply.html'], ['kiosk', 'kiosk.html']]) {
    test(`axe: ${mode}, ${lang}`, async () => {
      const context = await browser.newContext({ locale: lang, bypassCSP: true });
      const page = await open(context, `${served.url}/${path}`);
      if (mode === 'kiosk') {
        await page.locator('.start').waitFor();
        await clean(page, 'start');
        await page.locator('.start button').click();
      }
      await page.locator('#f-income').waitFor();
      const shell = page.locator('.shell');
      assert.equal(await shell.getAttribute('dir'), lang === 'ar' ? 'rtl' : 'ltr');
      await clean(page, 'empty');
      await fill(page, { ...GOOD, seniority: '99' });
      await submit(page);
      await page.locator('.summary').waitFor();
      await clean(page, 'wrong');
      await fill(page, lang === 'en' ? GOOD : BAD);
      await submit(page);
      await outcome(page).waitFor();
      await page.waitForTimeout(50);
      await clean(page, 'decided');
      if (mode === 'agent') {
        await unlock(page, 'three green boats', true);
        await submit(page);
        await page.locator('[data-entry]').waitFor();
        await clean(page, 'saved');
      }
      await context.close();
    });
  }
}

test('the whole way by keyboard', async () => {
  const context = await browser.newContext({ locale: 'en-GB' });
  const page = await open(context, `${served.url}/apply.html`);
  await page.locator('#f-seniority').focus();
  const typed = { seniority: '12', time: '24', expenses: '45', income: '200', assets: '8000', debt: '0', amount: '600', price: '1500' };
  for (let step = 0; step < 40; step += 1) {
    const at = await page.evaluate(() => {
      const { id, type, checked, tagName } = document.querySelector('fieldscore-form').shadowRoot.activeElement ?? {};
      return { id, type, checked, tagName };
    });
    const name = at.id?.replace('f-', '');
    if (typed[name]) await page.keyboard.type(typed[name]);
    else if (at.type === 'radio' || at.id === 'consent') await page.keyboard.press('Space');
    else if (name === 'home') await page.keyboard.press('ArrowDown');
    else if (at.tagName === 'BUTTON') {
      await page.keyboard.press('Enter');
      break;
    }
    await page.keyboard.press('Tab');
  }
  await outcome(page).waitFor();
  const focused = await page.evaluate(() => document.querySelector('fieldscore-form').shadowRoot.activeElement.id);
  assert.equal(focused, 'result-title', 'the result is where one is next');
  await context.close();
});

test('on a narrow phone nothing is cut off, in both directions', async () => {
  for (const lang of ['en', 'ar']) {
    for (const path of ['index.html', 'apply.html', 'kiosk.html']) {
      const context = await browser.newContext({ locale: lang, viewport: { width: 320, height: 640 } });
      const page = await open(context, `${served.url}/${path}`);
      if (path === 'kiosk.html') await page.locator('.start button').click();
      await fill(page, GOOD);
      await submit(page);
      await outcome(page).waitFor();
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(over <= 0, `${path} ${lang}: ${over} pixels too wide`);
      await context.close();
    }
  }
});
