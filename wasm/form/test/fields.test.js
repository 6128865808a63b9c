// Every type of field: what is taken, what is said, and what the scorer is given.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check, checkId, newId, values } from '../dist/element/fields.js';
import { language, languages } from '../dist/element/i18n/index.js';

const en = language('en');
const field = (about) => ({ name: 'x', required: true, outOfRange: 'refuse', label: () => 'X', help: () => undefined, ...about });
const integer = field({ type: 'integer', min: 6, max: 72 });
const money = field({ type: 'money', decimals: 2, currency: 'EUR', min: 1, max: 5000 });
const date = field({ type: 'date', min: '1930-01-01', max: '2010-12-31' });

test('numbers', () => {
  for (const good of ['6', ' 72 ', '+12', '12.0', '٢٤', '۲۴', '２４']) assert.deepEqual(check(integer, good, en), {}, good);
  for (const [bad, said] of [['x', 'Digits only'], ['1,000', 'Digits only'], ['12.5', 'A whole number'], ['73', 'The most is 72'], ['5', 'The least is 6'], ['1e1', 'Digits only']]) {
    assert.match(check(integer, bad, en).error, new RegExp(said), bad);
  }
  assert.equal(check(integer, '5', en).early, true);
  assert.ok(!check(integer, '73', en).early);
});

test('money, with the decimal mark of the language', () => {
  const fr = language('fr');
  assert.deepEqual(check(money, '12.50', en), {});
  assert.deepEqual(check(money, '12,50', fr), {});
  assert.ok(check(money, '12,50', en).error);
  assert.match(check(money, '12.505', en).error, /At most 2 decimals/);
  assert.match(check(money, '5000.01', en).error, /The most is 5,000\.00/);
  assert.deepEqual(values([money], { x: '12,50' }, fr), { x: '12.50' });
  assert.deepEqual(values([money], { x: '١٢٫٥٠' }, language('ar')), { x: '12.50' });
});

test('dates, truths, texts', () => {
  assert.deepEqual(check(date, '2000-02-29', en), {});
  for (const bad of ['2001-02-29', '2000-13-01', '1.2.2000', '2011-01-01']) assert.ok(check(date, bad, en).error, bad);
  const truth = field({ type: 'boolean' });
  assert.deepEqual(values([truth], { x: 'false' }, en), { x: false });
  assert.deepEqual(values([truth], { x: '' }, en), {});
  const text = field({ type: 'text' });
  assert.deepEqual(check(text, 'é'.repeat(500), en), {});
  assert.ok(check(text, 'é'.repeat(501), en).error);
});

test('what is missing, and what is clipped or referred', () => {
  assert.ok(check(integer, '', en).error);
  assert.deepEqual(check({ ...integer, required: false }, ' ', en), {});
  assert.match(check({ ...integer, outOfRange: 'clip' }, '80', en).note, /counts as 72/);
  assert.match(check({ ...integer, outOfRange: 'refer' }, '80', en).note, /Outside/);
});

test('application ids', () => {
  assert.deepEqual(checkId(newId(), en), {});
  assert.notEqual(newId(), newId());
  for (const bad of ['', '=1+1', 'a b', 'x'.repeat(65)]) assert.ok(checkId(bad, en).error, bad);
});

test('every language has every word with its blanks, and no other', async () => {
  const { en: words } = await import('../dist/element/i18n/en.js');
  const blanks = (text) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const tag of languages) {
    const list = (await import(`../dist/element/i18n/${tag}.js`))[tag];
    assert.deepEqual(Object.keys(list).sort(), Object.keys(words).sort());
    for (const [name, text] of Object.entries(list)) {
      assert.ok(text.trim(), `${tag} ${name}`);
      assert.deepEqual([...new Set(blanks(text))], [...new Set(blanks(words[name]))], `${tag} ${name}`);
    }
  }
});
