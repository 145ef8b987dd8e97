import type { SignedClaim } from '../../src/protocols/swim/claim.ts';
import type { Member } from '../../src/protocols/swim/member.ts';
import type { Packet } from '../../src/protocols/swim/packet.ts';

/** Something that a member told its shell, for people and for comparison. */
export interface TraceLine {
  readonly atMs: number;
  readonly node: string;
  readonly text: string;
}

/** A hash over everything that happened, in order: decoded events, never bytes of signatures (FNV-1a, twice). */
export class TraceHash {
  #low = 0x811c9dc5;
  #high = 0x9e3779b9;

  number(value: number): void {
    this.#low = Math.imul(this.#low ^ (value | 0), 0x01000193);
    this.#high = Math.imul(this.#high ^ (value | 0) ^ (this.#low >>> 15), 0x85ebca6b);
  }

  text(value: string): void {
    for (let at = 0; at < value.length; at++) this.number(value.charCodeAt(at));
  }

  packet(packet: Packet): void {
    this.number(packet.kind.charCodeAt(1) * 256 + packet.kind.length);
    this.number('seq' in packet ? packet.seq : 0);
    for (const claim of packet.claims) this.claim(claim);
  }

  claim({ claim }: SignedClaim): void {
    this.number(claim.kind.charCodeAt(0));
    this.number(claim.node.charCodeAt(claim.node.length - 1) + 256 * claim.node.length);
    this.number(claim.epoch);
    this.number(claim.incarnation);
  }

  get value(): string {
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }
}

/** A member’s change in words. */
export function describe(member: Member): string {
  if (member.self) {
    return member.status === 'left' ? 'announces its leave' : `refutes with incarnation ${member.incarnation}`;
  }
  if (member.status === 'suspect') return `${member.nodeId} suspected by ${member.accusers.join(', ')}`;
  if (member.status === 'dead') return `${member.nodeId} certified dead by ${member.accusers.join(', ')}`;
  if (member.status !== 'alive') return `${member.nodeId} ${member.status}`;
  return `${member.nodeId} alive (epoch ${member.bootEpoch}, incarnation ${member.incarnation})`;
}
