/** Saved decisions and drafts. */
import type { Override } from 'fieldscore';
import type { Answers } from '../fields.js';
import type { Database } from './db.js';
import type { Sealed, Vault } from './vault.js';

/** One application's latest decision, as it is saved. */
export interface Saved {
  id: string;
  asOf: string;
  decidedAt: string;
  /** Which decision of this application it is, from 1. */
  decision: number;
  automation: boolean;
  answers: Answers;
  /** As the scorer was given them. */
  values: Record<string, string | boolean>;
  score: number;
  probabilityPpm: number;
  outcome: string;
  flags: string[];
  reasons: string[];
  bundleId: string;
  /** The canonical record, in base64. */
  record: string;
  /** The amounts and tiers of a policy that has some, by name. */
  terms?: Record<string, string | null>;
  /** What staff decided in its place, the last one last. */
  overrides?: Overridden[];
}

/** An override, and its own bytes in base64. */
export interface Overridden extends Override {
  bytes: string;
}

/** What lies in the database: what must be known without a key, and the rest closed. */
interface Row {
  tag: string;
  /** How often this application was decided. */
  decisions: number;
  /** When it was exported last, in milliseconds; absent while it never was. */
  exportedAt?: number;
  sealed: Sealed;
}

/** A saved decision that could be opened. */
export interface Entry extends Saved {
  tag: string;
  decisions: number;
  exportedAt?: number;
}

/** An unfinished application. */
export interface Draft {
  id: string;
  savedAt: string;
  consent: boolean;
  answers: Answers;
}

/** What only the staff passphrase opens. */
export interface Closed {
  records: number;
  /** How many of them were never exported. */
  unexported: number;
  drafts: number;
}

const DAY = 86_400_000;
/** Where drafts of staff lie. */
export const STAFF_DRAFTS = 'agent ';

export class Records {
  constructor(private readonly db: Database, private readonly vault: Vault) {}

  /** Counts one more decision of `id` and saves it; gives its number. */
  async save(saved: Omit<Saved, 'decision'>): Promise<number> {
    return this.vault.steady('shared', async () => {
      await this.vault.refresh();
      return this.count(saved);
    });
  }

  /** The number that the next decision of `id` would have. */
  async next(id: string): Promise<number> {
    return ((await this.db.get<Row>('records', await this.vault.tag(id)))?.decisions ?? 0) + 1;
  }

  private async count(saved: Omit<Saved, 'decision'>): Promise<number> {
    const tag = await this.vault.tag(saved.id);
    for (;;) {
      const before = (await this.db.get<Row>('records', tag))?.decisions ?? 0;
      const sealed = await this.vault.seal({ ...saved, decision: before + 1 }, tag);
      // Closing takes time: another tab may have decided the same application meanwhile.
      const row = await this.db.change<Row>('records', tag, (found) =>
        (found?.decisions ?? 0) === before ? { tag, decisions: before + 1, sealed } : (found as Row),
      );
      if (row.sealed === sealed) return row.decisions;
    }
  }

  /**
   * Keeps what staff decided in the place of a saved decision beside it; it is then to be exported again.
   * Whether it did: the application may have been decided again in another tab.
   */
  async override({ tag, record }: Entry, override: Overridden): Promise<boolean> {
    return this.vault.steady('shared', async () => {
      await this.vault.refresh();
      const row = await this.db.get<Row>('records', tag);
      const saved = row && (await this.vault.unseal<Saved>(row.sealed, tag));
      if (!row || saved?.record !== record) return false;
      const overrides = [...(saved.overrides ?? []), override];
      const sealed = await this.vault.seal({ ...saved, overrides }, tag);
      const { decisions } = row;
      const kept = await this.db.change<Row>('records', tag, (found) =>
        found?.decisions === decisions ? { tag, decisions, sealed } : (found as Row),
      );
      return kept.sealed === sealed;
    });
  }

  /** Everything that can be opened, latest first. */
  async list(): Promise<Entry[]> {
    await this.vault.refresh();
    const entries: Entry[] = [];
    for (const row of await this.db.all<Row>('records')) {
      const saved = await this.vault.unseal<Saved>(row.sealed, row.tag);
      if (!saved) continue;
      const { tag, decisions, exportedAt } = row;
      entries.push({ ...saved, tag, decisions, ...(exportedAt === undefined ? {} : { exportedAt }) });
    }
    return entries.sort((a, b) => b.decidedAt.localeCompare(a.decidedAt));
  }

  /** Closes for staff what was saved before there was a passphrase. */
  async closeForStaff(): Promise<void> {
    await this.vault.steady('shared', async () => {
      for (const row of await this.db.all<Row>('records')) {
        if (row.sealed.to === 'staff') continue;
        const saved = await this.vault.unseal<Saved>(row.sealed, row.tag);
        const sealed = await this.vault.seal(saved, row.tag, 'staff');
        await this.db.change<Row>('records', row.tag, (found) =>
          found && found.decisions === row.decisions ? { ...found, sealed } : (found as Row),
        );
      }
    });
  }

  /** What a lost passphrase is lost with. */
  async closed(): Promise<Closed> {
    const rows = (await this.db.all<Row>('records')).filter(({ sealed }) => sealed.to === 'staff');
    const drafts = (await this.db.names('drafts')).filter((slot) => slot.startsWith(STAFF_DRAFTS));
    return {
      records: rows.length,
      unexported: rows.filter(({ exportedAt }) => exportedAt === undefined).length,
      drafts: drafts.length,
    };
  }

  /**
   * Deletes what only the staff passphrase opens, and then its key. Gives nothing where that is what
   * was `known`; where it is not, it deletes nothing and gives what is there now.
   */
  async reset(known: Closed): Promise<Closed | undefined> {
    return this.vault.steady('exclusive', async () => {
      const found = await this.closed();
      const same = found.records === known.records && found.unexported === known.unexported && found.drafts === known.drafts;
      if (!same) return found;
      for (const { tag, sealed } of await this.db.all<Row>('records')) {
        if (sealed.to === 'staff') await this.db.remove('records', tag);
      }
      for (const slot of await this.db.names('drafts')) {
        if (slot.startsWith(STAFF_DRAFTS)) await this.db.remove('drafts', slot);
      }
      await this.vault.forget();
      return undefined;
    });
  }

  /** Starts the time after which exported decisions are deleted. */
  async markExported(entries: readonly Entry[], now: number): Promise<void> {
    for (const { tag, decisions } of entries) {
      // A decision that came after the export was not in it.
      await this.db.change<Row>('records', tag, (found) =>
        found && found.decisions === decisions ? { ...found, exportedAt: found.exportedAt ?? now } : (found as Row),
      );
    }
  }

  /** Deletes what was exported more than `days` days ago; gives how many. */
  async prune(days: number, now: number): Promise<number> {
    let count = 0;
    for (const row of await this.db.all<Row>('records')) {
      if (row.exportedAt === undefined || now - row.exportedAt < days * DAY) continue;
      await this.db.remove('records', row.tag);
      count += 1;
    }
    return count;
  }

  /** Saves a draft; not one of staff whom another tab's reset has locked out. Whether it did. */
  async saveDraft(slot: string, draft: Draft, to: Sealed['to']): Promise<boolean> {
    return this.vault.steady('shared', async () => {
      await this.vault.refresh();
      if (to === 'staff' && !this.vault.isOpen) return false;
      await this.db.put('drafts', slot, await this.vault.seal(draft, `draft ${slot}`, to));
      return true;
    });
  }

  async draft(slot: string): Promise<Draft | undefined> {
    const sealed = await this.db.get<Sealed>('drafts', slot);
    return sealed && this.vault.unseal<Draft>(sealed, `draft ${slot}`);
  }

  /** The drafts whose slots begin with `start`, latest first. */
  async drafts(start: string): Promise<Draft[]> {
    const slots = (await this.db.names('drafts')).filter((slot) => slot.startsWith(start));
    const drafts = await Promise.all(slots.map((slot) => this.draft(slot)));
    return drafts.filter((draft) => draft !== undefined).sort((a, b) => b.savedAt.localeCompare(a.savedAt));
  }

  async removeDraft(slot: string): Promise<void> {
    await this.db.remove('drafts', slot);
  }
}
