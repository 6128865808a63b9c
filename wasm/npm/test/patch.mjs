// Wasm modules with one thing changed.

/** Reads an unsigned LEB128 number: the number and where it ends. */
function number(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return [value, at];
  }
}

function sections(bytes) {
  const out = {};
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at];
    const [length, start] = number(bytes, at + 1);
    out[id] = { start, end: start + length };
    at = start + length;
  }
  return out;
}

/** The module with an exported function that does nothing but trap. */
export function trapping(wasm, name) {
  const bytes = Uint8Array.from(wasm);
  const { 2: imports, 7: exports, 10: code } = sections(bytes);
  const string = (at) => {
    const [length, start] = number(bytes, at);
    return [new TextDecoder().decode(bytes.subarray(start, start + length)), start + length];
  };
  let [count, at] = number(bytes, imports.start);
  const functions = count;
  for (; count > 0; count--) {
    [, at] = string(at);
    [, at] = string(at);
    if (bytes[at] !== 0) throw new Error("expected to import functions only");
    [, at] = number(bytes, at + 1);
  }
  let index = -1;
  [count, at] = number(bytes, exports.start);
  for (; count > 0; count--) {
    const [exported, kind] = string(at);
    let value;
    [value, at] = number(bytes, kind + 1);
    if (exported === name && bytes[kind] === 0) index = value - functions;
  }
  if (index < 0) throw new Error(`no function ${name} is exported`);
  let length;
  [count, at] = number(bytes, code.start);
  for (let body = 0; ; body++) {
    [length, at] = number(bytes, at);
    if (body === index) break;
    at += length;
  }
  // No locals, unreachable, nops, end.
  bytes.fill(1, at, at + length);
  bytes[at] = 0;
  bytes[at + 1] = 0;
  bytes[at + length - 1] = 0x0b;
  return bytes;
}

/** The simd128 module with wrong arithmetic: i32x4.mul for i32x4.dot_i16x8_s. */
export function miscounting(wasm) {
  const bytes = Uint8Array.from(wasm);
  const { 10: code } = sections(bytes);
  let changed = 0;
  for (let at = code.start; at < code.end - 2; at++) {
    if (bytes[at] === 0xfd && bytes[at + 1] === 0xba && bytes[at + 2] === 1) {
      bytes[at + 1] = 0xb5;
      changed++;
    }
  }
  if (changed === 0) throw new Error("the module multiplies in another way: nothing was changed");
  return bytes;
}
