import { decodeLinkPacket } from '../../../src/actors/cluster/gossip/gossip-datagram.ts';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { ed25519PublicKey } from '../../../src/crypto/keys.ts';
import { verifyWith } from '../../../src/crypto/signature.ts';
import { ok, type Result, unwrap } from '../../../src/errors.ts';
import type { NodeId } from '../../../src/names.ts';
import { decodeFrames, type Frame } from '../../../src/protocols/link/frame.ts';
import { decodePushPull } from '../../../src/protocols/link/push-pull-frame.ts';
import type { SignedClaim } from '../../../src/protocols/swim/claim.ts';
import { type ClaimAuthority, verifyClaim } from '../../../src/protocols/swim/verification.ts';
import { unverified } from '../../../src/unverified.ts';

/** How far a member’s own counters have come: boot, and incarnation within it. */
export interface Counters {
  readonly epoch: number;
  readonly incarnation: number;
}

/**
 * Reads what nodes say over their links, which the memory network shows as TLS would hide it: every claim carries the
 * signatures of those who may say so, and counters that its subject really had.
 */
export class WireChecker {
  readonly #authority: ClaimAuthority;
  readonly #hasReached: (node: NodeId, counters: Counters) => boolean;
  /** Signatures that were checked, with what they cover. */
  readonly #good = new Set<string>();
  claims = 0;

  constructor(
    claimKeyOf: (node: string) => Uint8Array | undefined,
    hasReached: (node: NodeId, counters: Counters) => boolean,
  ) {
    this.#hasReached = hasReached;
    this.#authority = {
      claimKeyOf,
      verify: (key, bytes, signature) => {
        const id = Buffer.concat([signature, bytes]).toString('latin1');
        if (this.#good.has(id)) return true;
        const good = verifyWith(unwrap(ed25519PublicKey(key)), 'caxton gossip claim v1', bytes, signature);
        if (good) this.#good.add(id);
        return good;
      },
    };
  }

  /** What is wrong with one message of a link; undefined when nothing is. */
  message(from: string, bytes: Uint8Array): string | undefined {
    const frames = decodeFrames(bytes);
    if (!frames.ok) return `${from} sends what is no frame: ${frames.refusal.reasons[0]}`;
    for (const frame of frames.value) {
      const claims = claimsIn(frame);
      if (!claims.ok) return `${from} sends a ${frame.kind} that is none: ${claims.refusal.reasons[0]}`;
      for (const claim of claims.value) {
        const wrong = this.#wrongWith(claim);
        if (wrong !== undefined) return `${from} passes on ${wrong}`;
      }
    }
    return undefined;
  }

  #wrongWith(signed: SignedClaim): string | undefined {
    this.claims += 1;
    const { kind, node, epoch, incarnation } = signed.claim;
    const verdict = verifyClaim(unverified(signed), this.#authority);
    if (!verdict.ok) return `a false claim: ${verdict.refusal.reasons[0]}`;
    if ((kind === 'alive' || kind === 'leave') && signed.signatures.some(({ signer }) => signer !== node))
      return `that ${node} is ${kind}, signed by another`;
    if (!this.#hasReached(node, { epoch, incarnation }))
      return `that ${node} is ${kind} at ${epoch}/${incarnation}, which it never was`;
    return undefined;
  }
}

function claimsIn({ kind, content }: Frame): Result<readonly SignedClaim[]> {
  if (kind === 'gossip') {
    const packet = decodeLinkPacket(content);
    return packet.ok ? ok(packet.value.unverified.claims) : packet;
  }
  if (kind !== 'push-pull' && kind !== 'push-pull-reply') return ok([]);
  const document = decodePushPull(utf8, content);
  return document.ok ? ok(document.value.unverified.claims) : document;
}
