// The packed package, installed as anybody would install it, and the golden suite's files.
// `cargo xtask wasm --test` says where they are.

import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: start these tests with cargo xtask wasm --test`);
  return value;
};

/** A folder whose node_modules has the packed package. */
export const app = need("FIELDSCORE_APP");
/** The golden suite's folder. */
const golden = need("FIELDSCORE_GOLDEN");
/** What the browser is called. */
export const chromium = () => need("FIELDSCORE_CHROMIUM");

export const bundle = readFileSync(join(golden, "credit.fsb"));
export const key = readFileSync(join(golden, "key.txt"), "utf8").trim();
export const csv = readFileSync(join(golden, "applications.csv"), "utf8");
export const digests = ["digests.txt", "alternatives.txt"].map((file) => readFileSync(join(golden, file), "utf8")).join("");
/** The notices of the first twelve applications that are decided, by language. */
export const notices = Object.fromEntries(
  ["en", "zh"].map((language) => [language, readFileSync(join(golden, `notices.${language}.txt`), "utf8")]),
);

/** The golden bundles of other families, each with its applications, the rows of their tables, and digests. */
export const families = readdirSync(join(golden, "../families")).map((name) => {
  const folder = join(golden, "../families", name);
  const text = (file) => readFileSync(join(folder, file), "utf8");
  const tables = readdirSync(folder).filter((file) => file.endsWith(".csv") && file !== "applications.csv");
  return {
    name,
    bundle: readFileSync(join(folder, `${name}.fsb`)),
    key: text("key.txt").trim(),
    csv: text("applications.csv"),
    tables: Object.fromEntries(tables.map((file) => [file.slice(0, -".csv".length), text(file)])),
    digests: text("digests.txt"),
    ...(name === "watched" && { summary: text("summary.txt") }),
  };
});
if (families.length === 0) throw new Error("no family has a golden bundle");

/** The golden bundle with a table and words, and its applications as objects. */
export const tables = {
  ...families.find(({ name }) => name === "inputs"),
  rows: readFileSync(join(golden, "../families/inputs/applications.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const { id, as_of: asOf, ...values } = JSON.parse(line);
      return { id, asOf, values };
    }),
};

export const dist = join(app, "node_modules/fieldscore/dist");

let fresh = 0;
/** A fresh start of the package: the modules as if loaded for the first time. */
export async function load(entry = "node", from = dist) {
  // Only the entry would be loaded anew with a query of its own: a copy has them all.
  const { cpSync, mkdtempSync } = await import("node:fs");
  const copy = mkdtempSync(join(app, `copy-${fresh++}-`));
  cpSync(from, join(copy, "dist"), { recursive: true });
  cpSync(join(app, "node_modules/fieldscore/package.json"), join(copy, "package.json"));
  const beside = (entry) => import(pathToFileURL(join(copy, "dist", `${entry}.js`)).href);
  return { ...(await beside(entry)), beside };
}

/** Runs a script as an ES module in a node of its own, in the app's folder, and gives its stdout. */
export const run = (script, ...options) =>
  execFileSync(process.execPath, [...options, "--input-type=module", "-e", script], {
    cwd: app,
    encoding: "utf8",
  }).trim();

/** An application that the golden bundle approves. */
export const application = {
  id: "A-1",
  asOf: "2026-09-01",
  values: {
    seniority: 12,
    home: "owner",
    time: 36,
    records: "no",
    job: "fixed",
    expenses: 60,
    income: 214,
    assets: 10000,
    debt: 0,
    amount: 900,
    price: 1400,
  },
};
