import { createKeyring, type GossipKey, gossipKey, type Keyring } from '../../../crypto/keyring.ts';
import type { KeptKeyring } from '../../../crypto/keyring-vault.ts';
import type { Crypto } from '../../../crypto/port.ts';
import { CaxtonError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import { compareKeys } from '../../../protocols/gossip-keys/key-id.ts';
import { createRotation, step } from '../../../protocols/gossip-keys/rotation.ts';
import { announcement, heldKeys, nextInMs, type RotationStage, stageOf } from '../../../protocols/gossip-keys/stage.ts';
import type {
  PeerKeys,
  RotationEffect,
  RotationInput,
  RotationState,
  RotationTimes,
  RotationView,
} from '../../../protocols/gossip-keys/state.ts';
import type { Clock, Metrics } from '../../kernel/ports.ts';
import type { PeerLink } from '../links/links.ts';
import type { KeyLinks } from './key-links.ts';
import type { KeyRotatorWork } from './key-rotator.ts';

export type KeyNews = Extract<RotationEffect, { type: 'changed' | 'leap' }>;

export interface KeyRotationOptions {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly metrics: Metrics;
  readonly links: KeyLinks;
  readonly nodeId: NodeId;
  readonly times: RotationTimes;
  readonly kept: KeptKeyring;
  readonly save: (kept: KeptKeyring) => Promise<void>;
  readonly view: () => RotationView;
  /** What happened to a key; for those that are held it is kept by then. */
  readonly onNews: (news: KeyNews) => void;
  /** The peer knows of revocations that this node has not heard of. */
  readonly onBehind: (link: PeerLink) => void;
  /** The stage is another one, or lasts another time. */
  readonly onStage: (stage: RotationStage) => void;
  /** The keys could not be kept. The node goes on: it would lose the others otherwise. */
  readonly trouble: (error: unknown) => void;
}

/**
 * The shell around the rules of rotation: holds the keys, and keeps them before it tells of them over the links.
 */
export class KeyRotation implements KeyRotatorWork {
  readonly #options: KeyRotationOptions;
  /** By hash: all that the rules hold, and what they were just given. */
  readonly #keys = new Map<string, GossipKey>();
  #state: RotationState;
  #ring: Keyring;
  /** What peers are told: what is kept. */
  #said: PeerKeys;
  #saved: Promise<void> = Promise.resolve();
  #making: { readonly plan: object; readonly done: Promise<void> } | undefined;
  #isWatched = false;
  #told = '';

  constructor(options: KeyRotationOptions) {
    const { clock, kept, nodeId, times, view } = options;
    this.#options = options;
    this.#ring = kept.keyring;
    for (const held of kept.keyring.keys) this.#keys.set(held.id.hash, held);
    const { sealing, keys } = kept.keyring;
    const candidate = keys.find(({ id }) => id.hash === kept.candidate)?.id;
    const isOther = ({ id }: GossipKey): boolean => id !== sealing.id && id !== candidate;
    this.#state = createRotation({
      self: nodeId,
      times,
      view: view(),
      sealing: sealing.id,
      // A wall clock that was set back must not put the next rotation off.
      switchedMs: clock.monotonic() - Math.max(0, clock.now() - kept.switchedAt),
      candidate,
      retiring: keys.filter(isOther).map(({ id }) => id),
      now: clock.monotonic(),
    });
    this.#said = announcement(this.#state);
    this.#gauge();
  }

  /** The keys that seal and open now. */
  get ring(): Keyring {
    return this.#ring;
  }

  get stage(): RotationStage {
    return stageOf(this.#state);
  }

  /** What the rules know; no key is in it. */
  get state(): RotationState {
    return this.#state;
  }

  /** Listens to the links; once. */
  listen(): void {
    this.#options.links.listen({
      ready: (link) => this.tell(link),
      lost: (peer) => this.#input({ type: 'lost', peer, now: this.#now() }),
      said: (peer, keys) => this.#input({ type: 'peer', peer, keys, now: this.#now() }),
      asked: (peer, id) => this.#input({ type: 'request', peer, id, now: this.#now() }),
      given: (peer, given) => {
        this.#keys.set(given.id.hash, given);
        this.#input({ type: 'received', peer, id: given.id, now: this.#now() });
        this.#forget();
      },
    });
  }

  begin(): void {
    this.#isWatched = true;
    this.viewChanged();
  }

  /** Members, partition or revocations may be others than before. */
  viewChanged(): void {
    this.#input({ type: 'view', view: this.#options.view(), now: this.#now() });
  }

  /** A new key, of this node, now. */
  rotate(): void {
    this.#input({ type: 'rotate', now: this.#now() });
  }

  tick(): void {
    this.#input({ type: 'tick', now: this.#now() });
  }

  nextInMs(): number | undefined {
    return nextInMs(this.#state, this.#now());
  }

  /** A datagram came that was sealed with another key than this node seals with: the first sign of a switch, perhaps. */
  heard({ id }: GossipKey): void {
    if (compareKeys(id, this.#state.sealing) > 0) this.#input({ type: 'heard', id, now: this.#now() });
  }

  make(): Promise<void> {
    const { plan } = this.#state;
    if (!plan) return Promise.resolve();
    if (this.#making?.plan === plan) return this.#making.done;
    const done = this.#make(plan);
    this.#making = { plan, done };
    return done;
  }

  /** Tells a peer what this node holds, by name. */
  tell(link: PeerLink): void {
    this.#options.links.tell(link, this.#said);
  }

  /** Keeps what is held anew: under another key of the vault. */
  keepAgain(): Promise<void> {
    return this.#keep();
  }

  async #make(plan: { readonly epoch: number; readonly revocations: number }): Promise<void> {
    const { crypto, nodeId } = this.#options;
    const made = gossipKey(crypto.randomBytes(32), { ...plan, proposer: nodeId });
    this.#keys.set(made.id.hash, made);
    this.#input({ type: 'made', id: made.id, now: this.#now() });
    this.#forget();
    await this.#saved;
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }

  #input(input: RotationInput): void {
    const { state, effects } = step(this.#state, input);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    const changes = effects.filter((effect) => effect.type === 'changed');
    if (changes.length > 0) void this.#keep(changes);
    this.#tellStage();
  }

  #perform(effect: RotationEffect): void {
    const { links, onNews, onBehind } = this.#options;
    switch (effect.type) {
      case 'ask':
        links.ask(effect.peer, effect.id);
        return;
      case 'give': {
        const held = this.#keys.get(effect.id.hash);
        if (held) links.give(effect.peer, held);
        return;
      }
      case 'behind': {
        const link = links.get(effect.peer);
        if (link) onBehind(link);
        return;
      }
      case 'leap':
        onNews(effect);
        return;
      case 'make': // The chart makes it: a stage of its own.
      case 'changed': // Told when it is kept.
        return;
    }
  }

  /**
   * Kept first, then in use, then told: what others count on survives a crash, and a node that is started again seals with
   * nothing older than before. One after the other, and each time all that is held then.
   */
  #keep(changes: readonly KeyNews[] = []): Promise<void> {
    const { save, trouble, onNews, links } = this.#options;
    const saving = this.#saved.then(async () => {
      const kept = this.#kept();
      const said = announcement(this.#state);
      await this.#inTime(save(kept)).catch(trouble);
      this.#ring = kept.keyring;
      this.#said = said;
      this.#forget();
      if (changes.length === 0) return;
      for (const link of links.all()) this.tell(link);
      this.#gauge();
      for (const change of changes) onNews(change);
    });
    this.#saved = saving;
    return saving;
  }

  /** A disk that hangs does not keep this node from what the others seal with. */
  #inTime(saving: Promise<void>): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const late = () => reject(new CaxtonError('TIMED_OUT', 'The state database does not answer.'));
      const timer = clock.setTimeout(late, limits.gossipKeySaveMsMax);
      void saving.then(resolve, reject).finally(() => clock.clearTimeout(timer));
    });
  }

  #kept(): KeptKeyring {
    const { clock } = this.#options;
    const { candidate, sealing, switchedMs } = this.#state;
    const held = heldKeys(this.#state).map(({ hash }) => this.#keys.get(hash)!);
    return {
      keyring: createKeyring(this.#keys.get(sealing.hash)!, held),
      candidate: candidate?.id.hash,
      switchedAt: Math.max(0, Math.round(clock.now() - (clock.monotonic() - switchedMs))),
    };
  }

  /** What the rules hold no more. */
  #forget(): void {
    const held = new Set(heldKeys(this.#state).map(({ hash }) => hash));
    for (const hash of this.#keys.keys()) if (!held.has(hash) && !this.#ring.key(hash)) this.#keys.delete(hash);
  }

  #gauge(): void {
    const { metrics } = this.#options;
    metrics.gauge('gossip_key_epoch', this.#ring.sealing.id.epoch);
    metrics.gauge('gossip_keys_held', this.#ring.keys.length);
  }

  #tellStage(): void {
    const next = nextInMs(this.#state, this.#now());
    const now = `${this.stage} ${next === undefined ? '' : Math.round(this.#now() + next)}`;
    if (!this.#isWatched || now === this.#told) return;
    this.#told = now;
    this.#options.onStage(this.stage);
  }
}
