/**
 * The keys of what is saved. Two ways to close, one cipher (AES-GCM, 256 bits):
 *
 * - `device`: a key that the browser made and never gives out. What is closed with it is safe from
 *   whoever copies the files, not from whoever uses this browser: applicants' own drafts.
 * - `staff`: everyone can close, only the passphrase opens. An ECDH key pair; its private half lies
 *   wrapped under a key drawn from the passphrase. So a kiosk writes what it cannot read.
 */
import { Fault } from '../faults.js';
import { together } from '../platform.js';
import type { Database } from './db.js';

/** Bytes closed for `device` or `staff`. */
export interface Sealed {
  to: 'device' | 'staff';
  iv: Uint8Array<ArrayBuffer>;
  data: ArrayBuffer;
  /** The public half of the key pair that this one message was closed with. */
  ephemeral?: ArrayBuffer;
}

/** A private key under a passphrase. */
interface Wrapped {
  wrapped: ArrayBuffer;
  salt: Uint8Array<ArrayBuffer>;
  iv: Uint8Array<ArrayBuffer>;
  rounds: number;
}

interface StaffKey extends Wrapped {
  publicKey: ArrayBuffer;
}

/** OWASP's figure for PBKDF2 with SHA-256. */
const ROUNDS = 600_000;
const CURVE = { name: 'ECDH', namedCurve: 'P-256' } as const;
const INFO = new TextEncoder().encode('fieldscore record 1');

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const utf8 = (text: string) => new TextEncoder().encode(text);

/** Opens and closes what is saved. */
export class Vault {
  /** Held in memory while staff are at work; not extractable. */
  private staff: CryptoKey | undefined;

  private constructor(
    private readonly db: Database,
    private readonly device: CryptoKey,
    private readonly tagging: CryptoKey,
    private staffKey: StaffKey | undefined,
  ) {}

  /** Makes the device's keys at first use. */
  static async open(db: Database): Promise<Vault> {
    const make = {
      device: () => crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']),
      tagging: () => crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign']),
    };
    const key = async (name: 'device' | 'tagging') =>
      (await db.get<CryptoKey>('keys', name)) ?? db.add('keys', name, (await make[name]()) as CryptoKey);
    return new Vault(db, await key('device'), await key('tagging'), await db.get<StaffKey>('keys', 'staff'));
  }

  /** Whether a staff passphrase is set. */
  get hasStaff(): boolean {
    return this.staffKey !== undefined;
  }

  /** Whether what is closed for staff can be opened. */
  get isOpen(): boolean {
    return this.staff !== undefined;
  }

  /** A name for `id` that tells nothing without this device's key. */
  async tag(id: string): Promise<string> {
    const mac = new Uint8Array(await crypto.subtle.sign('HMAC', this.tagging, utf8(id)));
    return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join('');
  }

  /**
   * Runs `work` while no tab changes the key of staff; with `exclusive`, while no tab closes anything
   * with it either.
   */
  async steady<T>(mode: LockMode, work: () => Promise<T>): Promise<T> {
    return together('fieldscore staff key', mode, work);
  }

  /** Finds out what other tabs did to the key of staff; locks where it is another one. */
  async refresh(): Promise<void> {
    const found = await this.db.get<StaffKey>('keys', 'staff');
    if (!found || !this.staffKey || !equal(found.publicKey, this.staffKey.publicKey)) this.staff = undefined;
    this.staffKey = found;
  }

  /** Sets the first passphrase, and opens. */
  async setPassphrase(passphrase: string): Promise<void> {
    const pair = await crypto.subtle.generateKey(CURVE, true, ['deriveBits']);
    const made: StaffKey = {
      publicKey: await crypto.subtle.exportKey('raw', pair.publicKey),
      ...(await wrap(pair.privateKey, passphrase)),
    };
    // Another tab may have been faster: its passphrase holds.
    this.staffKey = await this.db.add('keys', 'staff', made);
    await this.unlock(passphrase);
  }

  /** Opens; a wrong passphrase is a {@link Fault}. */
  async unlock(passphrase: string): Promise<void> {
    await this.refresh();
    this.staff = await unwrap(this.staffKey, passphrase, false);
  }

  /** Puts the key under another passphrase. What it closed stays as it is, and can be opened as before. */
  async changePassphrase(present: string, next: string): Promise<void> {
    await this.steady('exclusive', async () => {
      await this.refresh();
      const opened = await unwrap(this.staffKey, present, true);
      const changed = { ...(this.staffKey as StaffKey), ...(await wrap(opened, next)) };
      await this.db.put('keys', 'staff', changed);
      this.staffKey = changed;
    });
  }

  /** Forgets the key of staff, and with it what it closed: {@link Records.reset} deletes that before. */
  async forget(): Promise<void> {
    await this.db.remove('keys', 'staff');
    this.staff = this.staffKey = undefined;
  }

  lock(): void {
    this.staff = undefined;
  }

  /** Closes `value` for staff where there is a passphrase, else for this device. `place` is bound to it. */
  async seal(value: unknown, place: string, to: Sealed['to'] = this.staffKey ? 'staff' : 'device'): Promise<Sealed> {
    const iv = random(12);
    const plain = utf8(JSON.stringify(value));
    const cipher = { name: 'AES-GCM', iv, additionalData: utf8(place) };
    if (to === 'device' || !this.staffKey) {
      return { to: 'device', iv, data: await crypto.subtle.encrypt(cipher, this.device, plain) };
    }
    const pair = await crypto.subtle.generateKey(CURVE, false, ['deriveBits']);
    const theirs = await crypto.subtle.importKey('raw', this.staffKey.publicKey, CURVE, false, []);
    const ephemeral = await crypto.subtle.exportKey('raw', pair.publicKey);
    const key = await messageKey(pair.privateKey, theirs, ephemeral, 'encrypt');
    return { to: 'staff', iv, ephemeral, data: await crypto.subtle.encrypt(cipher, key, plain) };
  }

  /** Opens what {@link seal} closed; `undefined` where the passphrase has not been given. */
  async unseal<T>(sealed: Sealed, place: string): Promise<T | undefined> {
    const cipher = { name: 'AES-GCM', iv: sealed.iv, additionalData: utf8(place) };
    let key = this.device;
    if (sealed.to === 'staff') {
      if (!this.staff || !sealed.ephemeral) return undefined;
      const theirs = await crypto.subtle.importKey('raw', sealed.ephemeral, CURVE, false, []);
      key = await messageKey(this.staff, theirs, sealed.ephemeral, 'decrypt');
    }
    const plain = await crypto.subtle.decrypt(cipher, key, sealed.data);
    return JSON.parse(new TextDecoder().decode(plain)) as T;
  }
}

/** Puts a private key under a passphrase. */
async function wrap(key: CryptoKey, passphrase: string): Promise<Wrapped> {
  const [salt, iv] = [random(16), random(12)];
  const under = await passphraseKey(passphrase, salt, ROUNDS, 'wrapKey');
  return { wrapped: await crypto.subtle.wrapKey('pkcs8', key, under, { name: 'AES-GCM', iv }), salt, iv, rounds: ROUNDS };
}

async function unwrap(key: StaffKey | undefined, passphrase: string, extractable: boolean): Promise<CryptoKey> {
  if (!key) throw new Fault('passphrase.unset', 'staffSet');
  const under = await passphraseKey(passphrase, key.salt, key.rounds, 'unwrapKey');
  const cipher = { name: 'AES-GCM', iv: key.iv };
  try {
    return await crypto.subtle.unwrapKey('pkcs8', key.wrapped, under, cipher, CURVE, extractable, ['deriveBits']);
  } catch {
    throw new Fault('passphrase.wrong', 'passWrong');
  }
}

function equal(one: ArrayBuffer, other: ArrayBuffer): boolean {
  const bytes = new Uint8Array(other);
  return one.byteLength === bytes.length && new Uint8Array(one).every((byte, at) => byte === bytes[at]);
}

async function passphraseKey(
  passphrase: string, salt: Uint8Array<ArrayBuffer>, iterations: number, usage: KeyUsage,
): Promise<CryptoKey> {
  const raw = await crypto.subtle.importKey('raw', utf8(passphrase.normalize('NFKC')), 'PBKDF2', false, ['deriveKey']);
  const how = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations };
  return crypto.subtle.deriveKey(how, raw, { name: 'AES-GCM', length: 256 }, false, [usage]);
}

/** One message's key: what both halves agree on, bound to the half that travels with it. */
async function messageKey(own: CryptoKey, theirs: CryptoKey, ephemeral: ArrayBuffer, usage: KeyUsage): Promise<CryptoKey> {
  const shared = await crypto.subtle.deriveBits({ name: 'ECDH', public: theirs }, own, 256);
  const raw = await crypto.subtle.importKey('raw', shared, 'HKDF', false, ['deriveKey']);
  const how = { name: 'HKDF', hash: 'SHA-256', salt: ephemeral, info: INFO };
  return crypto.subtle.deriveKey(how, raw, { name: 'AES-GCM', length: 256 }, false, [usage]);
}
