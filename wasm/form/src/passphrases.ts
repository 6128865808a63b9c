/** The staff passphrase: set, given, changed, and reset where it is lost. */
import { Fault } from './faults.js';
import type { Word } from './i18n/index.js';
import type { Closed, Records } from './store/records.js';
import type { Vault } from './store/vault.js';

const LEAST = 10;

/** Which part of the page has something to say about a passphrase. */
export type Part = 'give' | 'change' | 'reset';

export class Passphrases {
  /** What is wrong with what was typed, and where. */
  wrong: { part: Part; word: Word } | undefined;
  /** What a reset would delete, while staff are asked whether they want it. */
  losing: Closed | undefined;
  /** While a key is made, which takes a second on a phone, nothing else is begun. */
  private busy = false;

  /** `changed` is called whenever there is something else to show. */
  constructor(
    private readonly vault: Vault,
    private readonly records: Records,
    private readonly changed: () => void,
  ) {}

  get isSet(): boolean {
    return this.vault.hasStaff;
  }

  get isOpen(): boolean {
    return this.vault.isOpen;
  }

  /** Unlocks; where there is no passphrase yet this one is set. Whether it did. */
  async give(passphrase: string, again: string | undefined): Promise<boolean> {
    return this.attempt('give', async () => {
      await this.vault.refresh();
      if (this.vault.hasStaff) {
        await this.vault.unlock(passphrase);
      } else {
        choose(passphrase, again);
        await this.vault.setPassphrase(passphrase);
      }
      await this.records.closeForStaff();
    });
  }

  /** Puts `next` in the place of `present`. Whether it did. */
  async change(present: string, next: string, again: string): Promise<boolean> {
    return this.attempt('change', async () => {
      choose(next, again);
      await this.vault.changePassphrase(present, next);
    });
  }

  /** Asks whether what the lost passphrase closed is to be deleted. */
  async ask(): Promise<void> {
    await this.attempt('reset', async () => {
      this.losing = await this.records.closed();
    });
  }

  /** Deletes it, if staff are `sure` and it is what they were told. Whether it did. */
  async reset(sure: boolean): Promise<boolean> {
    const { losing } = this;
    if (!losing) return false;
    return this.attempt('reset', async () => {
      if (!sure) throw new Fault('reset.unsure', 'resetUnsure');
      const now = await this.records.reset(losing);
      this.losing = now;
      if (now) throw new Fault('reset.changed', 'resetChanged');
    });
  }

  /** Leaves everything as it is. */
  keep(): void {
    this.losing = this.wrong = undefined;
    this.changed();
  }

  /** Does `work` and says beside `part` what is wrong with what was typed; other faults are thrown. */
  private async attempt(part: Part, work: () => Promise<void>): Promise<boolean> {
    if (this.busy) return false;
    this.wrong = undefined;
    this.busy = true;
    this.changed();
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof Fault) || !/^(passphrase|reset)\./.test(error.code)) throw error;
      this.wrong = { part, word: error.word };
      return false;
    } finally {
      this.busy = false;
      this.changed();
    }
  }
}

/** What is to be a passphrase from now on. */
function choose(passphrase: string, again: string | undefined): void {
  if (passphrase.length < LEAST) throw new Fault('passphrase.short', 'passShort');
  if (passphrase !== again) throw new Fault('passphrase.differs', 'passDiffers');
}
