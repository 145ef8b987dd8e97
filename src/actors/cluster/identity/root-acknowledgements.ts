import type { Refusal } from '../../../errors.ts';
import { refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { isNodeId, type NodeId, type TrustDomain } from '../../../names.ts';
import type { Frame } from '../../../protocols/link/frame.ts';
import { acknowledgementFeature } from '../../../protocols/notice/acknowledgement.ts';
import type { Clock, Store } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import { Patience } from '../gossip/patience.ts';
import type { LinkSession } from '../links/link-session.ts';
import type { Links } from '../links/links.ts';
import type { NodeIdentity } from './node-identity.ts';
import { acknowledge, type VerifiedAcknowledgement, verifyAcknowledgement } from './root-acknowledgement.ts';
import { endOfCertificate } from './rotation-member.ts';
import type { TrustedRoots } from './trusted-roots.ts';

export interface RootAcknowledgementsOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly clusterId: string;
  readonly trustDomain: TrustDomain;
  readonly identity: NodeIdentity;
  readonly roots: TrustedRoots;
  /** Resolves when the bundle in force is durable: nothing is acknowledged before. */
  readonly saved: () => Promise<void>;
  readonly links: () => readonly LinkSession[];
  readonly onTaken: (link: LinkSession, taken: VerifiedAcknowledgement) => void;
  readonly onSaid: (generation: number) => void;
  readonly onRefused: (link: LinkSession, refusal: Refusal) => void;
  readonly fault: (message: string, error: unknown) => void;
}

/** What is known of a member: its own newest word, and the certificate that it showed last. */
export interface KnownMember {
  readonly acknowledgement?: string;
  /** DER with its intermediates. */
  readonly certificate?: Uint8Array;
}

interface Kept extends KnownMember {
  readonly generation: number;
  readonly at: number;
  /** When the last of its certificates ends that are known here. */
  readonly endsAt: number;
}

const nothing: Kept = { generation: 0, at: 0, endsAt: Number.NEGATIVE_INFINITY };

const collections = { words: 'root-acknowledgements', certificates: 'member-certificates' } as const;
const rate = { count: limits.acknowledgementsPerMinuteMax, periodMs: 60_000, burst: limits.acknowledgementsAtOnceMax };
const noBytes = new Uint8Array(0);

/**
 * Who has taken which bundle of roots. Each node says so of itself over each link, when the link comes up and whenever it
 * takes another bundle or certificate: so whoever was restarted, or lost what it knew, is told again. Words of others and
 * the certificates that they showed are kept in the store, for members that are away.
 */
export class RootAcknowledgements {
  readonly #options: RootAcknowledgementsOptions;
  readonly #known = new Map<NodeId, Kept>();
  readonly #patience: Patience;
  /** What this node’s last word says of when it was said. */
  #saidAt = Number.NEGATIVE_INFINITY;
  #said = '';
  #own: { readonly of: string; readonly line: string } | undefined;
  #saving: Promise<unknown> = Promise.resolve();

  constructor(options: RootAcknowledgementsOptions) {
    this.#options = options;
    this.#patience = new Patience(options.clock, rate);
  }

  /** Reads what was kept; what cannot be read is left out, since everybody says it again. */
  async load(): Promise<void> {
    const { store, identity } = this.#options;
    for (const [id, bytes] of await store.entries(collections.certificates))
      if (isNodeId(id)) this.#noteShown(id, bytes);
    for (const [id, bytes] of await store.entries(collections.words)) {
      const line = utf8.decode(bytes);
      const word = isNodeId(id) ? this.#verified(line) : undefined;
      if (!word?.ok) continue;
      if (id === identity.nodeId) this.#saidAt = word.value.said.at;
      else this.#noteSaid(word.value, line);
    }
    this.#dropOver();
  }

  listen(links: Links): void {
    links.onReady((link) => {
      this.#noteCertificate(link);
      const line = this.own();
      if (line !== undefined) this.#send(link, line);
    });
    links.onFrame('roots-acknowledgement', (link, frame) => this.#hear(link, frame));
  }

  /** This node’s own word; undefined while there is no bundle. */
  own(): string | undefined {
    const { identity, roots, clock, clusterId } = this.#options;
    const { inForce } = roots;
    if (!inForce) return undefined;
    const of = `${inForce.generation} ${Buffer.from(inForce.hash).toString('hex')} ${identity.svid.fingerprint}`;
    if (this.#own?.of === of) return this.#own.line;
    this.#saidAt = this.#nextAt(clock.now());
    this.#own = { of, line: acknowledge(identity, { clusterId, ...inForce }, this.#saidAt) };
    return this.#own.line;
  }

  /** Of two words the later counts, so a clock that was set back must not make the newer one the earlier. */
  #nextAt(now: number): number {
    const next = Math.max(now, this.#saidAt + 1);
    return next > now + limits.acknowledgementSkewMsMax ? now : next;
  }

  /** Tells all peers, once what is said is durable; nothing when they were told already. */
  say(): void {
    const { saved, links, fault, onSaid, roots, identity } = this.#options;
    saved().then(
      () => {
        const line = this.own();
        if (line === undefined || this.#said === this.#own?.of) return;
        this.#said = this.#own!.of;
        this.#keep(collections.words, identity.nodeId, utf8.encode(line));
        for (const link of links()) this.#send(link, line);
        onSaid(roots.inForce!.generation);
      },
      (error: unknown) => fault('a bundle of roots is not acknowledged, since it could not be kept', error),
    );
  }

  /** All of whom anything is known, this node left out. */
  get known(): ReadonlyMap<NodeId, KnownMember> {
    return this.#known;
  }

  #send(link: LinkSession, line: string): void {
    if (link.hello.features.includes(acknowledgementFeature))
      link.send('roots-acknowledgement', noBytes, utf8.encode(line));
  }

  #hear(link: LinkSession, { header, content }: Frame): void {
    if (header.length > 0 || content.length > 2 * limits.acknowledgementCharsMax) {
      link.violated('An acknowledgement has no header, and is not longer than it may be.');
      return;
    }
    const { onRefused, onTaken } = this.#options;
    if (!this.#patience.with(link.nodeId)) return;
    this.#patience.spend(link.nodeId);
    const line = textOf(content);
    const word = line === undefined ? refuse('MALFORMED', 'The acknowledgement is not UTF-8.') : this.#verified(line);
    if (!word.ok || line === undefined) {
      if (!word.ok) onRefused(link, word.refusal);
      return;
    }
    const { said } = word.value;
    // Anybody may hand on what it was told, but what comes over a link is for the peer to say of itself.
    if (said.nodeId !== link.nodeId) {
      onRefused(
        link,
        refuse('SIGNATURE_INVALID', `${link.nodeId} gives an acknowledgement of ${said.nodeId}.`).refusal,
      );
      return;
    }
    const before = this.#known.get(said.nodeId);
    if (!before && this.#isFull()) return;
    if (
      before &&
      (said.generation < before.generation || (said.generation === before.generation && said.at < before.at))
    )
      return;
    this.#noteSaid(word.value, line);
    this.#keep(collections.words, said.nodeId, utf8.encode(line));
    onTaken(link, word.value);
  }

  #noteCertificate({ nodeId, svid }: LinkSession): void {
    const before = this.#known.get(nodeId);
    if (before?.certificate && Buffer.compare(before.certificate, svid.der) === 0) return;
    if (!before && this.#isFull()) return;
    const certificate = new Uint8Array(svid.der);
    this.#noteShown(nodeId, certificate);
    this.#keep(collections.certificates, nodeId, certificate);
  }

  #noteShown(id: NodeId, certificate: Uint8Array): void {
    const before = this.#known.get(id) ?? nothing;
    const endsAt = Math.max(before.endsAt, endOfCertificate(certificate) ?? before.endsAt);
    this.#known.set(id, { ...before, endsAt, certificate });
  }

  #noteSaid({ said, svid }: VerifiedAcknowledgement, acknowledgement: string): void {
    const { nodeId, generation, at } = said;
    const before = this.#known.get(nodeId) ?? nothing;
    this.#known.set(nodeId, {
      ...{ ...before, generation, at, acknowledgement },
      endsAt: Math.max(before.endsAt, svid.notAfter),
    });
  }

  #isFull(): boolean {
    if (this.#known.size >= limits.membersMax) this.#dropOver();
    return this.#known.size >= limits.membersMax;
  }

  /** Nobody waits for a member whose last certificate has ended, so nothing has to be known of it. */
  #dropOver(): void {
    const { clock } = this.#options;
    const over = clock.now() - limits.clockSkewMsMax;
    for (const [id, { endsAt }] of this.#known) {
      if (endsAt >= over) continue;
      this.#known.delete(id);
      for (const collection of Object.values(collections)) this.#store((store) => store.delete(collection, id));
    }
  }

  #keep(collection: string, key: NodeId, bytes: Uint8Array): void {
    this.#store((store) => store.put(collection, key, bytes));
  }

  #store(act: (store: Store) => Promise<void>): void {
    const { store, fault } = this.#options;
    this.#saving = this.#saving
      .then(() => act(store))
      .catch((error: unknown) => fault('what a member said of the roots could not be kept', error));
  }

  #verified(line: string) {
    const { clusterId, trustDomain, roots, clock } = this.#options;
    return verifyAcknowledgement(line, { clusterId, trustDomain, caPem: roots.caPem, now: clock.now() });
  }
}

function textOf(content: Uint8Array): string | undefined {
  try {
    return utf8.decode(content);
  } catch {
    return undefined;
  }
}
