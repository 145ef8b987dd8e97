import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { spreadOf } from '../runner/statistics.ts';
import { shownSpread, type Table } from '../runner/table.ts';
import { OurProcesses } from './our-processes.ts';
import { SerfProcesses } from './serf-processes.ts';
import { pause, type WatchedCluster } from './watched-cluster.ts';

export interface BesideSerfPlan {
  readonly members: number;
  /** Kills of one of each. */
  readonly rounds: number;
  readonly stops: number;
  readonly stopMs: number;
  readonly starvedMs: number;
  readonly idleMs: number;
  /** Before that, for a runtime to be through with what it does after a start (V8 makes its heap smaller, once). */
  readonly idleRestMs: number;
  readonly profile: 'local' | 'lan';
}

/** By what was measured, a list for each of the two: Caxton’s first. */
export interface BesideSerf {
  /** Per kill, the milliseconds until the last survivor, and all survivors of all kills. */
  readonly kills: { readonly last: Pair; readonly each: Pair };
  /** Until the last has seen that a stopped member is gone, and, counted from its going on, that it is back. */
  readonly stops: { readonly gone: Pair; readonly back: Pair };
  /** Verdicts about members that lived: while others were killed, stopped, and while all were starved. */
  readonly wrongs: { readonly kills: Pair; readonly stops: Pair; readonly starved: Pair };
  readonly spinners: number;
  /** Thousandths of a core for each process, idle. */
  readonly idle: Pair;
}

type Pair = readonly [ours: readonly number[], serf: readonly number[]];

const wholeMsMax = 120_000;
const seenMsMax = 90_000;
/** After all have seen all, for links, rumours and scores to come to rest. */
const restMs = 4_000;
const serfFirstPort = 17_900;

/** Ten of each on one machine, to which the same happens in the same moment. */
export async function besideSerf(plan: BesideSerfPlan, say: (text: string) => void): Promise<BesideSerf> {
  const home = mkdtempSync(join(tmpdir(), 'caxton-beside-serf-'));
  const named = (kind: string) => Array.from({ length: plan.members }, (_, at) => `${kind}-${at + 1}`);
  const ours = await OurProcesses.make(join(home, 'cluster'), named('node'), plan.profile);
  const serf = new SerfProcesses(named('serf'), serfFirstPort);
  const both = [ours, serf] as const;
  try {
    for (const cluster of both) for (const name of cluster.names) cluster.start(name);
    await settled(both);
    say(`${plan.members} nodes and ${plan.members} serf agents are whole`);
    await pause(plan.idleRestMs);
    const idle = await idleOf(both, plan.idleMs);
    say(`idle: ${idle.map((all) => spreadOf(all).median.toFixed(1)).join(' and ')} ‰ of a core each`);
    const kills = await killRounds(both, plan.rounds, say);
    const stops = await stopRounds(both, plan, say);
    const starved = await starve(both, plan.starvedMs, say);
    const { wrongs: atKills, ...times } = kills;
    const { wrongs: atStops, ...stopTimes } = stops;
    const wrongs = { kills: atKills, stops: atStops, starved: starved.wrongs };
    return { kills: times, stops: stopTimes, wrongs, spinners: starved.spinners, idle };
  } finally {
    await Promise.all(both.map((cluster) => cluster.end()));
    rmSync(home, { recursive: true, force: true });
  }
}

type Both = readonly [WatchedCluster, WatchedCluster];

const pairOf = async <T>(both: Both, of: (cluster: WatchedCluster) => Promise<T> | T): Promise<[T, T]> =>
  Promise.all([of(both[0]), of(both[1])]);

async function settled(both: Both): Promise<void> {
  await pairOf(both, (cluster) => cluster.whole(wholeMsMax));
  await pause(restMs);
  await pairOf(both, (cluster) => cluster.whole(wholeMsMax));
}

async function idleOf(both: Both, ms: number): Promise<Pair> {
  const before = both.map((cluster) => cluster.processorMs());
  const startMs = performance.now();
  await pause(ms);
  const tookMs = performance.now() - startMs;
  const [ours, serf] = both.map((cluster, index) =>
    [...cluster.processorMs()].map(([name, usedMs]) => ((usedMs - before[index]!.get(name)!) / tookMs) * 1_000),
  );
  return [ours!, serf!];
}

async function killRounds(both: Both, rounds: number, say: (text: string) => void) {
  const last: [number[], number[]] = [[], []];
  const each: [number[], number[]] = [[], []];
  const wrongs: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    // Not the first, by which the others join.
    const victim = 1 + (round % (both[0].names.length - 1));
    const atMs = performance.now();
    for (const cluster of both) cluster.signal(cluster.names[victim]!, 'SIGKILL');
    const seen = await pairOf(both, (cluster) => cluster.seenGone(cluster.names[victim]!, atMs, seenMsMax));
    for (const index of [0, 1] as const) {
      last[index].push(Math.max(...seen[index]));
      each[index].push(...seen[index]);
      wrongs[index].push(both[index].wrongs(atMs, [both[index].names[victim]!]));
    }
    say(`kill ${round + 1}: all know after ${last.map((all) => `${all.at(-1)!.toFixed(0)} ms`).join(' and ')}`);
    for (const cluster of both) cluster.start(cluster.names[victim]!);
    await settled(both);
  }
  return { last, each, wrongs };
}

async function stopRounds(both: Both, { stops, stopMs }: BesideSerfPlan, say: (text: string) => void) {
  const gone: [number[], number[]] = [[], []];
  const back: [number[], number[]] = [[], []];
  const wrongs: [number[], number[]] = [[], []];
  for (let round = 0; round < stops; round++) {
    const victim = both[0].names.length - 1 - round;
    const stopped = (index: 0 | 1) => both[index].names[victim]!;
    const atMs = performance.now();
    for (const cluster of both) cluster.signal(cluster.names[victim]!, 'SIGSTOP');
    const seen = await pairOf(both, (cluster) => cluster.seenGone(cluster.names[victim]!, atMs, seenMsMax));
    await pause(Math.max(0, stopMs - (performance.now() - atMs)));
    const onMs = performance.now();
    for (const cluster of both) cluster.signal(cluster.names[victim]!, 'SIGCONT');
    const returned = await pairOf(both, (cluster) => cluster.seenBack(cluster.names[victim]!, onMs, seenMsMax));
    await settled(both);
    for (const index of [0, 1] as const) {
      gone[index].push(Math.max(...seen[index]));
      back[index].push(Math.max(...returned[index]));
      wrongs[index].push(both[index].wrongs(atMs, [stopped(index)]));
    }
    const shown = (all: readonly number[]) => `${(all.at(-1)! / 1_000).toFixed(1)} s`;
    say(`stop ${round + 1}: gone after ${gone.map(shown).join(' and ')}, back after ${back.map(shown).join(' and ')}`);
  }
  return { gone, back, wrongs };
}

/** Processes that do nothing but turn, four for each core, beside which twenty members must get their turns. */
async function starve(both: Both, ms: number, say: (text: string) => void) {
  const spinners: ChildProcess[] = [];
  const count = 4 * cpus().length;
  const atMs = performance.now();
  try {
    for (let at = 0; at < count; at++) spinners.push(spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
    process.once('exit', () => {
      for (const child of spinners) child.kill('SIGKILL');
    });
    await pause(ms);
  } finally {
    for (const child of spinners) child.kill('SIGKILL');
  }
  const [ours, serf] = both.map((cluster) => cluster.wrongs(atMs));
  say(`starved for ${Math.round(ms / 1_000)} s: ${ours} and ${serf} wrong verdicts`);
  const wrongs: Pair = [[ours!], [serf!]];
  return { spinners: count, wrongs };
}

const sum = (all: readonly number[]): number => all.reduce((total, one) => total + one, 0);
const seconds = (all: readonly number[]): string =>
  all.length === 0 ? '' : shownSpread(spreadOf(all.map((ms) => ms / 1_000)));

export function besideSerfTable(plan: BesideSerfPlan, found: BesideSerf, serf: string): Table {
  const row = (what: string, [ours, theirs]: Pair, shown: (all: readonly number[]) => string) => [
    what,
    shown(ours),
    shown(theirs),
  ];
  const total = (all: readonly number[]) => String(sum(all));
  return {
    title: `${plan.members} nodes beside ${plan.members} agents of ${serf}, real processes`,
    head: ['', `Caxton, profile \`${plan.profile}\``, 'serf, LAN profile, encrypted'],
    rows: [
      row('`kill -9`: the last survivor knows, s', found.kills.last, seconds),
      row('a survivor knows, s', found.kills.each, seconds),
      row('`SIGSTOP`: the last knows, s', found.stops.gone, seconds),
      row('`SIGCONT`: the last sees it back, s', found.stops.back, seconds),
      row(`wrong verdicts at ${plan.rounds} kills`, found.wrongs.kills, total),
      row(`wrong verdicts at ${plan.stops} stops`, found.wrongs.stops, total),
      row(`wrong verdicts in ${Math.round(plan.starvedMs / 1_000)} s of starvation`, found.wrongs.starved, total),
      row('idle, ‰ of a core a process', found.idle, (all) => shownSpread(spreadOf(all))),
    ],
    after: [
      'Medians, with the least and the greatest. The same signal goes to one of each in the same moment. A survivor of ' +
        'ours knows when it finds the member `unreachable` or `dead` and routes nothing to it; one of serf’s when its log ' +
        'says `EventMemberFailed`. Wrong is a verdict about a member that lived, by a member that was not stopped. ' +
        `Starvation: ${found.spinners} processes that only turn, beside all of them. Idle: over ` +
        `${Math.round(plan.idleMs / 1_000)} s, which begin ${Math.round(plan.idleRestMs / 1_000)} s after all saw all; before ` +
        'that V8 makes the heap of the start smaller, once.',
    ],
  };
}
