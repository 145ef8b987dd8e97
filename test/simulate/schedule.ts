import fc from 'fast-check';
import { swimProfiles } from '../../src/protocols/swim/config.ts';
import { Broken } from './checkers.ts';
import { SwimCluster } from './swim-cluster.ts';

/** Something that goes wrong, or right again, in a cluster; members by number, times in milliseconds. */
export type Act =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'kill' | 'start' | 'move' | 'lose-disk' | 'leave'; readonly at: number }
  /** The members whose bits are set on one side. */
  | { readonly do: 'split'; readonly sides: number }
  | { readonly do: 'heal' }
  /** The members whose bits are set are suspended, all others are not. */
  | { readonly do: 'suspend'; readonly out: number }
  | { readonly do: 'sever'; readonly at: number; readonly to: number }
  | { readonly do: 'wire'; readonly at: number; readonly ingress: number; readonly egress: number }
  | { readonly do: 'delay'; readonly at: number; readonly ms: number }
  | { readonly do: 'loss'; readonly loss: number; readonly duplicated: number; readonly heldBack: number }
  | { readonly do: 'block' | 'freeze'; readonly at: number; readonly ms: number }
  | { readonly do: 'skew'; readonly at: number; readonly percent: number }
  | { readonly do: 'replay'; readonly at: number; readonly to: number }
  | { readonly do: 'block-datagrams' };

/** A cluster and what happens to it. */
export interface Schedule {
  readonly size: number;
  readonly seed: number;
  readonly profile: 'local' | 'lan';
  readonly linksReport: boolean;
  readonly overLinks: boolean;
  readonly acts: readonly Act[];
}

const at = fc.nat({ max: 15 });
const part = fc.constantFrom(0, 0.2, 0.8, 1);
const stallMs = fc.integer({ min: 100, max: 30_000 });

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.integer({ min: 10, max: 15_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.integer({ min: 15_000, max: 200_000 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('kill', 'start'), at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('move', 'lose-disk', 'leave'), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('split'), sides: fc.nat({ max: 255 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('heal') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('suspend'), out: fc.nat({ max: 255 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sever'), at, to: at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wire'), at, ingress: part, egress: part }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delay'), at, ms: fc.nat({ max: 2_000 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('loss'),
      loss: fc.constantFrom(0, 0.05, 0.3),
      duplicated: fc.constantFrom(0, 0.3),
      heldBack: fc.constantFrom(0, 0.2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('block', 'freeze'), at, ms: stallMs }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('skew'), at, percent: fc.integer({ min: 80, max: 125 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replay'), at, to: at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('block-datagrams') }) },
) as fc.Arbitrary<Act>;

export const schedules: fc.Arbitrary<Schedule> = fc.record({
  size: fc.integer({ min: 2, max: 8 }),
  seed: fc.nat(),
  profile: fc.constantFrom('local', 'lan'),
  linksReport: fc.boolean(),
  overLinks: fc.boolean(),
  acts: fc.array(act, { maxLength: 20, size: 'max' }),
});

/** How long a wrong view may stand once nothing explains it: contacts with the dead are up to this far apart. */
const boundMs = (profile: Schedule['profile']): number => 2 * swimProfiles[profile].deadProbeIntervalMaxMs + 60_000;

/** How long views must stay right once they are. */
const staysMs = 30_000;

/**
 * Runs a schedule with all checkers, ends all faults, and waits until the views agree: those that run are alive to all,
 * nobody else is, and it stays so.
 *
 * @returns the hash of the whole trace
 * @throws Broken with what did not hold
 */
export function runSchedule(schedule: Schedule): string {
  return new Run(schedule).outcome();
}

class Run {
  readonly #schedule: Schedule;
  readonly #cluster: SwimCluster;
  readonly #names: readonly string[];
  readonly #left = new Set<string>();
  /** Since when each pair has been able to talk undisturbed, or has been cut off entirely. */
  readonly #goodSinceMs = new Map<string, number>();
  readonly #goneSinceMs = new Map<string, number>();
  #sides: number | undefined;
  #disturbed = new Set<string>();
  #everywhere = false;
  #suspended: ReadonlySet<string> = new Set();
  readonly #stalledUntilMs = new Map<string, number>();

  constructor(schedule: Schedule) {
    const { size, seed, profile, linksReport, overLinks } = schedule;
    this.#schedule = schedule;
    this.#names = Array.from({ length: size }, (_, index) => `node-${index + 1}`);
    this.#cluster = new SwimCluster({
      size,
      seed,
      config: swimProfiles[profile],
      linksReport,
      overLinks,
      encoded: false,
      restartsWhenStale: true,
    });
  }

  outcome(): string {
    this.#pass(5_000);
    for (const act of this.#schedule.acts) this.#do(act);
    this.#endFaults();
    // Whoever was leaving has left by now.
    this.#pass(5_000);
    const running = this.#names.filter((name) => this.#cluster.isRunning(name));
    const bound = boundMs(this.#schedule.profile);
    // Late news of a member’s last refutation may still bring it back for a moment, with whoever had missed it.
    for (let [waitedMs, agreedMs] = [0, 0]; agreedMs < staysMs; waitedMs += 500) {
      if (waitedMs >= bound) throw new Broken(`views do not agree ${bound} ms after the last fault\n${this.#views()}`);
      this.#pass(500);
      agreedMs = this.#agree(running) ? agreedMs + 500 : 0;
    }
    return this.#cluster.hash.value;
  }

  #name(index: number): string {
    return this.#names[index % this.#names.length]!;
  }

  #do(act: Act): void {
    const cluster = this.#cluster;
    switch (act.do) {
      case 'wait':
        this.#pass(act.ms);
        return;
      case 'kill':
        cluster.kill(this.#name(act.at));
        return;
      case 'start':
      case 'move':
      case 'lose-disk':
        this.#boot(this.#name(act.at), act.do);
        return;
      case 'leave':
        if (!cluster.isRunning(this.#name(act.at))) return;
        this.#left.add(this.#name(act.at));
        cluster.leave(this.#name(act.at));
        return;
      case 'split':
        this.#sides = act.sides;
        this.#newsMayCome();
        cluster.split(
          this.#names.filter((_, index) => this.#side(index) === 0),
          this.#names.filter((_, index) => this.#side(index) === 1),
        );
        return;
      case 'heal':
        this.#heal();
        return;
      case 'suspend':
        this.#suspend(this.#names.filter((_, index) => ((act.out >> index) & 1) === 1));
        return;
      case 'sever':
        this.#disturbed.add(this.#name(act.at)).add(this.#name(act.to));
        cluster.sever(this.#name(act.at), this.#name(act.to));
        return;
      case 'wire':
        this.#disturbed.add(this.#name(act.at));
        cluster.impair(this.#name(act.at), { ingressLoss: act.ingress, egressLoss: act.egress });
        return;
      case 'delay':
        this.#disturbed.add(this.#name(act.at));
        cluster.impair(this.#name(act.at), { extraDelayMs: act.ms });
        return;
      case 'loss':
        this.#everywhere = act.loss > 0.1 || act.heldBack > 0 || cluster.network.datagramsBlocked;
        cluster.network.options = act;
        return;
      case 'block':
      case 'freeze':
        this.#stall(act.at, act.ms);
        cluster[act.do](this.#name(act.at), act.ms);
        return;
      case 'skew':
        cluster.skew(this.#name(act.at), act.percent / 100);
        return;
      case 'replay':
        cluster.replay(this.#name(act.at), this.#name(act.to), 20);
        return;
      case 'block-datagrams':
        this.#everywhere = true;
        cluster.network.datagramsBlocked = true;
    }
  }

  #boot(name: string, how: 'start' | 'move' | 'lose-disk'): void {
    const cluster = this.#cluster;
    if (cluster.isRunning(name)) {
      if (how === 'start') return;
      cluster.kill(name);
    }
    this.#left.delete(name);
    // What it now has to find out, it has to find out anew.
    for (const other of this.#names) this.#goneSinceMs.set(`${name} ${other}`, cluster.now);
    for (const other of this.#names) this.#goodSinceMs.set(`${name} ${other}`, cluster.now);
    if (how === 'lose-disk') cluster.start(name, 1);
    else cluster.start(name, undefined, { disk: true, ...(how === 'move' ? { host: '127.0.0.2' } : {}) });
  }

  /** Whoever comes back, or had no news of it, has to be found anew. */
  #suspend(names: readonly string[]): void {
    this.#suspended = new Set(names);
    this.#newsMayCome();
    this.#cluster.suspend(...names);
  }

  #side(index: number): number {
    return ((this.#sides ?? 0) >> index) & 1;
  }

  /** Whoever was cut off may hear from others that somebody lived until lately. */
  #newsMayCome(): void {
    for (const pair of this.#goneSinceMs.keys()) this.#goneSinceMs.set(pair, this.#cluster.now);
  }

  #stall(index: number, ms: number): void {
    const name = this.#name(index);
    this.#stalledUntilMs.set(name, Math.max(this.#stalledUntilMs.get(name) ?? 0, this.#cluster.now + ms));
  }

  #heal(): void {
    this.#sides = undefined;
    this.#newsMayCome();
    this.#disturbed = new Set();
    this.#everywhere = false;
    this.#cluster.heal();
  }

  /** Half of those that are down come back; the others have died. */
  #endFaults(): void {
    this.#cluster.network.options = {};
    this.#heal();
    this.#suspend([]);
    const stalledMs = Math.max(0, ...this.#stalledUntilMs.values()) - this.#cluster.now;
    if (stalledMs > 0) this.#pass(stalledMs);
    for (const [index, name] of this.#names.entries()) {
      if (!this.#cluster.isRunning(name) && !this.#left.has(name) && index % 2 === 0) this.#boot(name, 'start');
    }
  }

  #pass(ms: number): void {
    for (let left = ms; left > 0; left -= 1_000) {
      this.#cluster.run(Math.min(left, 1_000));
      this.#look();
    }
  }

  /** No live reachable member stays dead past the bound, and no dead or unreachable one stays alive. */
  #look(): void {
    const { now } = this.#cluster;
    const bound = boundMs(this.#schedule.profile);
    for (const [o, observer] of this.#names.entries()) {
      for (const [s, subject] of this.#names.entries()) {
        if (o === s) continue;
        const pair = `${observer} ${subject}`;
        const isOut = this.#suspended.has(observer) || this.#suspended.has(subject);
        const gone = this.#isGone(observer, subject) || this.#side(o) !== this.#side(s) || isOut;
        const good = !gone && this.#isGood(observer) && this.#isGood(subject) && !this.#everywhere;
        if (!good) this.#goodSinceMs.set(pair, now);
        if (!gone) this.#goneSinceMs.set(pair, now);
        if (!this.#cluster.isRunning(observer)) this.#goneSinceMs.set(pair, now);
        const status = this.#cluster.status(observer, subject);
        if (now - (this.#goodSinceMs.get(pair) ?? 0) > bound && status !== 'alive' && status !== 'suspect') {
          throw new Broken(`${subject} lives and is ${status} to ${observer}\n${this.#views()}`);
        }
        if (now - (this.#goneSinceMs.get(pair) ?? 0) > bound && (status === 'alive' || status === 'suspect')) {
          throw new Broken(`${subject} is gone and ${status} to ${observer}\n${this.#views()}`);
        }
      }
    }
  }

  /** Whether those that run are alive to all that run, and a verdict has been reached about everybody else. */
  #agree(running: readonly string[]): boolean {
    return running.every((observer) =>
      this.#names.every((subject) => {
        const status = this.#cluster.status(observer, subject);
        return running.includes(subject) ? status === 'alive' : status !== 'alive' && status !== 'suspect';
      }),
    );
  }

  #isGone(observer: string, subject: string): boolean {
    return !this.#cluster.isRunning(observer) || !this.#cluster.isRunning(subject);
  }

  #isGood(name: string): boolean {
    return (
      !this.#disturbed.has(name) && (this.#stalledUntilMs.get(name) ?? 0) <= this.#cluster.now && !this.#left.has(name)
    );
  }

  #views(): string {
    return this.#names
      .map((observer) => {
        const seen = this.#names.map((subject) => this.#cluster.status(observer, subject) ?? 'unknown');
        return `${observer}${this.#cluster.isRunning(observer) ? '' : ' (down)'}: ${seen.join(' ')}`;
      })
      .join('\n');
  }
}
