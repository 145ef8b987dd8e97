import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { NoticeMark } from '../link/notice-frame.ts';
import {
  isNoticeKind,
  type Notice,
  type NoticeKind,
  type NoticeOf,
  type NoticeRefusal,
  noticeKinds,
  noticeRefused,
  supersedes,
} from './notice.ts';
import { leftOut, type Revocation, unionOf } from './revocation.ts';
import { type RootsBody, stricterRoots } from './roots.ts';
import { type Suspension, stricterSuspensions } from './suspension.ts';
import { stricterTrust, type TrustBody } from './trust.ts';

/** A notice whose signature was verified, and what carries it from node to node. */
export interface SignedNotice {
  readonly notice: Notice;
  /** The document as it was signed. */
  readonly text: string;
  /** SHA-256 of what was signed, 32 bytes. */
  readonly hash: Uint8Array;
  /** The id of the authority’s key. */
  readonly signer: string;
}

/** What a node holds of one kind. */
export interface Shelf {
  /** The first of the highest generation that came. */
  readonly current: SignedNotice;
  /** Others of the same generation: an authority key is misused, and the stricter of all applies. */
  readonly rivals: readonly SignedNotice[];
  /**
   * Of trust: the generations before, ascending, so that a member that was away can follow them one by one. Of roots: what
   * made up the generation before, for when those of the present one have no root in common.
   */
  readonly earlier: readonly SignedNotice[];
  /** Of revocations: what a later generation left out. It stays revoked all the same. */
  readonly kept: readonly Revocation[];
}

export interface NoticesState {
  readonly clusterId: string;
  readonly shelves: Readonly<Partial<Record<NoticeKind, Shelf>>>;
}

export const emptyNotices = (clusterId: string): NoticesState => ({ clusterId, shelves: {} });

export type NoticesEffect =
  /** A later generation is in force: keep it, apply it, pass it on. */
  | { readonly type: 'installed'; readonly document: SignedNotice; readonly before: number }
  /** Two documents of one generation: keep both, apply the stricter, raise an alarm. */
  | { readonly type: 'forked'; readonly document: SignedNotice; readonly beside: SignedNotice }
  /** A later generation of revocations does not have these: they stay in force, and an alarm is due. */
  | { readonly type: 'left-out'; readonly document: SignedNotice; readonly revocations: readonly Revocation[] };

export interface NoticesStep {
  readonly state: NoticesState;
  readonly effects: readonly NoticesEffect[];
  /** Why the document changed nothing, when that is to be held against whoever gave it. */
  readonly refusal?: NoticeRefusal;
}

/**
 * Takes in a document that was signed by an authority in force (`trustInForce`), wherever it came from. Generations only
 * grow: an older one is refused with REPLAYED, one of another cluster with PROTOCOL_VIOLATION, one that leaps or overflows
 * with LIMIT_EXCEEDED. A second document of the
 * same generation is kept beside the first, up to `limits.noticeRivalsMax`.
 */
export function takeNotice(state: NoticesState, document: SignedNotice): NoticesStep {
  const { notice } = document;
  if (notice.clusterId !== state.clusterId) return refusing(state, foreign(state, notice));
  const shelf = state.shelves[notice.kind];
  const judged = supersedes(shelf?.current.notice, notice);
  if (judged.ok && judged.value === 'same') return { state, effects: [] };
  const overflow = overflowOf(state, notice);
  if (judged.ok) return overflow ? refusing(state, overflow) : install(state, shelf, document);
  if (!shelf || judged.refusal.why !== 'fork') return refusing(state, judged.refusal);
  if (shelf.rivals.some(({ hash }) => sameBytes(hash, document.hash))) return { state, effects: [] };
  if (overflow) return refusing(state, overflow);
  if (shelf.rivals.length >= limits.noticeRivalsMax) return refusing(state, judged.refusal);
  const next = { ...shelf, rivals: [...shelf.rivals, document] };
  return {
    state: withShelf(state, notice.kind, next),
    effects: [{ type: 'forked', document, beside: shelf.current }],
  };
}

function install(state: NoticesState, shelf: Shelf | undefined, document: SignedNotice): NoticesStep {
  const { notice } = document;
  const earlier = shelf ? earlierOf(notice.kind, shelf) : [];
  const before = notice.kind === 'revocations' ? revocationsInForce(state) : [];
  const kept = notice.kind === 'revocations' ? leftOut(before, notice.body.revocations) : [];
  const next: Shelf = {
    current: document,
    rivals: [],
    earlier: earlier.slice(-limits.noticesEarlierMax),
    kept,
  };
  const effects: NoticesEffect[] = [
    { type: 'installed', document, before: shelf?.current.notice.generation ?? 0 },
    ...(kept.length > 0 ? [{ type: 'left-out' as const, document, revocations: kept }] : []),
  ];
  return { state: withShelf(state, notice.kind, next), effects };
}

function earlierOf(kind: NoticeKind, { current, rivals, earlier }: Shelf): readonly SignedNotice[] {
  if (kind === 'trust') return [...earlier, current];
  return kind === 'roots' ? [current, ...rivals] : [];
}

/** Nothing that is revoked may be forgotten for want of room, so what does not fit beside it is not taken. */
function overflowOf(state: NoticesState, notice: Notice): NoticeRefusal | undefined {
  if (notice.kind !== 'revocations') return undefined;
  const { length } = unionOf(revocationsInForce(state), notice.body.revocations);
  if (length <= limits.revocationsMax) return undefined;
  return noticeRefused(
    notice,
    'LIMIT_EXCEEDED',
    'overflow',
    `The ${notice.kind} notice and what is in force revoke ${length} things together, and ${limits.revocationsMax} is the limit: nothing of it is taken. Sign one that has all that is in force, and less that is new; if an authority key is misused, take it out of the trust bundle.`,
  ).refusal;
}

const withShelf = (state: NoticesState, kind: NoticeKind, shelf: Shelf): NoticesState => ({
  ...state,
  shelves: { ...state.shelves, [kind]: shelf },
});

const refusing = (state: NoticesState, refusal: NoticeRefusal): NoticesStep => ({ state, effects: [], refusal });

const foreign = ({ clusterId }: NoticesState, notice: Notice): NoticeRefusal =>
  noticeRefused(
    notice,
    'PROTOCOL_VIOLATION',
    'foreign',
    `The ${notice.kind} notice is for cluster ${notice.clusterId}, and this node is of ${clusterId}.`,
  ).refusal;

/**
 * Whether an operator may publish the document: it must be the next of its kind, and leave out nothing that is revoked.
 * ALREADY_EXISTS for a generation that is taken, REPLAYED for one that is over, PROTOCOL_VIOLATION.
 */
export function judgePublication(state: NoticesState, { notice }: SignedNotice): Result<void> {
  if (notice.clusterId !== state.clusterId) return { ok: false, refusal: foreign(state, notice) };
  const judged = supersedes(state.shelves[notice.kind]?.current.notice, notice);
  if (!judged.ok)
    return judged.refusal.why === 'fork'
      ? refuse(
          'ALREADY_EXISTS',
          `Another ${notice.kind} notice has generation ${notice.generation}: sign this one again with a higher one.`,
        )
      : judged;
  if (notice.kind !== 'revocations') return ok(undefined);
  const [missing, ...more] = leftOut(revocationsInForce(state), notice.body.revocations);
  if (!missing) return ok(undefined);
  return refuse(
    'PROTOCOL_VIOLATION',
    `The notice leaves out ${more.length + 1} of the revocations in force, ${missing.kind} ${missing.id} among them: a revocation is for good.`,
  );
}

/** The trust bundle in force: what all documents of the present generation agree on. Undefined before there is one. */
export function trustInForce({ shelves }: NoticesState): TrustBody | undefined {
  const { trust } = shelves;
  return trust && bodiesOf(trust, 'trust').reduce(stricterTrust);
}

/**
 * The bundle of roots in force: what all documents of the present generation agree on, and while they have nothing in
 * common what the generation before came to. Undefined before there is one.
 */
export function rootsInForce({ shelves }: NoticesState): RootsBody | undefined {
  const { roots } = shelves;
  if (!roots) return undefined;
  const [current, ...rivals] = roots.earlier;
  const before = current && { current, rivals, earlier: [], kept: [] };
  return stricterRoots(bodiesOf(roots, 'roots')) ?? (before && stricterRoots(bodiesOf(before, 'roots')));
}

/** Everything that is revoked: what any document of the present generation revokes, and what an earlier one did. */
export function revocationsInForce({ shelves }: NoticesState): readonly Revocation[] {
  const { revocations: shelf } = shelves;
  if (!shelf) return [];
  return unionOf(
    bodiesOf(shelf, 'revocations')
      .map(({ revocations }) => revocations)
      .reduce(unionOf),
    shelf.kept,
  );
}

/** Who is suspended: whom any document of the present generation suspends. The next one may let them come back. */
export function suspensionsInForce({ shelves }: NoticesState): readonly Suspension[] {
  const { suspensions: shelf } = shelves;
  return shelf ? bodiesOf(shelf, 'suspensions').reduce(stricterSuspensions).suspensions : [];
}

/**
 * All documents of the present generation: of kinds that are not merged into one body each of them must permit what is done.
 * Empty before there is one.
 */
export function bodiesInForce<K extends NoticeKind>(
  { shelves }: NoticesState,
  kind: K,
): readonly NoticeOf<K>['body'][] {
  const shelf = shelves[kind];
  return shelf ? bodiesOf(shelf, kind) : [];
}

const bodiesOf = <K extends NoticeKind>({ current, rivals }: Shelf, kind: K): NoticeOf<K>['body'][] =>
  [current, ...rivals].flatMap(({ notice }) => (notice.kind === kind ? [notice.body as NoticeOf<K>['body']] : []));

/**
 * What this node tells others that it holds. Of rivals the hash is one over all of theirs, so that whoever knows other
 * ones, or one alone, sees that there is something to hear.
 */
export function marksOf({ shelves }: NoticesState, sha256: (bytes: Uint8Array) => Uint8Array): readonly NoticeMark[] {
  return noticeKinds.flatMap((kind) => {
    const shelf = shelves[kind];
    if (!shelf) return [];
    const hashes = [shelf.current, ...shelf.rivals].map(({ hash }) => hash).sort(compareBytes);
    const hash = hashes.length === 1 ? shelf.current.hash : sha256(joined(hashes));
    return [{ kind, generation: shelf.current.notice.generation, hash }];
  });
}

/** Whether a peer with these marks holds something that this node lacks. Kinds that are not known here do not count. */
export const isBehind = (own: readonly NoticeMark[], theirs: readonly NoticeMark[]): boolean =>
  theirs.some(({ kind, generation, hash }) => {
    if (!isNoticeKind(kind)) return false;
    const mine = own.find((mark) => mark.kind === kind);
    if (!mine || generation > mine.generation) return true;
    return generation === mine.generation && !sameBytes(hash, mine.hash);
  });

/** The kinds of which a peer has a later generation than this node. */
export const kindsBehind = (own: readonly NoticeMark[], theirs: readonly NoticeMark[]): readonly string[] =>
  theirs
    .filter(({ kind, generation }) => {
      const mine = own.find((mark) => mark.kind === kind);
      return isNoticeKind(kind) && generation > (mine?.generation ?? 0);
    })
    .map(({ kind }) => kind);

/** What a peer with these marks lacks, in the order in which it should take them. */
export function noticesFor(
  state: NoticesState,
  marks: readonly NoticeMark[],
  own: readonly NoticeMark[],
): readonly SignedNotice[] {
  return noticeKinds.flatMap((kind) => {
    const shelf = state.shelves[kind];
    if (!shelf) return [];
    const theirs = marks.find((mark) => mark.kind === kind);
    const mine = own.find((mark) => mark.kind === kind);
    const generation = theirs?.generation ?? 0;
    const newest = shelf.current.notice.generation;
    const differs = generation === newest && theirs && mine && !sameBytes(theirs.hash, mine.hash);
    if (generation > newest || (generation === newest && !differs)) return [];
    const steps = kind === 'trust' ? shelf.earlier.filter(({ notice }) => notice.generation > generation) : [];
    return [...steps, shelf.current, ...shelf.rivals];
  });
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => compareBytes(a, b) === 0;

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return a.length - b.length;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
