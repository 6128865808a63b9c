// Bundles for the tests of the package and of the form: the golden one, signed anew with other words
// in META.
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const GOLDEN = fileURLToPath(new URL('../../tests/golden/credit/', import.meta.url));
const HEADER = 128;
const ENTRY = 64;

export const golden = readFileSync(`${GOLDEN}credit.fsb`);
export const goldenKey = readFileSync(`${GOLDEN}key.txt`, 'utf8').trim();

/** The golden applications: rows of name to text. */
export function applications() {
  const [head, ...rows] = readFileSync(`${GOLDEN}applications.csv`, 'utf8').trim().split('\n');
  const names = head.split(',');
  return rows.map((row) => Object.fromEntries(row.split(',').map((text, at) => [names[at], text])));
}

/** A key pair of this run. */
function signer() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { privateKey, raw: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32) };
}

const lender = signer();
/** Whose bundles no test pins. */
export const foreigner = signer();

/** The key of {@link signed} bundles, made for this run. */
export const testKey = lender.raw.toString('hex');

/**
 * The golden bundle with another META, laid out and signed anew (docs/bundle-format.md).
 */
export function signed({ product = 'credit', sequence = 1, notBefore = '2020-01-01', notAfter = '2099-12-31', scoreAsTyped = false, by = lender } = {}) {
  const count = golden.readUInt32LE(12);
  const sections = Array.from({ length: count }, (_, at) => {
    const entry = Buffer.from(golden.subarray(HEADER + at * ENTRY, HEADER + (at + 1) * ENTRY));
    const offset = Number(entry.readBigUInt64LE(8));
    const bytes = golden.subarray(offset, offset + Number(entry.readBigUInt64LE(16)));
    return { entry, bytes: entry.toString('ascii', 0, 4) === 'META' ? meta({ product, sequence, notBefore, notAfter, scoreAsTyped }) : bytes };
  });
  let end = HEADER + count * ENTRY + 64;
  for (const section of sections) {
    section.offset = Math.ceil(end / 64) * 64;
    end = section.offset + section.bytes.length;
    section.entry.writeBigUInt64LE(BigInt(section.offset), 8);
    section.entry.writeBigUInt64LE(BigInt(section.bytes.length), 16);
    createHash('sha256').update(section.bytes).digest().copy(section.entry, 32);
  }
  const out = Buffer.alloc(end);
  golden.copy(out, 0, 0, HEADER);
  out.writeBigUInt64LE(BigInt(end), 24);
  createHash('sha256').update(by.raw).digest().copy(out, 40, 0, 8);
  sections.forEach(({ entry, bytes, offset }, at) => {
    entry.copy(out, HEADER + at * ENTRY);
    bytes.copy(out, offset);
  });
  const signedPart = out.subarray(0, HEADER + count * ENTRY);
  sign(null, signedPart, by.privateKey).copy(out, signedPart.length);
  return out;
}

function meta({ product, sequence, notBefore, notAfter, scoreAsTyped }) {
  const day = (text) => Date.parse(`${text}T00:00:00Z`) / 86_400_000;
  const name = Buffer.from(product);
  return Buffer.concat([
    Buffer.from([scoreAsTyped ? 0xa6 : 0xa5, 0x00]), head(3, name.length), name,
    Buffer.from([0x01]), head(0, sequence),
    Buffer.from([0x02]), head(0, day(notBefore)),
    Buffer.from([0x03]), head(0, day(notAfter)),
    Buffer.from([0x04, 0x00]),
    Buffer.from(scoreAsTyped ? [0x05, 0xf5] : []),
  ]);
}

/** The head of a CBOR item, as short as it can be. */
function head(major, value) {
  const first = major << 5;
  if (value < 24) return Buffer.from([first | value]);
  if (value < 0x100) return Buffer.from([first | 24, value]);
  return Buffer.from([first | 25, value >> 8, value & 0xff]);
}

/** A bundle as it arrives over a bad line: one bit of its weights, or of what follows, is another. */
export function damaged(bundle) {
  const copy = Buffer.from(bundle);
  copy[copy.length - 40] ^= 1;
  return copy;
}
