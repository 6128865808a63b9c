/**
 * What every failing call throws or rejects with. Neither code nor text ever holds an applicant's
 * value, so both may be shown and logged.
 *
 * Codes of the runtime: `bundle.not_a_bundle`, `bundle.unsupported`, `bundle.untrusted_key`,
 * `bundle.signature`, `bundle.altered`, `bundle.malformed`, `bundle.self_test`, `field.unknown`,
 * `field.type`, `field.range`, `field.missing`, `field.category`, `application.bundle`,
 * `model.not_finite`, `record.malformed`, `store.refused`, `store.empty`, `summary.malformed`, `summary.too_few`. Codes of this package:
 * `wasm.unavailable`, `wasm.simd`, `wasm.load`, `wasm.compile`, `wasm.trap`, `scorer.closed`, `io`.
 */
export class FieldscoreError extends Error {
  /** A stable code, the same in every language binding. */
  readonly code: string;
  /** The field at fault, where it is one. */
  readonly field?: string;

  constructor(code: string, text: string, field?: string, cause?: unknown) {
    super(text);
    this.name = "FieldscoreError";
    this.code = code;
    if (field) this.field = field;
    if (cause !== undefined) Object.defineProperty(this, "cause", { value: cause, configurable: true });
  }

  /** @internal The error of a string that the wasm module threw. */
  static of(thrown: string): FieldscoreError {
    const [code = "", field, ...text] = thrown.split("\0");
    return new FieldscoreError(code, text.join(" "), field);
  }
}

/** @internal An error of this package at a place, in the runtime's form. */
export function fault(code: string, place: string, expected: string, cause?: unknown): FieldscoreError {
  return new FieldscoreError(code, `${place}: ${expected} [${code}]`, undefined, cause);
}
