// The form as the kiosk's own program serves it: from a touch on the screen to a file on a stick.
//
//     FIELDSCORE_DEVICE=…/fieldscore-device npm run test:kiosk
//
// The program has the form built in; `cargo xtask device --form` builds both and runs this.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash, createPublicKey } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { BAD, GOOD, fill, launch, notice, open, outcome, submit } from './browser.js';
import { foreigner, golden, goldenKey, signed, testKey } from '../../test/bundles.mjs';

const PROGRAM = process.env.FIELDSCORE_DEVICE;
const IDLE = 60;
const LAST_CALL = 15;
/** Longer than anything here takes. */
const PATIENCE = 20_000;

let browser, place, kiosk, context, page;

before(async () => {
  assert.ok(PROGRAM, 'FIELDSCORE_DEVICE: expected the path of fieldscore-device with the form inside (cargo xtask device --form)');
  browser = await launch();
});
after(async () => {
  await browser?.close();
});

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'fieldscore-kiosk-'));
  await mkdir(join(place, 'stick/fieldscore-records'), { recursive: true });
  await writeFile(join(place, 'golden.fsb'), golden);
  await writeFile(join(place, 'golden.pem'), pem(goldenKey));
  await writeFile(join(place, 'test.pem'), pem(testKey));
  kiosk = await start();
});
afterEach(async () => {
  await context?.close();
  await kiosk.kill();
  await rm(place, { recursive: true, force: true });
});

/** A public key as a PEM file has it. */
function pem(key) {
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(key, 'hex')]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' }).export({ format: 'pem', type: 'spki' });
}

/** Starts the kiosk in `place`, at a port that is free or at the one that it had. */
async function start(port = 0) {
  const child = spawn(PROGRAM, [
    'serve', '--key', join(place, 'golden.pem'), '--key', join(place, 'test.pem'), '--product', 'credit',
    '--data', join(place, 'data'), '--watch', join(place, 'stick'), '--bundle', join(place, 'golden.fsb'),
    '--port', String(port), '--every', '0.05',
  ]);
  let said = '';
  child.stderr.on('data', (part) => { said += part; });
  const ended = new Promise((resolve) => child.on('close', resolve));
  const url = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.stdout.on('data', (line) => resolve(String(line).trim()));
    void ended.then(() => reject(new Error(`it did not start: ${said}`)));
  });
  return {
    url,
    port: Number(new URL(url).port),
    status: async () => (await fetch(`${url}kiosk/status`)).json(),
    /** Ends it as a power cut would, and gives what it said. */
    kill: async () => { child.kill('SIGKILL'); await ended; return said; },
  };
}

/** Runs a verb of the program; gives its exit status and what it printed. */
function verb(...args) {
  return new Promise((resolve) => {
    execFile(PROGRAM, args, (error, stdout) => resolve({ status: error ? error.code : 0, stdout }));
  });
}

/** The record files of a folder, which must be whole: names and bytes. */
async function records(folder) {
  const found = [];
  for (const name of await readdir(join(place, folder))) {
    const bytes = await readFile(join(place, folder, name));
    assert.equal(name, `${createHash('sha256').update(bytes).digest('hex')}.record`);
    found.push({ path: join(place, folder, name), bytes });
  }
  return found;
}

/** Waits until `look` gives something. */
async function until(what, look) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < end, `waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const event = (about, code) =>
  until(`${about}: ${code}`, async () => (await kiosk.status()).events.find((one) => one.about === about && one.code === code));

/** Puts a bundle on the stick, as a copy arrives: whole under its name, or not at all. */
async function bring(name, bytes) {
  await writeFile(join(place, name), bytes);
  await rename(join(place, name), join(place, 'stick', name));
}

/** The page on the kiosk's screen, whose timers run when the test says so. */
async function visit() {
  context = await browser.newContext({ locale: 'en-GB' });
  await context.addInitScript(() => {
    window.decisions = [];
    addEventListener('decision', ({ detail }) => window.decisions.push(detail));
  });
  page = await open(context, kiosk.url);
  await touch();
}

const touch = async () => {
  await page.getByRole('button', { name: 'Touch to start' }).click();
  await page.locator('#f-income').waitFor();
};

/** What the page shows of the decision, and what it told its own page. */
async function decided(expected) {
  await page.locator(`[data-outcome=${expected}]`).waitFor();
  const score = Number(await page.locator('[data-score]').getAttribute('data-score'));
  const told = await page.evaluate(() => {
    const { id, asOf, bundleId } = window.decisions.at(-1);
    return { id, asOf, bundleId };
  });
  return { ...told, outcome: expected, score };
}

/** The sequence number of the bundle that the page decides by. */
const uses = (sequence) =>
  page.waitForFunction((wanted) => document.querySelector('fieldscore-form').engine?.scorer.info.sequence === wanted, sequence);

/** That a record is what the program itself decides on these answers, and says what the page showed. */
async function accepted({ path, bytes }, answers, shown, bundle = 'golden.fsb') {
  const [file, keys] = [join(place, bundle), ['--key', join(place, 'golden.pem'), '--key', join(place, 'test.pem')]];
  assert.equal((await verb('verify', file, ...keys)).status, 0);
  const replay = await verb('replay', file, path, ...keys, '--json');
  assert.deepEqual([replay.status, JSON.parse(replay.stdout).same], [0, 1]);
  const row = { id: shown.id, as_of: shown.asOf, consent: 'yes', ...answers };
  const rows = join(place, 'rows.csv');
  await writeFile(rows, `${Object.keys(row)}\n${Object.values(row)}\n`);
  const { stdout } = await verb('score', file, rows, ...keys, '--explain', '--format', 'jsonl');
  const own = JSON.parse(stdout);
  assert.deepEqual([own.outcome, own.score], [shown.outcome, shown.score]);
  assert.equal(own.record, bytes.toString('base64'), 'the same bytes');
}

test('from a touch to a file on the stick, decided once', async () => {
  // Until somebody brings a stick that takes records, they wait.
  await rename(join(place, 'stick/fieldscore-records'), join(place, 'folder'));
  await visit();
  for (const [answers, expected] of [[GOOD, 'approve'], [BAD, 'decline']]) {
    await fill(page, answers);
    assert.equal(await outcome(page).count(), 0, 'nothing is shown before');
    const before = await records('data/records');
    await submit(page);
    const shown = await decided(expected);
    const kept = await records('data/records');
    assert.equal(kept.length, before.length + 1);
    const added = kept.find(({ path }) => !before.some((one) => one.path === path));
    await accepted(added, answers, shown);
    assert.equal(await page.locator('#f-income').count(), 0, 'the answers can no longer be changed');
    await page.getByRole('button', { name: 'Finish' }).click();
    await touch();
    assert.equal(await page.locator('#f-income').inputValue(), '');
    assert.equal(await page.locator('input:checked:not([value=""])').count(), 0);
  }
  const waiting = (await records('data/records')).map(({ bytes }) => bytes.toString('hex')).sort();
  await rename(join(place, 'folder'), join(place, 'stick/fieldscore-records'));
  await event('stick', 'ok');
  const exported = async (folder) => (await records(folder)).map(({ bytes }) => bytes.toString('hex')).sort();
  await until('both on the stick', async () => (await kiosk.status()).records.exported === 2);
  assert.deepEqual(await exported('stick/fieldscore-records'), waiting);
  assert.deepEqual(await exported('data/exported'), waiting);
  assert.deepEqual(await records('data/records'), []);
  assert.deepEqual(page.faults, []);
  // Nor does its log say what anybody answered.
  assert.doesNotMatch(await kiosk.kill(), new RegExp(`${GOOD.assets}|${BAD.price}`));
});

test('after a while without a touch nothing of the last applicant is left', async () => {
  context = await browser.newContext({ locale: 'en-GB' });
  page = await context.newPage();
  await page.clock.install();
  await page.goto(kiosk.url);
  await touch();
  const away = async () => {
    await page.clock.runFor((IDLE + 1) * 1000);
    await page.getByText('Are you still there?').waitFor();
    await page.clock.runFor((LAST_CALL + 2) * 1000);
    await page.getByRole('button', { name: 'Touch to start' }).waitFor();
  };
  const left = () => page.evaluate(async () => {
    const form = document.querySelector('fieldscore-form').shadowRoot;
    const typed = Array.from(form.querySelectorAll('input, select'), ({ value }) => value);
    const database = await new Promise((resolve) => { indexedDB.open('fieldscore').onsuccess = ({ target }) => resolve(target.result); });
    const counts = {};
    for (const name of [...database.objectStoreNames].filter((one) => !['keys', 'bundles', 'notes'].includes(one))) {
      counts[name] = await new Promise((resolve) => {
        database.transaction(name).objectStore(name).count().onsuccess = ({ target }) => resolve(target.result);
      });
    }
    const { pathname, search, hash } = location;
    const text = [form.innerHTML, pathname, search, hash, JSON.stringify({ typed, ...localStorage, ...sessionStorage })].join('\n');
    return { text, counts };
  });
  const nothing = async () => {
    const { text, counts } = await left();
    assert.doesNotMatch(text, new RegExp(`${GOOD.assets}|${GOOD.price}`));
    assert.deepEqual(Object.values(counts).filter(Boolean), [], 'no draft and no record in the browser');
    assert.equal(await outcome(page).count(), 0);
  };
  // In the middle of the questions.
  await fill(page, GOOD);
  await away();
  await nothing();
  const { waiting, exported } = (await kiosk.status()).records;
  assert.equal(waiting + exported, 0);
  await touch();
  assert.equal(await page.locator('#f-income').inputValue(), '');
  assert.equal(await page.locator('#consent').isChecked(), false);
  // With a decision on the screen.
  await fill(page, GOOD);
  await submit(page);
  await page.locator('[data-outcome=approve]').waitFor();
  await away();
  await nothing();
  await touch();
  assert.equal(await page.locator('#f-income').inputValue(), '');
  await page.reload();
  await page.getByRole('button', { name: 'Touch to start' }).waitFor();
  await nothing();
});

test('a kiosk’s program that ends and comes back loses no application', async () => {
  await visit();
  await fill(page, GOOD);
  await kiosk.kill();
  await submit(page);
  await notice(page, 'keep').getByText('does not count').waitFor();
  assert.equal(await outcome(page).count(), 0, 'what is not on disk is no decision');
  assert.equal(await page.locator('#f-income').inputValue(), GOOD.income, 'the answers stay');
  kiosk = await start(kiosk.port);
  assert.equal((await kiosk.status()).bundle.sequence, 1);
  await submit(page);
  const shown = await decided('approve');
  assert.equal(await notice(page, 'keep').count(), 0);
  await until('the export', async () => (await kiosk.status()).records.exported === 1);
  const [record, ...more] = await records('stick/fieldscore-records');
  assert.equal(more.length, 0, 'one decision, one record');
  await accepted(record, GOOD, shown);
  // Nor does it lose a decision that it showed, when the next thing that happens is a power cut.
  await rename(join(place, 'stick/fieldscore-records'), join(place, 'folder'));
  await page.getByRole('button', { name: 'Finish' }).click();
  await touch();
  await fill(page, BAD);
  await submit(page);
  const second = await decided('decline');
  await kiosk.kill();
  await rename(join(place, 'folder'), join(place, 'stick/fieldscore-records'));
  kiosk = await start(kiosk.port);
  await until('the export', async () => (await kiosk.status()).records.exported === 2);
  const both = await records('stick/fieldscore-records');
  await accepted(both.find(({ path }) => path !== record.path), BAD, second);
  // The page is there while the program is not, and decides again when it is.
  await page.evaluate(async () => void (await navigator.serviceWorker.ready));
  await kiosk.kill();
  await page.reload();
  await touch();
  kiosk = await start(kiosk.port);
  await fill(page, GOOD);
  await submit(page);
  await decided('approve');
});

test('a newer bundle on the stick reaches the page; what is refused is named and changes nothing', async () => {
  await visit();
  await uses(1);
  await fill(page, GOOD);
  const newer = signed({ sequence: 7 });
  await writeFile(join(place, 'newer.fsb'), newer);
  await bring('credit.fsb', newer);
  await event('bundle credit.fsb', 'ok');
  await until('the bundle', async () => (await kiosk.status()).bundle.sequence === 7);
  // An applicant who has begun is decided by the rules that were there, and that record is taken.
  await submit(page);
  const first = await decided('approve');
  await until('the export', async () => (await kiosk.status()).records.exported === 1);
  const [record] = await records('stick/fieldscore-records');
  await accepted(record, GOOD, first);
  // The next one is decided by the new rules.
  await page.getByRole('button', { name: 'Finish' }).click();
  await uses(7);
  await touch();
  await fill(page, GOOD);
  await submit(page);
  const second = await decided('approve');
  assert.notEqual(second.bundleId, first.bundleId);
  await until('the export', async () => (await kiosk.status()).records.exported === 2);
  const both = await records('stick/fieldscore-records');
  await accepted(both.find(({ path }) => path !== record.path), GOOD, second, 'newer.fsb');

  for (const [name, bytes, code] of [
    ['older.fsb', signed({ sequence: 6 }), 'store.refused'],
    ['product.fsb', signed({ product: 'other', sequence: 9 }), 'store.refused'],
    ['stranger.fsb', signed({ by: foreigner, sequence: 9 }), 'bundle.untrusted_key'],
    ['half.fsb', signed({ sequence: 9 }).subarray(0, 9000), 'bundle.not_a_bundle'],
  ]) {
    await bring(name, bytes);
    const { text } = await event(`bundle ${name}`, code);
    assert.match(text, /^refused: /);
    assert.equal((await kiosk.status()).bundle.sequence, 7, name);
  }
  // A page that is loaded anew has the new rules too, and none of the others.
  const bundleId = (await kiosk.status()).bundle.bundle_id;
  assert.equal(bundleId, second.bundleId);
  await page.reload();
  await uses(7);
  const again = signed({ sequence: 8 });
  await bring('credit.fsb', again);
  await until('the bundle', async () => (await kiosk.status()).bundle.sequence === 8);
  await page.reload();
  await uses(8);
  await touch();
  assert.equal(await page.locator('.notice').count(), 0);
  assert.deepEqual(page.faults, []);
});
