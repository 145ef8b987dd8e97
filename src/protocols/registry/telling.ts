import { ok, type Result, refuse } from '../../errors.ts';
import type { Acknowledgement } from './acknowledgement.ts';
import type { Write, WriteLog } from './write-log.ts';

/** What is to be told next, and to whom it is the same. */
export interface Part {
  /** As in `RegistryDelta`. */
  readonly pass: number;
  readonly above: number;
  /** Whoever is told this has had the documents up to here. */
  readonly documents: number;
  readonly writes: Iterable<Write>;
}

/** What an acknowledgement asks for: nothing, or that something is told again. */
export type Wish = 'nothing' | 'again';

/**
 * How far one peer, in one of its boots, has what this node wrote. It is told everything in a listing, then changes; what
 * it acknowledges says what may be forgotten and where another link goes on. When it has missed removals that were
 * forgotten since, it is given another listing.
 */
export class Telling {
  /** It has everything up to here. */
  #acknowledged = 0;
  /** The listing that it is given, or had last, the newest number when that began, and how far it has it. */
  #pass = 0;
  #since = 0;
  #listed = 0;
  #done = false;
  /** What was told on its link. */
  #sent = 0;
  #isListing = true;
  /**
   * The newest number when it had last been told everything on its link: of all that was there then it has the documents.
   * An agent that was written about since may have been left out of what it was told, so its place alone says nothing.
   */
  #whole = 0;
  /** The newest number that it was ever told. */
  #furthest = 0;

  constructor(log: WriteLog) {
    this.#list(log);
  }

  /** Removals up to here it has heard of, or need not hear of. */
  get floor(): number {
    return this.#done ? this.#acknowledged : this.#since;
  }

  /** The newest number that it was told on its link. */
  get sent(): number {
    return this.#sent;
  }

  /** Begins after what it has acknowledged: it has a new link, or has asked. */
  resume(): void {
    this.#isListing = !this.#done;
    this.#whole = 0;
    this.#sent = this.#done ? this.#acknowledged : this.#listed;
  }

  /** What to tell it next; `undefined` when it was told everything. */
  next(log: WriteLog): Part | undefined {
    if (this.#sent >= log.newest) return undefined;
    // Removals were forgotten that it would have to hear of.
    if (log.horizon > (this.#isListing ? this.#since : this.#sent)) this.#list(log);
    const [above, documents] = [this.#sent, this.#whole];
    if (!this.#isListing) return { pass: 0, above, documents, writes: log.after(above) };
    return { pass: this.#pass, above, documents, writes: named(log, above, this.#since) };
  }

  /** It was told everything up to this number. Returns whether it had been told of some of it before. */
  told(log: WriteLog, upTo: number): boolean {
    const isAgain = this.#sent < this.#furthest;
    this.#sent = upTo;
    this.#furthest = Math.max(this.#furthest, upTo);
    if (this.#sent >= log.newest) {
      this.#whole = log.newest;
      // What is written from now on are changes to what was listed.
      this.#isListing = false;
    }
    return isAgain;
  }

  /**
   * Takes an acknowledgement. PROTOCOL_VIOLATION for one of what was never written. For `again`, `repeat` is to be called
   * with the newest one when there is time for it.
   */
  acknowledged(log: WriteLog, { upTo, pass, listed, done, missing }: Acknowledgement): Result<Wish> {
    if (upTo > log.newest || listed > log.newest || pass > log.listings + 1)
      return refuse('PROTOCOL_VIOLATION', 'It acknowledges registry records that were never written.');
    if (pass === this.#pass) {
      // One acknowledgement may overtake another on a newer link.
      this.#acknowledged = Math.max(this.#acknowledged, upTo);
      this.#listed = Math.max(this.#listed, listed);
      this.#done ||= done;
    }
    // Who had the whole listing and knows nothing of it has forgotten this node meanwhile: it was out for a while.
    const forgot = this.#done && pass < this.#pass;
    return ok(missing || forgot || pass > this.#pass ? 'again' : 'nothing');
  }

  /** Tells it again what it asked for in its last acknowledgement. */
  repeat(log: WriteLog, { pass }: Acknowledgement): void {
    // It asks for another one, or knows nothing of the one that it was given: then it has forgotten this node meanwhile.
    if (pass !== this.#pass) this.#list(log);
    else this.resume();
  }

  #list(log: WriteLog): void {
    log.listings += 1;
    this.#pass = log.listings;
    this.#since = log.newest;
    this.#listed = 0;
    this.#done = false;
    this.#isListing = true;
    this.#sent = 0;
    this.#whole = 0;
  }
}

/** A listing needs no removals but those of what it may have named itself. */
function* named(log: WriteLog, above: number, since: number): Generator<Write> {
  for (const write of log.after(above)) if (!write.gone || write.version > since) yield write;
}

/** Whether who is told this part needs the documents of a write as well. */
export const needsDocuments = (part: Pick<Part, 'documents'>, write: Write): boolean =>
  write.documents > part.documents;
