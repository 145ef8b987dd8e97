import type { NodeId } from '../../../src/names.ts';
import {
  type AliveClaim,
  certifyDead,
  type DeadClaim,
  type LeaveClaim,
  type SignedClaim,
  type SuspectClaim,
  signAlive,
  signLeave,
  signSuspicion,
} from '../../../src/protocols/swim/claim.ts';
import type { Packet } from '../../../src/protocols/swim/packet.ts';
import type { SwimEffect, SwimInput, SwimOptions, SwimState } from '../../../src/protocols/swim/state.ts';
import { createSwim, memberOf, step } from '../../../src/protocols/swim/swim.ts';
import { fakeSign, keyOf, swimOptions, utf8 } from '../../simulate/fake-claims.ts';

export const id = (node: string): NodeId => node as NodeId;

const signer = (node: string) => (bytes: Uint8Array) => fakeSign(keyOf(node), bytes);

/** Claims as their proper signers would make them. */
export const claims = {
  alive: (node: string, epoch = 1, incarnation = 1, changes: Partial<AliveClaim> = {}): SignedClaim<AliveClaim> => {
    const boxKey = new Uint8Array(32).fill(epoch & 0xff);
    const addresses = [{ host: '127.0.0.1', port: 7_700 }];
    const claim: AliveClaim = { kind: 'alive', node: id(node), epoch, incarnation, boxKey, addresses, ...changes };
    return signAlive(claim, signer(node), utf8);
  },
  leave: (node: string, epoch = 1, incarnation = 1): SignedClaim<LeaveClaim> =>
    signLeave({ kind: 'leave', node: id(node), epoch, incarnation }, signer(node), utf8),
  suspect: (node: string, accuser: string, epoch = 1, incarnation = 1): SignedClaim<SuspectClaim> =>
    signSuspicion({ kind: 'suspect', node: id(node), epoch, incarnation, accuser: id(accuser) }, signer(accuser), utf8),
  dead: (node: string, accusers: readonly string[], epoch = 1, incarnation = 1): SignedClaim<DeadClaim> =>
    certifyDead(
      accusers.map((accuser) => claims.suspect(node, accuser, epoch, incarnation)),
      utf8,
    ),
};

export type Sent = Extract<SwimEffect, { type: 'send' }>;

/** One member, node-1, alone on a stage: the test plays everybody else, and time. */
export class Stage {
  readonly state: SwimState;
  now = 0;
  /** Everything asked of the shell so far. */
  effects: SwimEffect[] = [];
  #timers: { readonly atMs: number; readonly timer: Extract<SwimInput, { type: 'timer' }>['timer'] }[] = [];

  constructor(others: readonly string[] = [], options: Partial<SwimOptions> & { epoch?: number } = {}) {
    this.state = createSwim(swimOptions('node-1', { expectedSize: others.length + 1, ...options }));
    for (const other of others) this.hears('node-99', claims.alive(other));
    this.effects = [];
  }

  input(input: SwimInput): readonly SwimEffect[] {
    const { effects } = step(this.state, input);
    this.effects.push(...effects);
    for (const effect of effects) {
      if (effect.type === 'schedule') this.#timers.push({ atMs: this.now + effect.delayMs, timer: effect.timer });
    }
    return effects;
  }

  start(): readonly SwimEffect[] {
    return this.input({ type: 'start', now: this.now });
  }

  /** As a shell that is restarted: its timers are gone, and it starts the rules again. */
  startsAgain(): readonly SwimEffect[] {
    this.#timers = [];
    return this.start();
  }

  /** Claims that came with the push/pull of somebody, by default of a stranger. */
  hears(from: string, ...signed: readonly SignedClaim[]): readonly SwimEffect[] {
    return this.input({ type: 'claims', from: id(from), claims: signed, now: this.now });
  }

  receives(from: string, packet: Packet): readonly SwimEffect[] {
    return this.input({ type: 'packet', from: id(from), packet, now: this.now });
  }

  /** Lets time pass; timers fire when they are due. */
  passes(durationMs: number): void {
    const endMs = this.now + durationMs;
    for (;;) {
      this.#timers.sort((a, b) => a.atMs - b.atMs);
      const next = this.#timers[0];
      if (!next || next.atMs > endMs) break;
      this.#timers.shift();
      this.now = next.atMs;
      this.input({ type: 'timer', timer: next.timer, now: this.now });
    }
    this.now = endMs;
  }

  status(node: string): string | undefined {
    return memberOf(this.state, id(node))?.status;
  }

  /** What was sent so far, and forgets it. */
  takeSent(kind?: Packet['kind']): Sent[] {
    const sent = this.effects.filter((effect): effect is Sent => effect.type === 'send');
    this.effects = [];
    return sent.filter(({ packet }) => kind === undefined || packet.kind === kind);
  }

  /** Loses the link to a member, whose silence then accuses it. */
  failsToReach(node: string): void {
    this.input({ type: 'link.lost', peer: id(node), now: this.now });
    this.passes(this.state.options.config.probeTimeoutMs);
  }
}

/** The kinds and subjects of claims, for comparison. */
export const named = (signed: readonly SignedClaim[]): string[] =>
  signed.map(({ claim }) => `${claim.kind} ${claim.node}`);
