/** What can go wrong, under stable codes, and which of the form's words says what to do about it. */
import type { Word } from './i18n/index.js';

/** A fault that the form shows and its `error` event carries. It never holds an applicant's value. */
export class Fault extends Error {
  constructor(
    /** Stable: one of the form's own or the runtime's. */
    readonly code: string,
    /** The words that say what happened and what to do. */
    readonly word: Word,
    readonly blanks: Record<string, string | number> = {},
    /** The field at fault, where it is one. */
    readonly field?: string,
  ) {
    super(code);
    this.name = 'Fault';
  }
}

const BUNDLE: Record<string, Word> = {
  'bundle.untrusted_key': 'bundleKey',
  'bundle.unsupported': 'bundleNewer',
  'bundle.self_test': 'bundleSelfTest',
  'store.refused': 'refusedUpdate',
  'wasm.unavailable': 'noWasm',
  'wasm.compile': 'noWasm',
  'wasm.load': 'offlineFirst',
  'field.type': 'bundleMissing',
};

/** What of a runtime's error is told: its code and field, never more. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const { code, field, cause } = (error ?? {}) as { code?: unknown; field?: unknown; cause?: unknown };
  // The package's stores pass on what their storage said.
  if (code === 'io') return storageFault(cause);
  const named = typeof field === 'string' ? field : undefined;
  if (typeof code === 'string') {
    if (code in BUNDLE && !named) return new Fault(code, BUNDLE[code] as Word);
    if (code.startsWith('bundle.')) return new Fault(code, 'bundleAltered');
    return new Fault(code, 'scoreFailed', { code }, named);
  }
  return new Fault('internal', 'scoreFailed', { code: 'internal' });
}

/** What a failure of IndexedDB means. */
export function storageFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'QuotaExceededError') return new Fault('storage.full', 'full');
  if (name === 'InvalidStateError' || name === 'SecurityError' || name === 'NotAllowedError') {
    return new Fault('storage.unavailable', 'noDb');
  }
  return new Fault('storage.failed', 'storageFailed');
}
