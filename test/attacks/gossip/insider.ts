import { PairSeals } from '../../../src/actors/cluster/gossip/pair-seals.ts';
import type { DatagramSocket, LinkChannel, Network } from '../../../src/actors/kernel/ports.ts';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { type NodeFiles, readNodeFiles } from '../../../src/actors/node-files.ts';
import { rawPublicKey } from '../../../src/crypto/keys.ts';
import type { NodeId } from '../../../src/names.ts';
import { decodeFrames, encodeFrame, type Frame } from '../../../src/protocols/link/frame.ts';
import { encodeHello, encodeReady } from '../../../src/protocols/link/hello.ts';
import {
  type DirectoryEntry,
  decodePushPull,
  encodePushPull,
  type PushPull,
} from '../../../src/protocols/link/push-pull-frame.ts';
import {
  type AliveClaim,
  certifyDead,
  compareCounters,
  type SignedClaim,
  type Subject,
  type SuspectClaim,
  signAlive,
  signLeave,
  signSuspicion,
} from '../../../src/protocols/swim/claim.ts';
import { decodePacket, encodePacket, type Packet } from '../../../src/protocols/swim/packet.ts';
import type { TestCluster } from '../../../src/testing/index.ts';
import { insecureSeededCrypto } from '../../../src/testing/seeded-crypto.ts';

/** What goes into a datagram, whatever the honest limit is. */
const plaintextBytesMax = 1_339;
const noBytes = new Uint8Array(0);

/**
 * A member in the wrong hands: the certificate, the claim key and the gossip key of `mallory`, whose own node was stopped,
 * and a program that sends whatever it likes over datagrams and links. It keeps up appearances unless told otherwise:
 * pings are answered, documents exchanged.
 */
export class Insider {
  readonly nodeId: NodeId;
  /** Everything that others said to it, of datagrams and documents. */
  readonly claims: SignedClaim[] = [];
  readonly packets: { readonly from: NodeId; readonly packet: Packet }[] = [];
  readonly directory = new Map<NodeId, DirectoryEntry>();
  /** What it answers to a ping-req; nothing when undefined. */
  relays: 'ack' | 'nack' | undefined = 'nack';
  answersPings = true;
  /** Push/pull documents that came in, asked for or not. */
  documentsHeard = 0;
  boxKey: Uint8Array = noBytes;
  epoch: number;
  incarnation = 1;
  readonly #cluster: TestCluster;
  readonly #network: Network;
  readonly #files: NodeFiles;
  #seals!: PairSeals;
  readonly #channels = new Map<NodeId, LinkChannel>();
  readonly #alive = new Map<NodeId, SignedClaim<AliveClaim>>();
  #socket: DatagramSocket | undefined;
  #dials = 0;

  constructor(cluster: TestCluster, files: NodeFiles, epoch: number) {
    this.nodeId = cluster.machine('mallory').config.node.id;
    this.epoch = epoch;
    this.#cluster = cluster;
    this.#files = files;
    this.#network = cluster.network.host('mallory');
    this.renewBox(epoch);
  }

  /** As a new boot would: with another epoch and another box key, which its next alive claim tells. */
  renewBox(epoch: number): void {
    const crypto = insecureSeededCrypto(`mallory ${epoch}`);
    const box = crypto.generateKeyPair('x25519');
    this.boxKey = rawPublicKey(box.publicKey);
    this.epoch = epoch;
    this.incarnation = 1;
    this.#seals = new PairSeals({
      crypto,
      clusterId: this.#cluster.machine(this.nodeId).config.cluster.id,
      self: { nodeId: this.nodeId, epoch },
      boxPrivate: box.privateKey,
      boxPublic: this.boxKey,
      keyring: () => this.#files.keyring,
    });
    for (const { claim } of this.#alive.values()) this.#seals.learn(claim.node, claim.epoch, claim.boxKey);
  }

  /** Takes the place of mallory’s node: links to all others and becomes a member under its name. */
  static async takeOver(cluster: TestCluster): Promise<Insider> {
    const machine = cluster.machine('mallory');
    cluster.crash('mallory');
    const files = await readNodeFiles(machine.config, machine.disk, cluster.clock.now());
    const insider = new Insider(cluster, files, 100);
    await insider.#begin();
    return insider;
  }

  async #begin(): Promise<void> {
    this.#socket = await this.#network.bindDatagrams(this.#cluster.machine(this.nodeId).config.cluster.bind);
    this.#socket.onMessage((bytes) => this.#hear(bytes));
    for (const peer of this.#cluster.running) await this.link(peer);
  }

  /** A link to a node, in the place of the one before. */
  async link(peer: NodeId): Promise<void> {
    const channel = await this.#dial(peer);
    this.#channels.set(peer, channel);
    channel.setHandler({
      message: (bytes) => {
        const frames = decodeFrames(bytes);
        if (frames.ok) for (const frame of frames.value) this.#take(peer, frame);
      },
      violated: () => {},
      drained: () => {},
      closed: () => {
        if (this.#channels.get(peer) === channel) this.#channels.delete(peer);
      },
    });
    this.#greet(channel, this.nodeId);
    await this.#cluster.until('the insider’s link is up', () =>
      this.#cluster
        .node(peer)
        .control.links()
        .some((link) => link.peer === this.nodeId),
    );
    this.document(peer);
    await this.#cluster.until('the insider knows the node', () => this.#alive.has(peer));
  }

  /** A link with its certificate and the name of another. */
  async helloAs(peer: NodeId, name: NodeId): Promise<void> {
    const channel = await this.#dial(peer);
    channel.setHandler({ message: () => {}, violated: () => {}, drained: () => {}, closed: () => {} });
    this.#greet(channel, name);
  }

  #dial(peer: NodeId): Promise<LinkChannel> {
    const { bind } = this.#cluster.machine(peer).config.cluster;
    const { signal } = new AbortController();
    const dialled = this.#network.dialLink({ address: bind, identity: this.#files.identity.tls, signal });
    return this.#cluster.settled(dialled);
  }

  #greet(channel: LinkChannel, name: NodeId): void {
    const { config } = this.#cluster.machine(this.nodeId);
    const hello = encodeHello(utf8, {
      versions: [1],
      nodeId: name,
      trustDomain: config.cluster.trustDomain,
      clusterId: config.cluster.id,
      bootEpoch: this.epoch,
      dial: ++this.#dials,
      features: [],
      addresses: [config.cluster.advertise],
      group: '',
      notices: [],
    });
    channel.send(encodeFrame('hello', hello));
    channel.send(encodeFrame('ready', encodeReady(utf8, { version: 1, heartbeatMs: 5_000 })));
  }

  isLinkedTo(peer: NodeId): boolean {
    return this.#channels.has(peer);
  }

  hangUp(peer: NodeId): void {
    this.#channels.get(peer)?.close(4_000, 'bye');
    this.#channels.delete(peer);
  }

  /** The newest alive claim that it has of a member, signed by that. */
  aliveOf(node: NodeId): SignedClaim<AliveClaim> {
    return this.#alive.get(node)!;
  }

  /** What it says of itself, properly signed. */
  alive(over: Partial<AliveClaim> = {}): SignedClaim<AliveClaim> {
    const { advertise } = this.#cluster.machine(this.nodeId).config.cluster;
    const { nodeId: node, epoch, incarnation, boxKey } = this;
    return signAlive(
      { kind: 'alive', node, epoch, incarnation, boxKey, addresses: [advertise], ...over },
      this.sign,
      utf8,
    );
  }

  /** With mallory’s claim key, whatever it is and in whoever’s name. */
  readonly sign = (bytes: Uint8Array): Uint8Array => this.#files.identity.signClaim(bytes);

  suspect(subject: Subject, accuser: NodeId = this.nodeId): SignedClaim<SuspectClaim> {
    const { node, epoch, incarnation } = subject;
    return signSuspicion({ kind: 'suspect', node, epoch, incarnation, accuser }, this.sign, utf8);
  }

  leave({ node, epoch, incarnation }: Subject): SignedClaim {
    return signLeave({ kind: 'leave', node, epoch, incarnation }, this.sign, utf8);
  }

  dead(...suspicions: readonly SignedClaim<SuspectClaim>[]): SignedClaim {
    return certifyDead(suspicions, utf8);
  }

  ownEntry(): DirectoryEntry {
    const { identity } = this.#files;
    return { nodeId: this.nodeId, certificate: identity.svid.der, binding: identity.binding };
  }

  /** Sends a sealed packet to a node. */
  say(to: NodeId, packet: Packet): void {
    this.sayBytes(to, encodePacket(packet, utf8, plaintextBytesMax));
  }

  gossip(to: NodeId, ...claims: readonly SignedClaim[]): void {
    this.say(to, { kind: 'gossip', claims });
  }

  /** Sends bytes of any form, well sealed. */
  sayBytes(to: NodeId, plaintext: Uint8Array): void {
    this.raw(to, this.seal(to, plaintext));
  }

  seal(to: NodeId, plaintext: Uint8Array): Uint8Array {
    return this.#seals.seal(to, plaintext)!;
  }

  /** Sends a datagram as it is. */
  raw(to: NodeId, datagram: Uint8Array): void {
    this.#socket!.send(datagram, this.#cluster.machine(to).config.cluster.bind);
  }

  /** Sends a push/pull document over the link; by default the one that an honest member would. */
  document(to: NodeId, over: Partial<PushPull> = {}, kind: 'push-pull' | 'push-pull-reply' = 'push-pull'): void {
    this.documentBytes(
      to,
      encodePushPull(utf8, { directory: [this.ownEntry()], claims: [this.alive()], ...over }),
      kind,
    );
  }

  documentBytes(to: NodeId, content: Uint8Array, kind: 'push-pull' | 'push-pull-reply' = 'push-pull'): void {
    this.#channels.get(to)?.send(encodeFrame(kind, noBytes, content));
  }

  #hear(bytes: Uint8Array): void {
    const opened = this.#seals.open(bytes);
    if (!opened.ok) return;
    const decoded = decodePacket(opened.value.plaintext, utf8);
    if (!decoded.ok) return;
    const packet = decoded.value.unverified;
    const { from } = opened.value;
    this.packets.push({ from, packet });
    this.#note(packet.claims);
    if (packet.kind === 'ping' && this.answersPings) this.say(from, { kind: 'ack', seq: packet.seq, claims: [] });
    if (packet.kind === 'ping-req' && this.relays) this.say(from, { kind: this.relays, seq: packet.seq, claims: [] });
  }

  #take(peer: NodeId, frame: Frame): void {
    if (frame.kind === 'ping') this.#channels.get(peer)?.send(encodeFrame('pong', noBytes));
    if (frame.kind !== 'push-pull' && frame.kind !== 'push-pull-reply') return;
    const decoded = decodePushPull(utf8, frame.content.slice());
    if (!decoded.ok) return;
    this.documentsHeard++;
    const { directory, claims } = decoded.value.unverified;
    for (const entry of directory) this.directory.set(entry.nodeId, entry);
    this.#note(claims);
    if (frame.kind === 'push-pull') this.document(peer, {}, 'push-pull-reply');
  }

  #note(claims: readonly SignedClaim[]): void {
    for (const signed of claims) {
      this.claims.push(signed);
      const { claim } = signed;
      if (claim.kind !== 'alive' || claim.node === this.nodeId) continue;
      const known = this.#alive.get(claim.node);
      if (known && compareCounters(claim, known.claim) <= 0) continue;
      this.#alive.set(claim.node, signed as SignedClaim<AliveClaim>);
      this.#seals.learn(claim.node, claim.epoch, claim.boxKey);
    }
    // Whoever accuses it is answered as an honest member would.
    for (const { claim } of claims)
      if (claim.kind === 'suspect' && claim.node === this.nodeId && claim.incarnation === this.incarnation) {
        this.incarnation++;
        for (const peer of this.#channels.keys()) this.gossip(peer, this.alive());
      }
  }
}
