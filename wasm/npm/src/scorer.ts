// An opened bundle.

import { FieldscoreError, fault } from "./error.js";
import { type Engine, type InitOptions, type Source, engine, fallBack } from "./engine.js";
import type { Raw, RawField, RawInfo, RawSession } from "./raw.js";
import type {
  Answer,
  Application,
  BundleInfo,
  Decision,
  Explanation,
  Field,
  FieldType,
  Flag,
  Outcome,
  Reason,
  Schema,
} from "./types.js";

/** A pinned public key: 32 bytes, or 64 hexadecimal digits. */
export type PublicKey = string | Uint8Array;

/** @internal The keys' bytes, one behind the other. */
export function keyBytes(keys: readonly PublicKey[]): Uint8Array {
  const wrong = () => fault("field.type", "keys", "public keys of 32 bytes or 64 hexadecimal digits, at least one");
  if (!Array.isArray(keys) || keys.length === 0) throw wrong();
  const out = new Uint8Array(32 * keys.length);
  keys.forEach((key: PublicKey, at) => {
    if (key instanceof Uint8Array && key.length === 32) {
      out.set(key, 32 * at);
    } else if (typeof key === "string" && /^[0-9a-f]{64}$/i.test(key)) {
      for (let i = 0; i < 32; i++) out[32 * at + i] = parseInt(key.slice(2 * i, 2 * i + 2), 16);
    } else {
      throw wrong();
    }
  });
  return out;
}

/** @internal The bytes of a buffer or of a view of one. */
export function bytesOf(source: BufferSource): Uint8Array {
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  if (Object.prototype.toString.call(source) === "[object ArrayBuffer]") return new Uint8Array(source);
  throw fault("field.type", "bundle", "the bundle's bytes, as an ArrayBuffer or a view of one");
}

/** How a session is opened, and opened again after a trap. */
type Reopen = (raw: Raw) => RawSession;

/** @internal Opens a bundle, with its self-test the first time. */
export async function open(
  bytes: BufferSource,
  keys: readonly PublicKey[],
  source: Source,
  options?: InitOptions,
): Promise<Scorer> {
  // A copy: what is opened again after a trap must be what was opened.
  const bundle = bytesOf(bytes).slice();
  const pinned = keyBytes(keys);
  return checked(source, (raw) => raw.Session.open(bundle, pinned), options);
}

/** @internal Opens with `reopen` on a build that passes its self-test. */
export async function checked(source: Source, reopen: Reopen, options?: InitOptions): Promise<Scorer> {
  const first = await engine(source, options);
  try {
    return tested(first, reopen);
  } catch (error) {
    const failed = error instanceof FieldscoreError && /^(bundle\.self_test|wasm\.trap)$/.test(error.code);
    if (!failed || !first.automatic) throw error;
    return tested(await fallBack(source, first), reopen);
  }
}

function tested(engine: Engine, reopen: Reopen): Scorer {
  const scorer = new Scorer(engine, reopen);
  try {
    if (!engine.tested.has(scorer.info.bundleId)) {
      scorer._testBriefly();
      engine.tested.add(scorer.info.bundleId);
    }
    return scorer;
  } catch (error) {
    scorer.close();
    throw error;
  }
}

/** An opened bundle; {@link openBundle} makes it. */
export class Scorer {
  /** What the bundle says of itself. */
  readonly info: BundleInfo;
  /** What an application consists of. */
  readonly schema: Schema;

  private readonly _engine: Engine;
  private readonly _reopen: Reopen;
  private readonly _words: RawInfo;
  private readonly _index = new Map<string, number>();
  private _session: RawSession | undefined;
  private _raw: Raw | undefined;
  private _closed = false;

  /** @internal */
  constructor(engine: Engine, reopen: Reopen) {
    this._engine = engine;
    this._reopen = reopen;
    const words = this._run((session) => session.info());
    this._words = words;
    const { product, sequence, bundleId, notBefore, notAfter, scoreAsTyped, languages, kernels, evaluations, groups } = words;
    this.info = { product, sequence, bundleId, notBefore, notAfter, scoreAsTyped, languages, kernels, evaluations, groups };
    words.fields.forEach((field, at) => this._index.set(field.name, at));
    this.schema = {
      fields: words.fields.map((field) => this._field(field)),
      groups: groups.map(({ code, name }) => ({
        code,
        name,
        label: (language: string) => this._text(`group.${name}.label`, language) ?? name,
      })),
    };
  }

  /**
   * Decides an application.
   *
   * @throws {FieldscoreError} `field.*` with the field at fault.
   */
  score(application: Application): Decision {
    return this._decide(application, false, ([numbers, record]) => this._decision(numbers, record));
  }

  /**
   * Decides an application and says what contributed to it; the decision is the same.
   *
   * @throws {FieldscoreError} `field.*` with the field at fault.
   */
  explain(application: Application): Explanation {
    return this._decide(application, true, ([numbers, record]) => {
      const { groups, fields } = this._words;
      let at = DECISION + (this._words.others?.length ?? 0);
      const next = () => numbers[at++] ?? 0;
      return {
        ...this._decision(numbers, record),
        referenceScore: next(),
        groups: groups.map(({ code }) => ({ code, points: next() })),
        fields: fields.map(({ name }) => ({ name, points: next() })),
        reasons: Array.from(numbers.subarray(at), (number) => this._reason(number)),
      };
    });
  }

  /**
   * Runs the bundle's known-answer vectors and gives how many there are. {@link openBundle} compared
   * all decisions and some of the explanations when it first opened this bundle; this compares all.
   *
   * @throws {FieldscoreError} `bundle.self_test` where one comes out differently.
   */
  selfTest(): number {
    return this._run((session) => session.selfTest());
  }

  /** @internal As much of the self-test as an opening has time for. */
  _testBriefly(): void {
    this._run((session) => session.briefSelfTest());
  }

  /** The text of the reason with this code, in the language that serves `language` (BCP 47) best. */
  reasonText(code: string, language: string): string {
    return this._run((session) => session.reasonText(session.reasonNumber(`${code}`), `${language}`));
  }

  /** Frees its memory; later calls throw `scorer.closed`. */
  close(): void {
    this._closed = true;
    const session = this._session;
    this._session = undefined;
    if (session && this._engine.is(this._raw)) session.free();
  }

  private _run<T>(work: (session: RawSession) => T): T {
    if (this._closed) throw fault("scorer.closed", "scorer", "one that is not closed");
    return this._engine.run(
      (raw) => {
        if (!this._session || this._raw !== raw) {
          this._session = this._reopen(raw);
          this._raw = raw;
        }
        return work(this._session);
      },
      // What was set before something was refused.
      () => this._session?.clear(),
    );
  }

  private _decide<T>(application: Application, explain: boolean, read: (made: [Int32Array, Uint8Array]) => T): T {
    const { id, asOf, automation = true } = application;
    if (typeof id !== "string") throw fault("field.type", "id", "text");
    if (typeof asOf !== "string") throw fault("field.type", "asOf", "a date as YYYY-MM-DD");
    if (typeof automation !== "boolean") throw fault("field.type", "automation", "true or false");
    const values = Object.entries(application.values);
    const made = this._run((session): [Int32Array, Uint8Array] => {
      session.begin(id, asOf, automation);
      for (const [name, value] of values) {
        const field = this._index.get(name) ?? session.field(name);
        if (value === null || value === undefined) continue;
        const set =
          typeof value === "string"
            ? session.setText(field, value)
            : typeof value === "boolean"
              ? session.setBoolean(field, value)
              : session.setNested && typeof value === "object"
                ? session.setNested(field, value)
                : // What is not a number either is refused as what no field takes.
                  session.setNumber(field, typeof value === "number" ? value : NaN);
        if (!set) session.refusal();
      }
      return [explain ? session.explain() : session.score(), session.record()];
    });
    return read(made);
  }

  private _decision(numbers: Int32Array, record: Uint8Array): Decision {
    const { flags, rules, fields, outcomes, bundleId, others } = this._words;
    const set = (first: number, names: readonly string[]) => {
      const out: string[] = [];
      for (let at = 0; at < names.length; at += 32) {
        let bits = numbers[first + (at >> 5)] ?? 0;
        while (bits !== 0) {
          const lowest = 31 - Math.clz32(bits & -bits);
          out.push(names[at + lowest] ?? "");
          bits &= bits - 1;
        }
      }
      return out;
    };
    const names = this._names ?? (this._names = fields.map(({ name }) => name));
    return {
      score: numbers[0] ?? 0,
      probabilityPpm: numbers[1] ?? 0,
      ...(others && { others: Object.fromEntries(others.map((name, at) => [name, numbers[DECISION + at] ?? 0])) }),
      outcome: outcomes[numbers[2] ?? 0] as Outcome,
      flags: set(3, flags) as Flag[],
      missing: set(6, names),
      outOfRange: set(14, names),
      unlisted: set(22, names),
      referred: set(30, names),
      fired: set(4, rules),
      bundleId,
      record,
    };
  }

  private _names: string[] | undefined;

  private _reason(number: number): Reason {
    return {
      code: this._run((session) => session.reasonCode(number)),
      text: (language) => this._run((session) => session.reasonText(number, `${language}`)),
    };
  }

  private _text(key: string, language: string): string | undefined {
    return this._run((session) => session.text(key, `${language}`));
  }

  private _field(raw: RawField): Field {
    const { name, categories, type, missing, outOfRange, unlisted, sensitivity, ...rest } = raw;
    return {
      name,
      ...rest,
      type: type as FieldType,
      required: missing === "refuse",
      missing: missing as Answer,
      outOfRange: outOfRange as Answer,
      unlisted: unlisted as Answer,
      sensitivity: sensitivity as Field["sensitivity"],
      label: (language) => this._text(`field.${name}.label`, language) ?? name,
      help: (language) => this._text(`field.${name}.help`, language),
      ...(categories && {
        categories: categories.map((code) => ({
          code,
          label: (language: string) => this._text(`field.${name}.category.${code}`, language) ?? code,
        })),
      }),
    };
  }
}

/** How many numbers a decision has. */
const DECISION = 38;
