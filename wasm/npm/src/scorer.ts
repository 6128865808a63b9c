// An opened bundle.

import { FieldscoreError, fault } from "./error.js";
import { type Engine, type InitOptions, type Source, engine, fallBack } from "./engine.js";
import type { Raw, RawCase, RawField, RawInfo, RawSession } from "./raw.js";
import type {
  Alternative,
  Answer,
  Application,
  BundleInfo,
  Decision,
  Explanation,
  Field,
  FieldType,
  Flag,
  Notice,
  Outcome,
  Override,
  Reason,
  Schema,
  Verified,
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

/** What surrounds a decision: the default entry leaves it to the others. */
function surrounding(session: RawSession): RawSession & RawCase {
  if ("verifyRecord" in session) return session as RawSession & RawCase;
  throw fault("bundle.unsupported", "entry", "fieldscore/agent or fieldscore/full");
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
    return this._decide(application, decided(false), ([numbers, record]) => this._decision(numbers, record));
  }

  /**
   * Decides an application and says what contributed to it; the decision is the same.
   *
   * @throws {FieldscoreError} `field.*` with the field at fault.
   */
  explain(application: Application): Explanation {
    return this._decide(application, decided(true), ([numbers, record]) => {
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
   * What would change the decision on a declined or referred application: up to three alternatives, those with the
   * fewest changes first. Each has been scored with its changes and reaches a better outcome.
   *
   * @throws {FieldscoreError} `field.*` with the field at fault.
   */
  alternatives(application: Application): Alternative[] {
    return this._decide(
      application,
      (session) => surrounding(session).alternatives(),
      (found) => found.map(({ outcome, ...rest }) => ({ ...rest, outcome: outcome as Outcome })),
    );
  }

  /**
   * A decision's record with {@link alternatives} in it too: what an applicant was shown, for whoever asks later. It
   * takes as long as they do.
   *
   * @throws {FieldscoreError} as {@link verifyRecord}.
   */
  recordAlternatives(record: Uint8Array): Uint8Array {
    return this._run((session) => surrounding(session).recordAlternatives(record));
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

  /**
   * Counts a decision, by its record, in a summary: what an application's values, score and outcome are, in bins, and
   * nothing that names anybody. Keep the result on the device for the next decision; {@link shareSummary} is what may
   * be sent. `docs/watching.md` says what it is for.
   *
   * @param summary the summary so far; without, a new one
   * @throws {FieldscoreError} `bundle.unsupported` where the bundle has no histogram, `summary.malformed`,
   * `record.malformed`, `application.bundle` for another bundle's.
   */
  summarise(record: Uint8Array, summary?: Uint8Array): Uint8Array {
    return this._run((session) => surrounding(session).summarise(summary ?? new Uint8Array(0), record));
  }

  /**
   * A summary to send; start a new one after it.
   *
   * @throws {FieldscoreError} `summary.too_few` below 20 decisions, which would show what each was like.
   */
  shareSummary(summary: Uint8Array): Uint8Array {
    return this._run((session) => surrounding(session).shareSummary(summary));
  }

  /** @internal As much of the self-test as an opening has time for. */
  _testBriefly(): void {
    this._run((session) => session.briefSelfTest());
  }

  /** The text of the reason with this code, in the language that serves `language` (BCP 47) best. */
  reasonText(code: string, language: string): string {
    return this._run((session) => session.reasonText(session.reasonNumber(`${code}`), `${language}`));
  }

  /**
   * The notice of a decision on record, in the language that serves `language` (BCP 47) best. The
   * record is scored again first.
   *
   * @throws {FieldscoreError} `record.malformed` where it is no record or another decision comes out,
   * `application.bundle` where another bundle decided.
   */
  notice(record: Uint8Array, language: string): Notice {
    return this._run((session) => surrounding(session).notice(record, `${language}`));
  }

  /**
   * Scores a record's application again and gives the decision where the same record comes out, with the policy's terms
   * and each rule that was tried: a server that is sent a record need not trust the browser that made it.
   *
   * @throws {FieldscoreError} `record.malformed` where it is no record or another one comes out,
   * `application.bundle` where another bundle decided.
   */
  verifyRecord(record: Uint8Array): Verified {
    const { id, asOf, numbers, terms, trace, challenger } = this._run((session) => surrounding(session).verifyRecord(record));
    return {
      id,
      asOf,
      decision: this._decision(numbers, record.slice()),
      terms,
      trace: trace.map(({ saw, said, ...rest }) => ({ ...rest, saw: Object.fromEntries(saw), said: Object.fromEntries(said) })),
      ...(challenger && { challenger: { ...challenger, outcome: challenger.outcome as Outcome } }),
    };
  }

  /** Why staff may override a decision; empty where the bundle allows no override. */
  overrideReasons(language: string): { code: string; text: string }[] {
    const codes = this._run((session) => surrounding(session).overrideReasons());
    return codes.map((code) => ({ code, text: this._text(`override.${code}`, language) ?? code }));
  }

  /**
   * A person's decision in the place of the one on record, to be kept beside it: the record stays.
   *
   * @throws {FieldscoreError} `record.malformed` with what does not hold: the outcome must differ, the
   * reason must be one of {@link overrideReasons}, `asOf` must not lie before the decision.
   */
  overrideDecision(
    record: Uint8Array,
    { by, outcome, reason, asOf }: Override,
  ): Uint8Array {
    return this._run((session) => surrounding(session).overrideDecision(record, `${by}`, `${outcome}`, `${reason}`, `${asOf}`));
  }

  /**
   * Reads an override and holds it against its record.
   *
   * @throws {FieldscoreError} `record.malformed` with what does not hold, `application.bundle`.
   */
  checkOverride(record: Uint8Array, override: Uint8Array): Override {
    return this._run((session) => surrounding(session).checkOverride(record, override));
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

  private _decide<M, T>(application: Application, make: (session: RawSession) => M, read: (made: M) => T): T {
    const { id, asOf, automation = true } = application;
    if (typeof id !== "string") throw fault("field.type", "id", "text");
    if (typeof asOf !== "string") throw fault("field.type", "asOf", "a date as YYYY-MM-DD");
    if (typeof automation !== "boolean") throw fault("field.type", "automation", "true or false");
    const values = Object.entries(application.values);
    const made = this._run((session) => {
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
      return make(session);
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

/** A decision's numbers, explained or not, and its record. */
const decided =
  (explain: boolean) =>
  (session: RawSession): [Int32Array, Uint8Array] => [explain ? session.explain() : session.score(), session.record()];
