import { ok, type Refusal, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import { encodeFrame, type Frame } from '../../../protocols/link/frame.ts';
import type { Hello } from '../../../protocols/link/hello.ts';
import {
  decodeNoticePart,
  decodeNoticeRequest,
  encodeNoticePart,
  encodeNoticeRequest,
  type NoticePart,
  noticesFeature,
} from '../../../protocols/link/notice-frame.ts';
import type { NoticeRefusal } from '../../../protocols/notice/notice.ts';
import { isBehind, kindsBehind, type SignedNotice } from '../../../protocols/notice/reconciliation.ts';
import type { Clock, Metrics } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import { Patience } from '../gossip/patience.ts';
import type { LinkSession } from '../links/link-session.ts';
import type { GreetingNotices } from '../links/link-session-options.ts';
import type { Links } from '../links/links.ts';
import type { NoticeBoard } from './notice-board.ts';

export interface NoticeExchangeOptions {
  readonly board: NoticeBoard;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** What a peer gave that was refused, and why: an honest one gives nothing but what is signed. */
  readonly onRefused: (peer: NodeId, refusal: Refusal | NoticeRefusal) => void;
}

/** An answer may be megabytes, so few are given; an honest member asks when a link comes up and now and then. */
const askingRate = { count: 1, periodMs: 5_000, burst: 8 } as const;
/** A document costs a signature check over up to a megabyte. One that is refused costs as much as eight. */
const givingRate = { count: 4, periodMs: 1_000, burst: 2 * limits.noticesPerAnswerMax } as const;
const refusedCost = 8;
/**
 * Whoever says that it has something newer is asked for it: each peer on its own, so that none uses up what others may
 * say, and all together a few at a time, since one answer is enough for the news that many tell at once. A claim that
 * brought nothing costs as much as ten that did.
 */
const claimRate = { count: 1, periodMs: 500, burst: 1 } as const;
const claimsRate = { count: 4, periodMs: 500, burst: 4 } as const;
const emptyClaimCost = 10;

/**
 * How cluster documents get from node to node: asked for in the greeting of a link, so that no link is up between two
 * nodes of which one lacks what the other has; pushed over all links when they change; and compared with each push/pull
 * of the gossip, in case something was lost.
 */
export class NoticeExchange {
  readonly #options: NoticeExchangeOptions;
  readonly #asking: Patience;
  readonly #giving: Patience;
  /** What a peer was given in its greeting, by its hello. */
  readonly #answered = new WeakMap<Hello, Hello['notices']>();
  readonly #claim: Patience;
  readonly #claims: Patience<'all'>;
  /** Peers that were asked and have not given anything new since. */
  readonly #owing = new Set<NodeId>();

  constructor(options: NoticeExchangeOptions) {
    this.#options = options;
    this.#asking = new Patience(options.clock, askingRate);
    this.#giving = new Patience(options.clock, givingRate);
    this.#claim = new Patience(options.clock, claimRate);
    this.#claims = new Patience(options.clock, claimsRate);
  }

  /** The part of it in one greeting. */
  greeting(peer: NodeId): GreetingNotices {
    let said: Hello | undefined;
    let theirs: Hello['notices'] = [];
    let left: number | undefined;
    let refused: Refusal[] = [];
    return {
      request: (hello) => {
        said = hello;
        theirs = hello.notices;
        const { marks } = this.#options.board;
        if (!isBehind(marks, theirs)) return ok(undefined);
        if (hello.features.includes(noticesFeature)) return ok(encodeNoticeRequest(utf8, marks));
        const lacks = this.#reconciled(peer, theirs, []);
        return lacks.ok ? ok(undefined) : lacks;
      },
      answer: (frame) => {
        const documents = this.#asked(peer, frame);
        if (!documents.ok) return documents;
        if (said) this.#answered.set(said, this.#options.board.marks);
        return ok(partsOf(documents.value).map(({ header, content }) => encodeFrame('notice', header, content)));
      },
      take: (frame) => {
        const part = decodeNoticePart(utf8, frame);
        if (!part.ok) return part;
        const { unverified } = part.value;
        if (left !== undefined && unverified.left !== left - 1)
          return refuse('PROTOCOL_VIOLATION', `A document was followed by ${unverified.left} others, not ${left - 1}.`);
        left = unverified.left;
        const taken = refused.length < limits.noticeRefusalsMax ? this.#given(peer, unverified) : ok(undefined);
        if (!taken.ok) refused = [...refused, taken.refusal];
        return left > 0 ? ok(false) : this.#reconciled(peer, theirs, refused);
      },
    };
  }

  /** Listens to the links that are up. */
  listen(links: Links): void {
    links.onFrame('notice-request', (link, frame) => this.#answer(link, frame));
    links.onFrame('notice', (link, frame) => this.#hear(link, frame));
    links.onReady((link) => this.push(link));
    links.onClosed(({ nodeId }) => this.#owing.delete(nodeId));
  }

  /** Gives a peer what came since it said hello, or since it was answered. */
  push(link: LinkSession): void {
    const marks = this.#answered.get(link.hello) ?? link.hello.notices;
    if (link.hello.features.includes(noticesFeature)) send(link, this.#options.board.documentsFor(marks));
  }

  /**
   * Spreads a new document. Where it was published it goes to all peers. Where it came from a peer, that peer has told most
   * of the others too: they are only told that it is there, and who lacks it asks. A whole document over each link of a
   * hundred nodes would be gigabytes.
   */
  spread(links: Iterable<LinkSession>, document: SignedNotice, from: NodeId | undefined): void {
    for (const link of links) {
      if (from !== undefined && link.nodeId !== from) this.compare(link);
      else if (from === undefined && link.hello.features.includes(noticesFeature)) send(link, [document]);
    }
  }

  /** Asks a peer whether it has anything newer. */
  compare(link: LinkSession): void {
    if (link.hello.features.includes(noticesFeature))
      link.send('notice-request', encodeNoticeRequest(utf8, this.#options.board.marks));
  }

  #asked(peer: NodeId, frame: Frame): Result<readonly SignedNotice[]> {
    if (frame.content.length > 0) return refuse('PROTOCOL_VIOLATION', 'A request for notices has no content.');
    if (!this.#asking.with(peer)) return refuse('RATE_LIMIT_EXCEEDED', `${peer} asks for notices too often.`);
    const marks = decodeNoticeRequest(utf8, frame.header);
    if (!marks.ok) return marks;
    const documents = this.#options.board.documentsFor(marks.value.unverified);
    if (documents.length > 0) this.#asking.spend(peer);
    return ok(documents);
  }

  #answer(link: LinkSession, frame: Frame): void {
    const documents = this.#asked(link.nodeId, frame);
    if (documents.ok) {
      send(link, documents.value);
      // Whoever asks tells what it has: perhaps it is this node that lacks something.
      const marks = decodeNoticeRequest(utf8, frame.header);
      if (marks.ok && isBehind(this.#options.board.marks, marks.value.unverified)) this.#askForNews(link);
    } else if (documents.refusal.code === 'RATE_LIMIT_EXCEEDED') this.#count(documents.refusal);
    else link.violated(documents.refusal.reasons[0]);
  }

  /** What does not come, or is not asked for now, is asked for at the next exchange. */
  #askForNews(link: LinkSession): void {
    const { nodeId } = link;
    if (!this.#claim.with(nodeId) || !this.#claims.with('all')) return;
    this.#claims.spend('all');
    this.#claim.spend(nodeId, emptyClaimCost);
    this.#owing.add(nodeId);
    this.compare(link);
  }

  /** A claim that was true costs little. */
  #brought(peer: NodeId): void {
    if (this.#owing.delete(peer)) this.#claim.spend(peer, 1 - emptyClaimCost);
  }

  #hear(link: LinkSession, frame: Frame): void {
    const part = decodeNoticePart(utf8, frame);
    if (part.ok) this.#given(link.nodeId, part.value.unverified);
    else link.violated(part.refusal.reasons[0]);
  }

  /** What is refused is told and counted here; the refusal comes back for a greeting, which needs to know. */
  #given(peer: NodeId, { text }: NoticePart): Result<void> {
    if (text === '') return ok(undefined);
    if (!this.#giving.with(peer)) {
      const flooded = refuse('RATE_LIMIT_EXCEEDED', `${peer} gives too many notices.`);
      this.#count(flooded.refusal);
      return flooded;
    }
    this.#giving.spend(peer);
    const { board } = this.#options;
    const { marks } = board;
    const taken = board.take(text, { type: 'peer', peer });
    if (board.marks !== marks) this.#brought(peer);
    if (taken.ok) return ok(undefined);
    this.#giving.spend(peer, refusedCost);
    // Older than what is in force is what anybody may give who has not heard of it yet; but not in any number.
    if (taken.refusal.code === 'REPLAYED') return ok(undefined);
    this.#count(taken.refusal);
    this.#options.onRefused(peer, taken.refusal);
    return taken;
  }

  /** A node that cannot take what another holds does not know what is in force: there is no link between them. */
  #reconciled(peer: NodeId, theirs: Hello['notices'], refused: readonly Refusal[]): Result<boolean> {
    const kinds = kindsBehind(this.#options.board.marks, theirs);
    if (kinds.length === 0) return ok(true);
    return refuse(
      'PROTOCOL_VIOLATION',
      `${peer} says that it holds a later generation of ${kinds.join(' and ')} than this node could take from it.`,
      ...refused.slice(0, limits.reasonsMax - 1).map(({ reasons }) => reasons.join(' ')),
    );
  }

  #count({ code }: Refusal): void {
    this.#options.metrics.count('notices_refused', { code });
  }
}

function partsOf(documents: readonly SignedNotice[]) {
  if (documents.length === 0) return [encodeNoticePart(utf8, { left: 0, text: '' })];
  return documents.map(({ text }, at) => encodeNoticePart(utf8, { left: documents.length - 1 - at, text }));
}

function send(link: LinkSession, documents: readonly SignedNotice[]): void {
  if (documents.length === 0) return;
  for (const { header, content } of partsOf(documents)) link.send('notice', header, content);
}
