// The functions of the crate `fieldscore-wasm`, as wasm-bindgen's glue has them. They throw strings:
// code, field and text, with a zero byte between.

import type { Notice, Override, Term } from "./types.js";

/** One instance's glue, bound to it by `__wbg_set_wasm`. */
export interface Raw {
  __wbg_set_wasm(exports: WebAssembly.Exports): void;
  setLog(level: number): void;
  Session: { open(bundle: Uint8Array, keys: Uint8Array): RawSession };
  Store: new (product: string, keys: Uint8Array) => RawStore;
}

/** An opened bundle. */
export interface RawSession {
  free(): void;
  selfTest(): number;
  briefSelfTest(): number;
  info(): RawInfo;
  text(key: string, language: string): string | undefined;
  begin(id: string, asOf: string, automation: boolean): void;
  field(name: string): number;
  setNumber(field: number, value: number): boolean;
  setBoolean(field: number, value: boolean): boolean;
  setText(field: number, value: string): boolean;
  /** A table's rows or a tensor's bytes, where the module has those. */
  setNested?(field: number, value: object): boolean;
  refusal(): void;
  score(): Int32Array;
  explain(): Int32Array;
  record(): Uint8Array;
  clear(): void;
  reasonCode(reason: number): string;
  reasonText(reason: number, language: string): string;
  reasonNumber(code: string): number;
}

/** A record that came out again. */
export interface RawVerified {
  id: string;
  asOf: string;
  numbers: Int32Array;
  terms: Term[];
  trace: { table: string; rule: string; saw: [string, string | null][]; held: boolean; said: [string, string][] }[];
  challenger?: { outcome: string; score: number; probabilityPpm: number };
}

/** What surrounds a decision, where the module has it. */
export interface RawCase {
  alternatives(): RawAlternative[];
  recordAlternatives(record: Uint8Array): Uint8Array;
  summarise(summary: Uint8Array, record: Uint8Array): Uint8Array;
  shareSummary(summary: Uint8Array): Uint8Array;
  notice(record: Uint8Array, language: string): Notice;
  overrideReasons(): string[];
  overrideDecision(record: Uint8Array, by: string, outcome: string, reason: string, asOf: string): Uint8Array;
  checkOverride(record: Uint8Array, override: Uint8Array): Override;
  verifyRecord(record: Uint8Array): RawVerified;
}

/** What leads to a better outcome. */
export interface RawAlternative {
  changes: { field: string; value: number | boolean | string }[];
  outcome: string;
  score: number;
  probabilityPpm: number;
}

/** A bundle store over what was loaded into it. */
export interface RawStore {
  free(): void;
  load(name: string, bytes: Uint8Array): void;
  install(bytes: Uint8Array): RawSession;
  open(): RawSession;
  changes(): (string | Uint8Array | null)[];
}

/** What a bundle says of itself. */
export interface RawInfo {
  product: string;
  sequence: number;
  bundleId: string;
  notBefore: string | null;
  notAfter: string | null;
  scoreAsTyped: boolean;
  languages: string[];
  kernels: string;
  evaluations: number;
  rules: string[];
  others?: string[];
  flags: string[];
  outcomes: string[];
  groups: { code: string; name: string }[];
  fields: RawField[];
}

/** A field. */
export interface RawField {
  name: string;
  type: string;
  group: string;
  missing: string;
  outOfRange: string;
  unlisted: string;
  sensitivity: string;
  changeable: boolean;
  reasonCode: string;
  unit?: string;
  min?: number | string;
  max?: number | string;
  decimals?: number;
  currency?: string;
  categories?: string[];
  columns?: RawField[];
  maxRows?: number;
  shape?: number[];
}
