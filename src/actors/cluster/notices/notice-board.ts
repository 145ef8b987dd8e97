import { sha256 } from '../../../crypto/port.ts';
import { CaxtonError, ok, type Refusal, type Result, refuse } from '../../../errors.ts';
import type { NodeId } from '../../../names.ts';
import type { NoticeMark } from '../../../protocols/link/notice-frame.ts';
import { type NoticeKind, type NoticeRefusal, noticeKinds, noticeRefused } from '../../../protocols/notice/notice.ts';
import {
  bodiesInForce,
  emptyNotices,
  judgePublication,
  marksOf,
  type NoticesEffect,
  type NoticesState,
  noticesFor,
  revocationsInForce,
  rootsInForce,
  type SignedNotice,
  suspensionsInForce,
  takeNotice,
  trustInForce,
} from '../../../protocols/notice/reconciliation.ts';
import type { Store } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { MessagePolicies } from '../../messaging/message-policies.ts';
import { signedNotice, type Trust } from '../../messaging/trust.ts';
import type { NoticeFile } from '../../notice-files.ts';
import type { ApiAccess } from '../../operations/api/api-access.ts';
import type { TrustedRoots } from '../identity/trusted-roots.ts';
import { decodeShelf, encodeShelf } from './notice-shelf.ts';
import type { Revocations } from './revocations.ts';

/** Where a document came from: a peer, an operator over the API, or the node’s own files at its start. */
export type NoticeOrigin = { readonly type: 'peer'; readonly peer: NodeId } | { readonly type: 'api' | 'files' };

/** What happened to the documents of this node, for the audit log and for people. */
export type NoticeNews = NoticesEffect & { readonly origin: NoticeOrigin };

export interface NoticeBoardOptions {
  readonly clusterId: string;
  readonly store: Store;
  readonly trust: Trust;
  readonly revocations: Revocations;
  readonly roots: TrustedRoots;
  readonly policies: MessagePolicies;
  readonly access: ApiAccess;
  /** Documents of the node’s own disk, to be verified here: taken when they are newer than what is kept. */
  readonly files: readonly NoticeFile[];
  /** Seals what is kept with a key that is not kept beside it: whoever sets back or forges the database is found out. */
  readonly seal: (text: string) => string;
  /** What is in force could not be kept. */
  readonly trouble: (error: unknown) => void;
}

const collection = 'notices';

/**
 * The cluster’s documents as this node holds them: takes what an authority in force has signed, never goes back, and
 * keeps `Trust`, `Revocations`, `TrustedRoots`, `MessagePolicies` and `ApiAccess` at what is in force. Kept in the store, so that a node which is started again with
 * older files goes on with the newer ones.
 */
export class NoticeBoard {
  readonly #options: NoticeBoardOptions;
  #state: NoticesState;
  #marks: readonly NoticeMark[] = [];
  #saved: Promise<void> = Promise.resolve();
  readonly #listeners: ((news: NoticeNews) => void)[] = [];
  /** What nobody has heard yet: from before anybody listened. */
  #unheard: NoticeNews[] = [];

  /**
   * Reads what is kept, and takes the trust notice of the node’s files beside it. Rejects with MALFORMED when what is kept
   * is not what this node wrote, with LIMIT_EXCEEDED when the file’s generation leaps, and with what the store rejects with.
   */
  static async open(options: NoticeBoardOptions): Promise<NoticeBoard> {
    const shelves = await Promise.all(noticeKinds.map((kind) => readShelf(options, kind)));
    const kept = Object.fromEntries(noticeKinds.flatMap((kind, at) => (shelves[at] ? [[kind, shelves[at]]] : [])));
    const board = new NoticeBoard(options, { clusterId: options.clusterId, shelves: kept });
    const { notice, text } = options.trust;
    board.#enforce();
    // On this machine the operator’s word is above all that came over the network: its files were judged by the keys that
    // the configuration names. But they may be older.
    const taken = board.#take(signedNotice(notice, text), { type: 'files' });
    if (!taken.ok && taken.refusal.code === 'LIMIT_EXCEEDED') throw CaxtonError.from(taken.refusal);
    for (const file of options.files) board.#takeFile(file);
    await board.saved();
    return board;
  }

  private constructor(options: NoticeBoardOptions, state: NoticesState = emptyNotices(options.clusterId)) {
    this.#options = options;
    this.#state = state;
  }

  /**
   * A file is of use where nothing is held yet, or when it is newer. Beside what is held it may be old, and signed by who is
   * no authority any more.
   */
  #takeFile({ kind, path, text }: NoticeFile): void {
    const isHeld = this.#state.shelves[kind] !== undefined;
    const found = this.#options.trust.noticeIn(text);
    const isOther = found.ok && found.value.notice.kind !== kind;
    const taken = isOther
      ? refuse('MALFORMED', `It is a notice about ${found.value.notice.kind}.`)
      : this.take(text, { type: 'files' });
    if (taken.ok || (isHeld && !isOther)) return;
    throw new CaxtonError(taken.refusal.code, `cluster.notices_path: ${path}: ${taken.refusal.reasons.join(' ')}`);
  }

  /** What this node tells others that it holds. */
  get marks(): readonly NoticeMark[] {
    return this.#marks;
  }

  get state(): NoticesState {
    return this.#state;
  }

  /** What a peer with these marks lacks, in the order in which it should take them. */
  documentsFor(marks: readonly NoticeMark[]): readonly SignedNotice[] {
    return noticesFor(this.#state, marks, this.#marks);
  }

  /**
   * Takes a document from a peer. It is in force when this returns. SIGNATURE_INVALID, REVOKED, MALFORMED, LIMIT_EXCEEDED;
   * REPLAYED and PROTOCOL_VIOLATION as `takeNotice`.
   */
  take(text: string, origin: NoticeOrigin): Result<void, Refusal | NoticeRefusal> {
    if (this.#holds(text)) return ok(undefined);
    const document = this.#options.trust.noticeIn(text);
    if (document.ok) return this.#take(document.value, origin);
    const rival = document.refusal.code === 'SIGNATURE_INVALID' ? this.#rivalOfTrust(text) : undefined;
    return rival ? this.#take(rival, origin) : document;
  }

  /**
   * Another head of the trust bundle, by an authority of the bundle before it that the present one has dropped: when two
   * authorities drop each other, each node would otherwise follow the one that it heard first, and never know of the fork.
   */
  #rivalOfTrust(text: string): SignedNotice | undefined {
    const { trust: shelf } = this.#state.shelves;
    const before = shelf?.earlier.at(-1)?.notice;
    if (!shelf || before?.kind !== 'trust') return undefined;
    const judged = this.#options.trust.noticeIn(text, before.body.authorities);
    if (!judged.ok) return undefined;
    const { kind, generation } = judged.value.notice;
    return kind === 'trust' && generation === shelf.current.notice.generation ? judged.value : undefined;
  }

  /** Whether an operator may publish the document; changes nothing. As `take`, and ALREADY_EXISTS. */
  judge(text: string): Result<SignedNotice> {
    const document = this.#options.trust.noticeIn(text);
    if (!document.ok || this.#holds(text)) return document;
    const judged = judgePublication(this.#state, document.value);
    if (!judged.ok) return judged;
    const sound = this.#judgeRoots(document.value);
    return sound.ok ? document : sound;
  }

  /** Resolves when what is in force now is kept; rejects with what the store rejects with. */
  saved(): Promise<void> {
    return this.#saved;
  }

  /** Hears everything that changed, what was found at the start included. */
  onNews(listener: (news: NoticeNews) => void): void {
    this.#listeners.push(listener);
    for (const news of this.#unheard.splice(0)) listener(news);
  }

  #holds(text: string): boolean {
    return Object.values(this.#state.shelves).some(({ current, rivals, earlier }) =>
      [current, ...rivals, ...earlier].some((document) => document.text === text),
    );
  }

  #take(document: SignedNotice, origin: NoticeOrigin): Result<void, NoticeRefusal> {
    // Signed by an authority, and yet nobody could have a link any more if it were taken.
    const sound = this.#judgeRoots(document);
    if (!sound.ok) return sound;
    const { state, effects, refusal } = takeNotice(this.#state, document);
    if (refusal) return { ok: false, refusal };
    if (effects.length === 0) return ok(undefined);
    this.#state = state;
    this.#enforce();
    this.#save(document.notice.kind);
    for (const effect of effects) this.#tell({ ...effect, origin });
    return ok(undefined);
  }

  #judgeRoots({ notice }: SignedNotice): Result<unknown, NoticeRefusal> {
    const judged = notice.kind === 'roots' ? this.#options.roots.judge(notice.body) : ok(undefined);
    return judged.ok ? judged : noticeRefused(notice, judged.refusal.code, 'unsound', judged.refusal.reasons.join(' '));
  }

  #enforce(): void {
    const { trust, revocations, roots, policies, access } = this.#options;
    this.#marks = marksOf(this.#state, sha256);
    revocations.set(revocationsInForce(this.#state), suspensionsInForce(this.#state));
    this.#enforceRoots(roots);
    policies.set(bodiesInForce(this.#state, 'policies'));
    access.set({ roles: bodiesInForce(this.#state, 'roles'), keys: bodiesInForce(this.#state, 'api-keys') });
    const bundle = trustInForce(this.#state);
    const newest = this.#state.shelves.trust?.current;
    if (!bundle || newest?.notice.kind !== 'trust') return;
    trust.enforce({ notice: newest.notice, text: newest.text }, bundle, revocations.find);
  }

  #enforceRoots(roots: TrustedRoots): void {
    const document = this.#state.shelves.roots?.current;
    const body = rootsInForce(this.#state);
    const { inForce } = roots;
    if (!document || !body) return;
    const isInForce = inForce && JSON.stringify(inForce.body) === JSON.stringify(body);
    if (isInForce && inForce.generation === document.notice.generation) return;
    const set = roots.set(body, document.notice.generation, document.hash);
    if (!set.ok) throw CaxtonError.from(set.refusal);
  }

  #tell(news: NoticeNews): void {
    if (this.#listeners.length === 0) this.#unheard.push(news);
    for (const listener of this.#listeners) listener(news);
  }

  /** One after the other; only the newest of what waits matters, and it is read when its turn comes. */
  #save(kind: NoticeKind): void {
    const { store, seal, trouble } = this.#options;
    const saving = this.#saved
      .catch(() => undefined)
      .then(async () => {
        const shelf = this.#state.shelves[kind];
        if (!shelf) return;
        const text = encodeShelf(shelf);
        await store.put(collection, kind, utf8.encode(`${seal(`${kind}\n${text}`)}\n${text}`));
      });
    this.#saved = saving;
    saving.catch(trouble);
  }
}

async function readShelf({ store, seal, clusterId }: NoticeBoardOptions, kind: NoticeKind) {
  const bytes = await store.get(collection, kind);
  if (!bytes) return undefined;
  const [sealed = '', text = ''] = utf8.decode(bytes).split('\n', 2);
  const shelf = sealed === seal(`${kind}\n${text}`) ? decodeShelf(text, kind) : undefined;
  if (shelf && shelf.current.notice.clusterId === clusterId) return shelf;
  throw new CaxtonError('MALFORMED', [
    `What the state database keeps of the ${kind} notice is not what this node wrote for this cluster.`,
    'Was the database, the vault’s key or the cluster id replaced? Put back the one that belongs to the others.',
  ]);
}
