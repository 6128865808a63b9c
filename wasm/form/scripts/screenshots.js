// Pictures of the form for the README: node scripts/screenshots.js
import { fileURLToPath } from 'node:url';
import { signed, testKey } from '../../test/bundles.mjs';
import { GOOD, fill, launch, open, outcome, site, submit } from '../test/browser.js';

const images = fileURLToPath(new URL('../../../docs/images/', import.meta.url));
const served = await site({ bundle: signed({ scoreAsTyped: true }), keys: testKey });
const browser = await launch();

const phone = await browser.newContext({ locale: 'en-GB', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, serviceWorkers: 'block' });
let page = await open(phone, `${served.url}/apply.html`);
await fill(page, { ...GOOD, income: '120', time: '48' });
await submit(page);
await outcome(page).waitFor();
await page.evaluate(() => { document.querySelector('fieldscore-form').shadowRoot.activeElement?.blur(); scrollTo(0, 0); });
await page.screenshot({ path: `${images}form-phone.png` });

const desktop = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 1000 }, serviceWorkers: 'block' });
page = await open(desktop, `${served.url}/index.html`);
await fill(page, { ...GOOD, income: '120', time: '48' });
await outcome(page).waitFor();
await page.evaluate(() => { document.querySelector('fieldscore-form').shadowRoot.activeElement?.blur(); scrollTo(0, 0); });
await page.screenshot({ path: `${images}form-desktop.png` });

await browser.close();
await served.close();
