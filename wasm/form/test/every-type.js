// A bundle with a field of every type, built by the command `fieldscore` from the recipe beside this.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Builds it, signed by the development key, as the golden bundle is. */
export function everyType() {
  const command = process.env.FIELDSCORE_COMMAND;
  if (!command) throw new Error('FIELDSCORE_COMMAND is not set: start these tests with cargo xtask form --test');
  const folder = mkdtempSync(join(tmpdir(), 'fieldscore-'));
  try {
    cpSync(fileURLToPath(new URL('every-type', import.meta.url)), folder, { recursive: true });
    writeFileSync(join(folder, 'data.csv'), data(400));
    writeFileSync(join(folder, 'model.onnx'), model());
    const out = join(folder, 'every-type.fsb');
    execFileSync(command, ['build', folder, '-o', out], { stdio: ['ignore', 'ignore', 'pipe'] });
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const TRADES = ['baker', 'driver', 'farmer', 'tailor', 'teacher', 'weaver'];

/** Labelled rows; the same ones every time. */
function data(rows) {
  let state = 7;
  const below = (end) => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state % end;
  };
  const lines = ['id,day,status,born,income,employed,home,trade,visits,rate'];
  for (let id = 1; id <= rows; id += 1) {
    const [income, employed, visits] = [below(300_000) / 100, below(3) > 0, below(15)];
    const status = income + 800 * employed + 60 * visits + below(1500) > 2600 ? 'good' : 'bad';
    const born = `${1940 + below(66)}-0${1 + below(9)}-${10 + below(18)}`;
    const home = ['own', 'rent'][below(2)];
    const rate = (below(3000) / 100).toFixed(2);
    lines.push([id, '2026-03-01', status, born, income.toFixed(2), employed, home, TRADES[below(6)], visits, rate].join(','));
  }
  return `${lines.join('\n')}\n`;
}

/**
 * An ONNX file (onnx.proto, IR version 8): one dense layer. Inputs: visits, rate, income, employed,
 * own, rent, age, and the trade's four buckets; the output is the log-odds of a bad loan.
 */
function model() {
  const weights = [-0.8, 0.5, -1.1, -0.9, -0.2, 0.2, -0.3, 0.1, -0.1, 0.05, -0.05];
  const graph = message(
    [1, message([1, 'features'], [1, 'w'], [2, 'product'], [3, 'dense'], [4, 'MatMul'])],
    [1, message([1, 'product'], [1, 'b'], [2, 'output'], [3, 'bias'], [4, 'Add'])],
    [2, 'every-type'],
    [5, tensor('w', [weights.length, 1], weights)],
    [5, tensor('b', [1], [0.2])],
    [11, port('features', weights.length)],
    [12, port('output', 1)],
  );
  return message([1, 8], [7, graph], [8, message([1, ''], [2, 17])]);
}

function tensor(name, shape, values) {
  return message(...shape.map((size) => [1, size]), [2, 1], [8, name], [9, Buffer.from(Float32Array.from(values).buffer)]);
}

/** A float32 input or output of `[batch, width]`. */
function port(name, width) {
  const shape = message([1, message([2, 'batch'])], [1, message([1, width])]);
  return message([1, name], [2, message([1, message([1, 1], [2, shape])])]);
}

/** A protobuf message of fields: number, then a whole number, a text or bytes. */
function message(...fields) {
  return Buffer.concat(fields.flatMap(([field, value]) => {
    if (typeof value === 'number') return [varint(field << 3), varint(value)];
    const bytes = Buffer.from(value);
    return [varint((field << 3) | 2), varint(bytes.length), bytes];
  }));
}

function varint(value) {
  const bytes = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Buffer.from([...bytes, value]);
}
