// Runs the parity program as WebAssembly in node:
// run.mjs MODULE BUNDLE KEY_HEX APPLICATIONS[,FIELD=ROWS]... MARKS MARKS MARK
import { readFileSync } from "node:fs";

const [file, bundle, key, csv, plain, explained, layers] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(file), {});
const { memory, parity_alloc, parity_run } = instance.exports;

const put = (bytes) => {
  const at = parity_alloc(bytes.length) >>> 0;
  new Uint8Array(memory.buffer, at, bytes.length).set(bytes);
  return at;
};
const lists = [plain, explained, layers].map((list) => list.split(",").filter(Boolean).map(Number));
const marks = [...lists.map((list) => list.length), ...lists.flat()];

const bundleBytes = readFileSync(bundle);
const [applications, ...tables] = csv.split(",");
const rows = tables.map((table) => table.split("=")).map(([field, path]) => `\n${field}\n${readFileSync(path, "utf8")}`);
const csvBytes = Buffer.from([readFileSync(applications, "utf8"), ...rows].join(""));
const out = parity_run(
  put(bundleBytes), bundleBytes.length,
  put(csvBytes), csvBytes.length,
  put(Buffer.from(key, "hex")),
  put(new Uint8Array(new Uint32Array(marks).buffer)),
) >>> 0;
const [at, length] = new Uint32Array(memory.buffer.slice(out, out + 8));
process.stdout.write(Buffer.from(memory.buffer, at, length));
