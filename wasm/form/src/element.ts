/** `<fieldscore-form>`: a form built from a signed bundle, which decides where the person is. */
import type { Alternative, Explanation, Field, Notice as DecisionNotice, Override, Term, Tried } from 'fieldscore';
import { LitElement, html, nothing, type PropertyDeclarations, type TemplateResult } from 'lit';
import { keyed } from 'lit/directives/keyed.js';
import { Engine } from './engine.js';
import { download, file, type Format } from './export.js';
import { Fault, faultOf, storageFault } from './faults.js';
import { check, checkId, newId, today, values, type Answers, type Check } from './fields.js';
import { language, languages, type Language } from './i18n/index.js';
import { Idle } from './idle.js';
import { Passphrases } from './passphrases.js';
import { isApple, isInstalled, only, persist } from './platform.js';
import { Database } from './store/db.js';
import { Records, STAFF_DRAFTS, type Draft, type Entry, type Saved } from './store/records.js';
import { Vault } from './store/vault.js';
import { styles } from './styles.js';
import { lastCallView, startView } from './view/kiosk.js';
import { noticeView } from './view/notice.js';
import { noticesView, type Notice } from './view/notices.js';
import { overrideView } from './view/override.js';
import { questionsView } from './view/questions.js';
import { resultView } from './view/result.js';
import { staffView } from './view/staff.js';
import { traceView } from './view/trace.js';

export type Mode = 'agent' | 'applicant' | 'kiosk';

/** `event.detail` of `change`: what is in the form now. */
export interface ChangeDetail {
  id: string;
  values: Record<string, string | boolean>;
  /** Whether it could be decided. */
  valid: boolean;
}

/** `event.detail` of `decision`. */
export interface DecisionDetail extends Omit<Explanation, 'reasons'> {
  id: string;
  asOf: string;
  /** Which decision of this application it is; 1 where nothing is saved. */
  decision: number;
  saved: boolean;
  reasons: string[];
  /** The amounts and tiers that the policy gives. */
  terms: readonly Term[];
}

/** `event.detail` of `error`: a stable code, a text for people, never an applicant's value. */
export interface ErrorDetail {
  code: string;
  field?: string;
  text: string;
}

/** Where a decision is kept: saved here, in a file that was downloaded, nowhere. */
type Kept = 'saved' | 'file' | 'nowhere';
/** A decision that is yet to be counted. */
type Unnumbered = Omit<Saved, 'decision'>;
/** A decision, what would change it, what it comes with, and the rules that were tried. */
interface As {
  explanation: Explanation;
  alternatives: readonly Alternative[];
  terms: readonly Term[];
  trace: readonly Tried[];
}

const HOUR = 3_600_000;
const STAFF_IDLE = 15 * 60;
/** How long a kiosk asks before it clears itself, in seconds. */
const LAST_CALL = 15;

export class FieldscoreForm extends LitElement {
  static override styles = styles;
  static override properties: PropertyDeclarations = {
    bundle: {},
    keys: {},
    mode: {},
    product: {},
    recipient: {},
    sink: {},
    retentionDays: { type: Number, attribute: 'retention-days' },
    idleSeconds: { type: Number, attribute: 'idle-seconds' },
    hold: { type: Boolean },
  };

  /** The bundle's address. */
  declare bundle: string;
  /** The public keys that may have signed it: hexadecimal, apart by blanks or commas. */
  declare keys: string;
  declare mode: Mode;
  /** The product that bundles must be of; else the first one's holds. */
  declare product: string | null;
  /** The lender's `age` recipient for encrypted exports. */
  declare recipient: string | null;
  /** Where a finished record is written before it counts: the kiosk's own program. */
  declare sink: string | null;
  /** Days after an export until what was exported is deleted here. */
  declare retentionDays: number;
  /** Seconds without a touch after which a kiosk clears itself. */
  declare idleSeconds: number;
  /** Set: the form waits, for a page that has yet to find out its other attributes. */
  declare hold: boolean;
  /** Awaited before the bundle is opened, at every try; a {@link Fault} that it throws is shown. */
  prepare: (() => Promise<void>) | undefined;

  private engine: Engine | undefined;
  private vault: Vault | undefined;
  private records: Records | undefined;
  /** The notice that was made last: it costs an explanation. */
  private noticed: { record: Uint8Array; tag: string; notice: DecisionNotice | undefined } | undefined;
  private passphrases: Passphrases | undefined;
  private fatal: Fault | undefined;
  private notices: Notice[] = [];
  private language: Language = language('');
  private chosen = '';

  private started = false;
  /** Rises with every new application: its questions are made anew, and nothing of the last is left. */
  private round = 0;
  private applicationId = '';
  private answers: Answers = {};
  private consent = false;
  private left = new Set<string>();
  private live: Explanation | undefined;
  private decided: (As & { decision: number; kept: Kept }) | undefined;
  private tried = false;
  private busy = false;
  private said = '';

  private entries: Entry[] = [];
  private drafts: Draft[] = [];
  private leads = true;
  private lead: { give(): void } | undefined;
  private draftTimer: ReturnType<typeof setTimeout> | undefined;
  private sayTimer: ReturnType<typeof setTimeout> | undefined;
  private hourly: ReturnType<typeof setInterval> | undefined;
  private idle: Idle | undefined;
  private ending: number | undefined;
  private readonly onOnline = () => void this.lookForUpdate();

  constructor() {
    super();
    this.bundle = '';
    this.keys = '';
    this.mode = 'applicant';
    this.product = null;
    this.recipient = null;
    this.sink = null;
    this.retentionDays = 30;
    this.idleSeconds = 60;
    this.hold = false;
  }

  static override get observedAttributes(): string[] {
    return [...super.observedAttributes, 'lang'];
  }

  override attributeChangedCallback(name: string, old: string | null, value: string | null): void {
    if (name === 'lang') {
      this.language = language(this.chosen || value);
      this.requestUpdate();
    } else {
      super.attributeChangedCallback(name, old, value);
    }
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.language = language(this.chosen || this.lang);
    this.renew();
    addEventListener('online', this.onOnline);
    this.hourly = setInterval(() => {
      void this.lookForUpdate();
      void this.prune();
    }, HOUR);
    // Attributes that a framework sets after connecting are there by then.
    queueMicrotask(() => void this.start());
  }

  override updated(changed: Map<string, unknown>): void {
    if (changed.get('hold') === true && !this.hold) void this.start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener('online', this.onOnline);
    clearInterval(this.hourly);
    clearTimeout(this.draftTimer);
    clearTimeout(this.sayTimer);
    this.idle?.stop();
    this.lead?.give();
    this.lead = undefined;
  }

  // ---- Opening -------------------------------------------------------------------------------

  /** Opens storage and bundle; called again by "try again". */
  private async start(): Promise<void> {
    if (!this.isConnected || this.hold) return;
    this.fatal = undefined;
    this.idle?.stop();
    const db = await this.openStorage();
    try {
      await this.prepare?.();
      this.engine = await Engine.open(this.wanted(), db);
    } catch (error) {
      const fault = storageOrBundle(error);
      this.fatal = fault;
      this.report(fault);
      this.requestUpdate();
      return;
    }
    if (this.engine.notKept) this.warn(storageOrBundle(this.engine.notKept));
    const invalid = this.engine.validity();
    if (invalid) this.tell({ ...invalid, kind: 'warn' }, invalid);
    if (this.records) await this.openRecords(this.records);
    if (this.mode === 'kiosk') this.idle = new Idle(this.idleSeconds, () => this.lastCall());
    if (this.mode === 'agent') this.idle = new Idle(STAFF_IDLE, () => this.lock());
    this.requestUpdate();
    await this.updateComplete;
    this.dispatchEvent(new CustomEvent('ready'));
    void this.lookForUpdate();
  }

  private wanted() {
    return { url: this.bundle, keys: this.keys.split(/[\s,]+/).filter(Boolean), product: this.product };
  }

  private async openStorage(): Promise<Database | undefined> {
    if (!globalThis.isSecureContext || !globalThis.crypto?.subtle) {
      this.warn(new Fault('page.insecure', 'insecure'));
    }
    try {
      const db = await Database.open();
      if (globalThis.crypto?.subtle) {
        this.vault = await Vault.open(db);
        this.records = new Records(db, this.vault);
        this.passphrases = new Passphrases(this.vault, this.records, () => this.requestUpdate());
      }
      return db;
    } catch (error) {
      this.warn(storageFault(error));
      return undefined;
    }
  }

  private async openRecords(records: Records): Promise<void> {
    await this.prune();
    if (this.mode === 'kiosk') return;
    await this.takeLead(false);
    if (isApple() && !isInstalled()) this.tell({ code: 'ios.install', word: 'iosInstall', kind: 'info', closes: true });
    if (this.mode !== 'applicant') return;
    const draft = await records.draft('applicant').catch(() => undefined);
    if (draft) this.offerDraft(draft);
  }

  /** One tab writes drafts; the others say so. */
  private async takeLead(steal: boolean): Promise<void> {
    this.lead?.give();
    this.lead = await only(`fieldscore form ${this.mode}`, steal, () => {
      this.leads = false;
      this.offerLead();
    });
    this.leads = this.lead !== undefined;
    if (this.leads) this.close('tabs');
    else this.offerLead();
  }

  private offerLead(): void {
    const actions = [{ word: 'takeOver' as const, run: () => void this.takeLead(true) }];
    this.tell({ code: 'tabs', word: 'twoTabs', kind: 'warn', actions });
  }

  private offerDraft(draft: Draft): void {
    const resume = () => {
      this.close('draft');
      this.take(draft);
    };
    const discard = () => {
      this.close('draft');
      void this.records?.removeDraft('applicant');
    };
    this.tell({
      code: 'draft',
      word: 'draftFound',
      kind: 'info',
      blanks: { when: this.language.when(draft.savedAt) },
      actions: [{ word: 'resume', run: resume, main: true }, { word: 'discard', run: discard }],
    });
  }

  private async lookForUpdate(): Promise<void> {
    if (!this.engine) return;
    try {
      const update = await this.engine.update();
      if (!update) return;
      const blanks = { n: update.sequence };
      const use = () => void this.useUpdate(update.install, blanks);
      const actions = [{ word: 'updateUse' as const, run: use, main: true }, { word: 'updateLater' as const, run: () => this.close('update') }];
      // At a kiosk nobody can be asked: between two applicants the new rules are simply taken.
      if (this.mode === 'kiosk' && !this.started) use();
      else if (this.mode !== 'kiosk') this.tell({ code: 'update', word: 'updateFound', kind: 'info', blanks, actions });
    } catch (error) {
      const fault = faultOf(error);
      // What is refused at the door changes nothing: the present rules stay.
      this.warn(fault);
    }
  }

  private async useUpdate(install: () => Promise<void>, blanks: { n: number }): Promise<void> {
    try {
      await install();
      this.close('update');
      this.close('bundle.expired');
      const invalid = this.engine?.validity();
      if (invalid) this.tell({ ...invalid, kind: 'warn' }, invalid);
      if (this.mode !== 'kiosk') this.tell({ code: 'updated', word: 'updateDone', kind: 'info', blanks, closes: true });
      this.scoreLive();
    } catch (error) {
      const fault = storageOrBundle(error);
      this.tell({ ...fault, kind: 'bad', closes: true }, fault);
    }
  }

  private async prune(): Promise<void> {
    await this.records?.prune(this.retentionDays, Date.now()).catch(() => 0);
  }

  // ---- Filling in ----------------------------------------------------------------------------

  private get fields(): readonly Field[] {
    return this.engine?.scorer.schema.fields ?? [];
  }

  private get scoresAsTyped(): boolean {
    return this.mode === 'agent' && this.engine?.scorer.info.scoreAsTyped === true;
  }

  private check(field: Field): Check {
    return check(field, this.answers[field.name], this.language);
  }

  private get valid(): boolean {
    return !checkId(this.applicationId, this.language).error && this.fields.every((field) => !this.check(field).error);
  }

  private edit(name: string, answer: string): void {
    this.answers = { ...this.answers, [name]: answer };
    this.changed();
  }

  private changed(): void {
    if (this.mode === 'agent') this.decided = undefined;
    // What it offers is about the answers as they were.
    this.close('keep');
    this.scoreLive();
    this.saveDraftSoon();
    const detail: ChangeDetail = { id: this.applicationId, values: values(this.fields, this.answers, this.language), valid: this.valid };
    this.emit('change', detail);
    this.requestUpdate();
  }

  private application() {
    return { id: this.applicationId, asOf: today(), automation: this.consent, values: values(this.fields, this.answers, this.language) };
  }

  /** Staff see the score as they type, where the bundle allows it. */
  private scoreLive(): void {
    this.live = undefined;
    clearTimeout(this.sayTimer);
    if (!this.scoresAsTyped || !this.engine || !this.valid) return;
    try {
      this.live = this.engine.scorer.explain(this.application());
      this.close('score');
      const { score, outcome } = this.live;
      this.sayTimer = setTimeout(() => this.announce(score, outcome), 1000);
    } catch (error) {
      const fault = faultOf(error);
      this.tell({ ...fault, code: 'score', kind: 'warn' }, fault);
    }
    this.requestUpdate();
  }

  private announce(score: number, outcome: Explanation['outcome']): void {
    const { say } = this.language;
    this.said = say('announce', { score, outcome: say(outcome) });
    this.requestUpdate();
  }

  // ---- Drafts --------------------------------------------------------------------------------

  private async draftSlot(): Promise<string | undefined> {
    if (!this.records || !this.vault || !this.leads || this.mode === 'kiosk') return undefined;
    if (this.mode === 'applicant') return 'applicant';
    return this.vault.isOpen ? `${STAFF_DRAFTS}${await this.vault.tag(this.applicationId)}` : undefined;
  }

  private saveDraftSoon(): void {
    clearTimeout(this.draftTimer);
    this.draftTimer = setTimeout(() => void this.saveDraft(), 400);
  }

  private async saveDraft(): Promise<void> {
    const slot = await this.draftSlot();
    if (!slot || this.decided || !Object.values(this.answers).some(Boolean)) return;
    const draft = { id: this.applicationId, savedAt: new Date().toISOString(), consent: this.consent, answers: this.answers };
    try {
      const saved = await this.records?.saveDraft(slot, draft, this.mode === 'agent' ? 'staff' : 'device');
      if (!saved) return this.requestUpdate();
      this.said = this.language.say('draftSaved');
      this.toggleAttribute('draft-saved', true);
      this.requestUpdate();
    } catch (error) {
      this.warn(storageFault(error));
    }
  }

  private async dropDraft(): Promise<void> {
    clearTimeout(this.draftTimer);
    const slot = await this.draftSlot();
    if (slot) await this.records?.removeDraft(slot).catch(() => undefined);
  }

  // ---- Deciding ------------------------------------------------------------------------------

  private async decide(): Promise<void> {
    if (this.busy || !this.engine) return;
    this.tried = true;
    for (const field of this.fields) this.left.add(field.name);
    if (!this.valid) {
      this.requestUpdate();
      await this.updateComplete;
      this.renderRoot.querySelector<HTMLElement>('.summary')?.focus();
      return;
    }
    this.busy = true;
    this.requestUpdate();
    const application = this.application();
    let instead: (() => void) | undefined;
    try {
      const explanation = this.engine.scorer.explain(application);
      const alternatives = this.engine.scorer.alternatives(application);
      const { terms, trace } = this.engine.scorer.verifyRecord(explanation.record);
      const as = { explanation, alternatives, terms, trace };
      const saved = this.saved(application, as);
      instead = () => void this.keepInFile(saved, as);
      const decision = await this.keep(saved, explanation);
      await this.decidedAs(saved, as, decision ?? 1, decision === undefined ? 'nowhere' : 'saved');
    } catch (error) {
      const fault = faultOf(error);
      // A kiosk gives nothing away, and what is not decided cannot be kept.
      const run = fault.code === 'storage.full' && this.mode !== 'kiosk' ? instead : undefined;
      const actions = run && { actions: [{ word: 'fileInstead' as const, main: true, run }] };
      this.tell({ ...fault, code: 'keep', kind: 'bad', closes: true, ...actions }, fault);
    }
    this.busy = false;
    this.requestUpdate();
    await this.updateComplete;
    if (this.decided) this.renderRoot.querySelector<HTMLElement>('#result-title')?.focus();
    else this.renderRoot.querySelector('[data-notice=keep]')?.scrollIntoView({ block: 'center' });
  }

  /** Shows and tells a decision that is kept as well as it can be. */
  private async decidedAs({ id, asOf }: Unnumbered, as: As, decision: number, kept: Kept): Promise<void> {
    const { explanation, terms } = as;
    this.decided = { ...as, decision, kept };
    await this.dropDraft();
    this.close('keep');
    const { reasons, ...rest } = explanation;
    const detail: DecisionDetail = {
      ...rest, id, asOf, decision, saved: kept === 'saved', reasons: reasons.map(({ code }) => code), terms,
    };
    this.emit('decision', detail);
    this.announce(explanation.score, explanation.outcome);
    if (this.vault?.isOpen) await this.refresh();
  }

  /** Where storage is full, a file serves: for the lender's eyes only where its key is known. */
  private async keepInFile(saved: Unnumbered, as: As): Promise<void> {
    try {
      const decision = (await this.records?.next(saved.id)) ?? 1;
      const entry = { ...saved, decision, decisions: decision };
      const { name, blob } = await file(this.recipient ? 'age' : 'json', [entry], [], this.recipient);
      download(name, blob);
      await this.decidedAs(saved, as, decision, 'file');
    } catch (error) {
      const fault = error instanceof Fault ? error : new Fault('export.failed', 'storageFailed');
      this.tell({ ...fault, kind: 'bad', closes: true }, fault);
    }
    this.requestUpdate();
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>('#result-title')?.focus();
  }

  /** Writes the decision where it is to be kept; gives its number, or nothing where nothing is kept. */
  private async keep(saved: Unnumbered, explanation: Explanation): Promise<number | undefined> {
    if (this.sink) {
      await this.write(this.sink, explanation.record);
      // What the kiosk's own program has on disk leaves from there; a second copy here never would.
      if (this.mode === 'kiosk') return 1;
    }
    // Staff who have not given the passphrase see a result, and nothing is kept.
    if (!this.records || (this.mode === 'agent' && !this.vault?.isOpen)) return undefined;
    const number = await this.records.save(saved).catch((error: unknown) => {
      throw storageFault(error);
    });
    if (!(await persist()) && this.mode === 'agent') {
      this.tell({ code: 'persist', word: 'persistRefused', kind: 'warn', closes: true });
    }
    return number;
  }

  private saved(application: ReturnType<FieldscoreForm['application']>, { explanation, terms }: As): Unnumbered {
    const { score, probabilityPpm, outcome, flags, reasons, bundleId, record } = explanation;
    return {
      id: application.id,
      asOf: application.asOf,
      decidedAt: new Date().toISOString(),
      automation: application.automation,
      answers: this.answers,
      values: application.values,
      score, probabilityPpm, outcome, flags, bundleId,
      reasons: reasons.map(({ code }) => code),
      record: base64(record),
      ...(terms.length && { terms: Object.fromEntries(terms.map(({ name, text }) => [name, text])) }),
    };
  }

  private async write(sink: string, record: Uint8Array): Promise<void> {
    const response = await fetch(sink, {
      method: 'POST',
      headers: { 'content-type': 'application/cbor' },
      body: record.slice(),
    }).catch(() => undefined);
    if (!response?.ok) throw new Fault('sink.failed', 'sinkFailed');
  }

  /** Empties the form for the next application. */
  private renew(): void {
    clearTimeout(this.draftTimer);
    clearTimeout(this.sayTimer);
    this.round += 1;
    this.applicationId = newId();
    this.answers = {};
    this.consent = false;
    this.left = new Set();
    this.live = undefined;
    this.decided = undefined;
    this.noticed = undefined;
    this.tried = false;
    this.said = '';
    this.close('keep');
  }

  private async startOver(): Promise<void> {
    this.renew();
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>('h1')?.focus();
  }

  /** Puts a draft or a saved application back into the form. */
  private take(what: Draft | Entry): void {
    this.renew();
    this.applicationId = what.id;
    this.answers = what.answers;
    this.consent = 'consent' in what ? what.consent : what.automation;
    this.changed();
  }

  // ---- The kiosk -----------------------------------------------------------------------------

  private begin(): void {
    this.started = true;
    // Only a touch may ask for it, and a browser may say no: the form works all the same.
    void document.documentElement.requestFullscreen?.().catch(() => undefined);
    this.requestUpdate();
  }

  private lastCall(): void {
    if (!this.started || this.ending !== undefined) return;
    const asked = Math.min(LAST_CALL, this.idleSeconds);
    this.ending = asked;
    const tick = () => {
      if (this.ending === undefined) return;
      this.ending -= 1;
      if (this.ending < 0) this.clear();
      else setTimeout(tick, 1000);
      this.requestUpdate();
    };
    setTimeout(tick, 1000);
    this.requestUpdate();
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLDialogElement>('dialog.idle')?.showModal());
  }

  private stay(): void {
    this.ending = undefined;
    this.idle?.touch();
    this.requestUpdate();
  }

  /** Back to the start; nothing of the last applicant is left. */
  private clear(): void {
    this.ending = undefined;
    this.started = false;
    this.chosen = '';
    this.language = language(this.lang);
    this.renew();
    scrollTo(0, 0);
    void this.lookForUpdate();
  }

  // ---- Staff ---------------------------------------------------------------------------------

  private async givePassphrase(passphrase: string, again: string | undefined): Promise<void> {
    const opened = await this.staffTry((its) => its.give(passphrase, again));
    if (!opened) return;
    await this.refresh();
    this.saveDraftSoon();
  }

  private async changePassphrase(present: string, next: string, again: string): Promise<boolean> {
    const changed = await this.staffTry((its) => its.change(present, next, again));
    if (changed) this.tell({ code: 'passphrase', word: 'passChanged', kind: 'info', closes: true });
    return changed;
  }

  /** Asks before it resets: modally, as there is no way back. */
  private async askReset(): Promise<void> {
    await this.staffTry((its) => its.ask().then(() => true));
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLDialogElement>('dialog.reset')?.showModal();
  }

  private async resetPassphrase(sure: boolean): Promise<void> {
    if (!(await this.staffTry((its) => its.reset(sure)))) return;
    this.tell({ code: 'passphrase', word: 'resetDone', kind: 'info', closes: true });
    await this.refresh();
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>('#staff-passphrase')?.focus();
  }

  private keepPassphrase(): void {
    // Closed before it goes, so that the focus returns to where it came from.
    this.renderRoot.querySelector<HTMLDialogElement>('dialog.reset')?.close();
    this.passphrases?.keep();
  }

  private async staffTry(work: (its: Passphrases) => Promise<boolean>): Promise<boolean> {
    try {
      return this.passphrases ? await work(this.passphrases) : false;
    } catch (error) {
      this.warn(storageFault(error));
      return false;
    }
  }

  private lock(): void {
    this.vault?.lock();
    this.entries = [];
    this.drafts = [];
    this.renew();
  }

  private async refresh(): Promise<void> {
    this.entries = (await this.records?.list()) ?? [];
    this.drafts = (await this.records?.drafts(STAFF_DRAFTS)) ?? [];
    this.requestUpdate();
  }

  private async discard(draft: Draft): Promise<void> {
    await this.records?.removeDraft(`${STAFF_DRAFTS}${await this.vault?.tag(draft.id)}`);
    await this.refresh();
  }

  private async export(format: Format): Promise<void> {
    // At a kiosk there is no list to press this on; and no script of the page gets one either.
    if (this.mode !== 'agent' || !this.vault?.isOpen || !this.records) return;
    try {
      const entries = await this.records.list();
      const { name, blob } = await file(format, entries, this.fields.map((field) => field.name), this.recipient);
      download(name, blob);
      await this.records.markExported(entries, Date.now());
      const blanks = { n: entries.length, days: this.retentionDays };
      this.tell({ code: 'exported', word: 'exportDone', kind: 'info', blanks, closes: true });
      await this.refresh();
    } catch (error) {
      const fault = error instanceof Fault ? error : new Fault('export.failed', 'storageFailed');
      this.tell({ ...fault, kind: 'bad', closes: true }, fault);
    }
  }

  /** Where staff override what is saved, where the bundle allows it. */
  private overrides(): TemplateResult | typeof nothing {
    const scorer = this.engine?.scorer;
    if (!scorer) return nothing;
    return overrideView({
      language: this.language,
      texts: this.texts,
      entries: this.entries.filter(({ bundleId }) => bundleId === scorer.info.bundleId),
      reasons: scorer.overrideReasons(this.language.tag),
      override: (entry, made) => void this.override(entry, made),
    });
  }

  private async override(entry: Entry, made: Omit<Override, 'asOf'>): Promise<void> {
    if (this.mode !== 'agent' || !this.vault?.isOpen || !this.records || !this.engine) return;
    const record = Uint8Array.from(atob(entry.record), (byte) => byte.charCodeAt(0));
    const override = { ...made, asOf: today() };
    let bytes: string;
    try {
      bytes = base64(this.engine.scorer.overrideDecision(record, override));
    } catch {
      this.tell({ code: 'override', word: 'overrideRefused', kind: 'warn', closes: true });
      return;
    }
    try {
      if (!(await this.records.override(entry, { ...override, bytes }))) throw new Fault('override.stale', 'storageFailed');
      this.tell({ code: 'override', word: 'overrideKept', kind: 'info', blanks: { id: entry.id }, closes: true });
    } catch (error) {
      const fault = storageFault(error);
      this.tell({ ...fault, kind: 'bad', closes: true }, fault);
    }
    await this.refresh();
  }

  // ---- Telling -------------------------------------------------------------------------------

  private tell(notice: Notice, fault?: Fault): void {
    const { code, kind, word, blanks, actions, closes } = notice;
    const kept = { code, kind, word, ...(blanks && { blanks }), ...(actions && { actions }), ...(closes && { closes }) };
    this.notices = [...this.notices.filter((other) => other.code !== code), kept];
    if (fault) this.report(fault);
    this.requestUpdate();
  }

  private warn(fault: Fault): void {
    this.tell({ code: fault.code, word: fault.word, blanks: fault.blanks, kind: 'warn', closes: true }, fault);
  }

  private close(code: string): void {
    this.notices = this.notices.filter((notice) => notice.code !== code);
    this.requestUpdate();
  }

  private report(fault: Fault): void {
    const text = this.language.say(fault.word, fault.blanks);
    const detail: ErrorDetail = { code: fault.code, text, ...(fault.field && { field: fault.field }) };
    this.dispatchEvent(new CustomEvent('error', { detail }));
  }

  private emit(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  /** Says that the page is there without a network from now on. */
  sayOffline(): void {
    this.tell({ code: 'offline', word: 'offlineReady', kind: 'info', closes: true });
  }

  /** Says that a newer version of the page waits; `reload` brings it. */
  offerReload(reload: () => void): void {
    this.tell({ code: 'app', word: 'appUpdate', kind: 'info', actions: [{ word: 'appReload', run: reload, main: true }], closes: true });
  }

  // ---- Showing -------------------------------------------------------------------------------

  protected override render(): TemplateResult {
    const { language: its } = this;
    return html`<div class="shell ${this.mode}" dir=${its.direction} lang=${its.words}>
      ${noticesView(this.notices, its, (code) => this.close(code))}
      ${this.fatal ? this.failed(this.fatal) : this.engine ? this.opened() : html`<p role="status">${its.say('loading')}</p>`}
      <p class="hidden" role="status">${this.said}</p>
    </div>`;
  }

  private failed(fault: Fault): TemplateResult {
    const { say } = this.language;
    return html`<h1 tabindex="-1">${say('title')}</h1>
      <div class="notice bad" role="alert" data-notice=${fault.code}>
        <p>${say(fault.word, fault.blanks)} <code dir="ltr">${fault.code}</code></p>
        <div class="row"><button type="button" class="main" @click=${() => void this.start()}>${say('retry')}</button></div>
      </div>`;
  }

  private opened(): TemplateResult {
    const { say } = this.language;
    if (this.mode === 'kiosk' && !this.started) {
      return startView(this.language, this.languageChoice(), () => this.begin());
    }
    return html`${keyed(
      this.round,
      html`<header><h1 tabindex="-1">${say('title')}</h1>${this.languageChoice()}</header>
        ${this.mode === 'agent' ? this.desk() : this.once()}`,
    )}${this.ending === undefined ? nothing : lastCallView(this.ending, this.language, () => this.stay(), () => this.clear())}`;
  }

  private languageChoice(): TemplateResult {
    const choose = (event: Event) => {
      this.chosen = (event.target as HTMLSelectElement).value;
      this.language = language(this.chosen);
      this.scoreLive();
      this.requestUpdate();
    };
    const name = (tag: string) => new Intl.DisplayNames([tag], { type: 'language' }).of(tag) ?? tag;
    return html`<select class="langs" aria-label="Language" lang="en" @change=${choose}>
      ${languages.map((tag) => html`<option value=${tag} lang=${tag} ?selected=${tag === this.language.words}>${name(tag)}</option>`)}
    </select>`;
  }

  /** Staff: questions and result side by side, what is saved below. */
  private desk(): TemplateResult {
    const { say } = this.language;
    const shown = this.decided?.explanation ?? this.live;
    const staff = this.passphrases
      ? staffView({
          language: this.language,
          passphrase: {
            language: this.language,
            passphrases: this.passphrases,
            give: (passphrase, again) => void this.givePassphrase(passphrase, again),
            change: (present, next, again) => this.changePassphrase(present, next, again),
            ask: () => void this.askReset(),
            reset: (sure) => void this.resetPassphrase(sure),
            keep: () => this.keepPassphrase(),
          },
          entries: this.entries,
          drafts: this.drafts,
          canEncrypt: Boolean(this.recipient),
          override: this.overrides(),
          lock: () => this.lock(),
          open: (what) => this.take(what),
          discard: (draft) => void this.discard(draft),
          export: (format) => void this.export(format),
        })
      : nothing;
    return html`<div class="cards">
      <div>${this.questions()}</div>
      <div class="beside">
        <section class="card" aria-labelledby="result-title">
          <h2 id="result-title" tabindex="-1">${say('result')}</h2>
          ${shown ? this.result(shown) : html`<p class="help">${say(this.scoresAsTyped ? 'resultWaits' : 'resultSubmit')}</p>`}
          ${this.savedLine()}
        </section>
      </div>
    </div>
    <div class="below">${staff}</div>`;
  }

  /** Applicants: questions, then the decision, once. */
  private once(): TemplateResult {
    const { say } = this.language;
    if (!this.decided) return html`<div class="cards"><div class="one">${this.questions()}</div></div>`;
    const kiosk = this.mode === 'kiosk';
    return html`<section class="card one" aria-labelledby="result-title">
      <h2 id="result-title" tabindex="-1">${say('result')}</h2>
      ${this.result(this.decided.explanation)} ${this.savedLine()}
      <div class="row">
        <button type="button" class="main" @click=${() => (kiosk ? this.clear() : void this.startOver())}>
          ${say(kiosk ? 'done' : 'startOver')}
        </button>
      </div>
    </section>`;
  }

  private savedLine(): TemplateResult | typeof nothing {
    if (!this.decided) return nothing;
    const { say } = this.language;
    const { kept, decision } = this.decided;
    const words = { saved: say('saved', { n: decision }), file: say('inFile'), nowhere: say('notSaved') };
    return html`<p class="status" data-saved=${kept === 'saved' ? decision : 0} data-kept=${kept}>
      ${words[kept]} <span dir="ltr">${this.applicationId}</span>
    </p>`;
  }

  private result(explanation: Explanation): TemplateResult {
    const { tag } = this.language;
    const groups = this.engine?.scorer.schema.groups ?? [];
    const writing = { language: this.language, texts: this.texts, fields: this.fields };
    const staff = this.mode === 'agent';
    return resultView({
      ...writing,
      explanation,
      terms: this.decided?.terms ?? [],
      // Not as one types: who watches them fills in an application to the outcome.
      alternatives: this.decided?.alternatives ?? [],
      group: (code) => groups.find((group) => group.code === code)?.label(tag) ?? code,
      probability: staff,
      trace: staff && this.decided ? traceView(this.decided.trace, writing) : undefined,
      notice: this.decided && this.noticeOf(explanation),
    });
  }

  /** The notice of a decision, in the language that is shown; none once another bundle decides. */
  private noticeOf({ record }: Explanation): TemplateResult | undefined {
    const { tag } = this.language;
    if (this.noticed?.record !== record || this.noticed.tag !== tag) {
      this.noticed = { record, tag, notice: undefined };
      try {
        this.noticed.notice = this.engine?.scorer.notice(record, tag);
      } catch (error) {
        if ((error as { code?: string }).code !== 'application.bundle') throw error;
      }
    }
    const { notice } = this.noticed;
    return notice && noticeView(this.language, this.applicationId, notice, this.mode !== 'kiosk');
  }

  /** The language that the bundle's texts come in. */
  private get texts(): string {
    const has = this.engine?.scorer.info.languages ?? ['en'];
    for (let tag = this.language.tag; tag; tag = tag.slice(0, Math.max(0, tag.lastIndexOf('-')))) {
      const found = has.find((one) => one.toLowerCase() === tag.toLowerCase());
      if (found) return found;
    }
    return has[0] ?? 'en';
  }

  private questions(): TemplateResult {
    return questionsView({
      language: this.language,
      texts: this.texts,
      fields: this.fields,
      answer: (field) => this.answers[field.name] ?? '',
      check: (field) => this.check(field),
      left: (field) => this.left.has(field.name),
      tried: this.tried,
      consent: this.consent,
      agent: this.mode === 'agent',
      id: this.applicationId,
      saves: this.mode === 'agent' && this.vault?.isOpen === true,
      change: (field, answer) => this.edit(field.name, answer),
      leave: (field) => {
        this.left.add(field.name);
        this.requestUpdate();
      },
      agree: (consent) => {
        this.consent = consent;
        this.changed();
      },
      rename: (id) => {
        this.applicationId = id;
        this.changed();
      },
      decide: () => void this.decide(),
      startOver: () => void this.startOver(),
    });
  }
}

/** Faults of opening: IndexedDB's errors are DOMExceptions, the rest is the bundle's. */
function storageOrBundle(error: unknown): Fault {
  return error instanceof DOMException ? storageFault(error) : faultOf(error);
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}
