import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { peerVersions } from '../runner/machine.ts';
import { type Player, startPlayer } from '../runner/process.ts';
import { type BenchOptions, type Report, reportText, roundsOf } from '../runner/report.ts';
import { interleave, type Readings } from '../runner/rounds.ts';
import { ratioOf, spreadOf } from '../runner/statistics.ts';
import { noise, shortNumber, shownSpread, type Table, verdict } from '../runner/table.ts';

const batch = 4_096;
const versions = peerVersions();

/** One process each: what the kernel does to the compiler must not help or harm those it is measured beside. */
async function compare(
  contenders: Readonly<Record<string, readonly [program: string, ...args: string[]]>>,
  plan: unknown,
  rounds: { readonly rounds: number; readonly warmUps: number },
): Promise<ReadonlyMap<string, Readings>> {
  const players: Player[] = [];
  try {
    const runs: { name: string; round: Player['round'] }[] = [];
    for (const [name, [program, ...args]] of Object.entries(contenders)) {
      const player = await startPlayer(join(import.meta.dirname, `${program}.ts`), args);
      players.push(player);
      runs.push({ name, round: player.round });
    }
    return await interleave(
      runs.map(({ name, round }) => ({ name, round: () => round(plan) })),
      rounds,
    );
  } finally {
    for (const player of players) await player.stop();
  }
}

const median = (values: readonly number[] | undefined): number => spreadOf(values ?? []).median;

/** The kernel itself: nothing is signed, judged or audited there. And in the last table, agents of a node. */
export async function kernel({ quick }: BenchOptions): Promise<Report> {
  const tables = [
    await tells(quick),
    await asks(quick),
    await spawns(quick),
    await restarts(quick),
    await overload(quick),
    await agents(quick),
  ];
  return { title: 'bench/kernel: actors, and what an agent adds to one', about, tables };
}

const about = [
  'Each contender has a process of its own, and they take turns. “Queue” is the least that a queue can do: an array that ' +
    'is filled, and emptied in the next turn of the event loop, without bound, lane, timeout or supervisor. Each figure: ' +
    'median (least to greatest) of the rounds.',
  'Whole agents: `node.deploy` for all of them at once, each with a new key of its own; audit log and state database are ' +
    'on disk and wait for it. “Keys and signatures alone”: as many pairs of keys and signatures, one after the other in ' +
    'the same process, just before. “Bytes idle” is the heap that one more agent keeps, all that the node knows of it ' +
    'included: what is used after a full collection with all of them, less that with the first third, shared by the rest.',
];

async function tells(quick: boolean): Promise<Table> {
  const xstate = `XState ${versions.xstate}, \`actor.send\``;
  const readings = await compare(
    {
      'tell to a handler': ['tells', 'handler'],
      'tell to a handler, tap set': ['tells', 'tapped'],
      Queue: ['tells', 'queue'],
      'tell to a chart': ['tells', 'chart'],
      [xstate]: ['tells', 'xstate'],
    },
    { messages: batch, ms: quick ? 100 : 700 },
    roundsOf(quick, { rounds: 9, warmUps: 3 }),
  );
  const of = (name: string): readonly number[] => readings.get(name)!.perSecond!;
  const handler = spreadOf(of('tell to a handler'));
  const chart = ratioOf(of('tell to a chart'), of(xstate));
  return {
    title: `One way, in batches of ${batch.toLocaleString('en')}`,
    head: ['', 'messages/s', '÷ queue', '÷ XState'],
    rows: [...readings].map(([name, { perSecond }]) => [
      name,
      shownSpread(spreadOf(perSecond!)),
      name === 'Queue' ? '' : shownSpread(ratioOf(perSecond!, of('Queue'))),
      name === xstate ? '' : shownSpread(ratioOf(perSecond!, of(xstate))),
    ]),
    after: [
      verdict('5,000,000/s to a handler', handler.median >= 5e6, `${shortNumber(handler.median)}/s`),
      verdict('0.8 of bare XState to a chart', chart.median >= 0.8, shortNumber(chart.median)),
      ...noise(readings, 'perSecond'),
    ],
  };
}

async function asks(quick: boolean): Promise<Table> {
  const rows: string[][] = [];
  const after: string[] = [];
  for (const inFlight of [1, 64]) {
    const readings = await compare(
      { ask: ['asks', 'kernel'], Queue: ['asks', 'queue'] },
      { inFlight, ms: quick ? 100 : 700 },
      roundsOf(quick, { rounds: 9, warmUps: 3 }),
    );
    const queue = readings.get('Queue')!.perSecond!;
    for (const [name, { perSecond }] of readings)
      rows.push([
        `${name}, ${inFlight} in flight`,
        shownSpread(spreadOf(perSecond!)),
        name === 'Queue' ? '' : shownSpread(ratioOf(perSecond!, queue)),
      ]);
    const rate = median(readings.get('ask')!.perSecond);
    if (inFlight === 64) after.push(verdict('2,000,000/s at 64 in flight', rate >= 2e6, `${shortNumber(rate)}/s`));
    after.push(...noise(readings, 'perSecond'));
  }
  return { title: 'Question and answer', head: ['', 'questions/s', '÷ queue'], rows, after };
}

async function spawns(quick: boolean): Promise<Table> {
  const most = quick ? 10_000 : 50_000;
  const bare = `XState ${versions.xstate}, the same chart bare`;
  const readings = await compare(
    { Handler: ['spawns', 'handler'], Chart: ['spawns', 'chart'], [bare]: ['spawns', 'xstate'] },
    { most },
    roundsOf(quick, { rounds: 5, warmUps: 1 }),
  );
  const points = [100, 1_000, 10_000, 50_000].filter((point) => point <= most);
  const first = Math.min(1_000, most);
  const flat = (name: string): number => {
    const all = readings.get(name)!;
    return ratioOf(all[`us${most}`]!, all[`us${first}`]!).median;
  };
  return {
    title:
      'What an actor costs: started one after the other, each awaited; then idle; then stopped in order with the tree',
    head: ['', ...points.map((point) => `µs a start, up to ${point.toLocaleString('en')}`), 'bytes idle', 'µs a stop'],
    rows: [...readings].map(([name, all]) => [
      name,
      ...points.map((point) => shownSpread(spreadOf(all[`us${point}`]!))),
      shortNumber(median(all.bytes)),
      shownSpread(spreadOf(all.stopUs!)),
    ]),
    after: [
      'Bytes idle are those of bare actors; what whole agents keep, for which there is a goal, is in the last table.',
      verdict(
        'flat: the last thousands cost no more than 1.5 times the first',
        flat('Handler') <= 1.5,
        shortNumber(flat('Handler')),
      ),
    ],
  };
}

async function restarts(quick: boolean): Promise<Table> {
  const readings = await compare(
    { Handlers: ['restarts', 'handler'], Charts: ['restarts', 'chart'] },
    {},
    roundsOf(quick, { rounds: 9, warmUps: 2 }),
  );
  const worst = Math.max(...[...readings.values()].map(({ ms }) => median(ms)));
  return {
    title: '1,000 crashes and restarts beside 10,000 siblings',
    head: ['', 'ms'],
    rows: [...readings].map(([name, { ms }]) => [name, shownSpread(spreadOf(ms!))]),
    after: [verdict('100 ms', worst <= 100, `${shortNumber(worst)} ms`)],
  };
}

async function overload(quick: boolean): Promise<Table> {
  const readings = await compare(
    { Overload: ['overload'] },
    { ms: quick ? 300 : 10_000 },
    roundsOf(quick, { rounds: 2, warmUps: 0 }),
  );
  const all = readings.get('Overload')!;
  const p99 = median(all.controlP99Ms);
  const lost = Math.max(...all.urgentLost!);
  const grown = median(all.heapAfterMb);
  return {
    title: 'Ten times what an actor can serve, for ten seconds',
    head: ['', 'reached'],
    rows: [
      ['Offered ÷ what the actor could serve alone', shownSpread(spreadOf(all.times!))],
      ['Served each second, beside those who send', shownSpread(spreadOf(all.servedPerSecond!))],
      ['Refused to the sender, who never saw a throw', shownSpread(spreadOf(all.refusedPart!))],
      ['Control lane, p99 ms', shownSpread(spreadOf(all.controlP99Ms!))],
      ['Control lane, worst ms', shownSpread(spreadOf(all.controlWorstMs!))],
      ['Control and supervision messages lost', shortNumber(lost)],
      ['Heap at its highest, MB more than before', shownSpread(spreadOf(all.heapMostMb!))],
      ['Heap afterwards, MB more than before', shownSpread(spreadOf(all.heapAfterMb!))],
    ],
    after: [
      verdict('control within 5 ms at p99', p99 < 5, `${shortNumber(p99)} ms`),
      verdict('nothing of control or supervision lost', lost === 0, `${lost}`),
      verdict('heap bounded', grown < 32, `${shortNumber(grown)} MB more afterwards`),
    ],
  };
}

async function agents(quick: boolean): Promise<Table> {
  const count = quick ? 500 : 10_000;
  const readings = await compare(
    { Handlers: ['agents', 'handler'], Charts: ['agents', 'chart'] },
    { agents: count },
    roundsOf(quick, { rounds: 3, warmUps: 1 }),
  );
  const seconds = (values: readonly number[]) => spreadOf(values.map((ms) => ms / 1_000));
  const bytes = (name: string): number => median(readings.get(name)!.bytes);
  const most = (quantity: string): number =>
    Math.max(...[...readings.values()].map((all) => median(all[quantity]) / 1_000));
  return {
    title: `${count.toLocaleString('en')} whole agents of one node: each signed, recorded durably, announced and supervised`,
    head: [
      '',
      's to deploy all',
      '÷ keys and signatures alone',
      's of processor',
      's to stop all',
      'bytes idle',
      'ms for one alone',
    ],
    rows: [...readings].map(([name, all]) => [
      name,
      shownSpread(seconds(all.deployMs!)),
      shownSpread(ratioOf(all.deployMs!, all.signMs!)),
      shownSpread(seconds(all.cpuMs!)),
      shownSpread(seconds(all.stopMs!)),
      shortNumber(median(all.bytes)),
      shownSpread(spreadOf(all.oneMs!)),
    ]),
    after: [
      verdict('an idle handler within 2 KB', bytes('Handlers') <= 2_048, `${shortNumber(bytes('Handlers'))} bytes`),
      verdict('an idle chart within 6 KB', bytes('Charts') <= 6_144, `${shortNumber(bytes('Charts'))} bytes`),
      verdict('deployed in under 5 s', most('deployMs') < 5, `${shortNumber(most('deployMs'))} s`),
      verdict('stopped in under 2 s', most('stopMs') < 2, `${shortNumber(most('stopMs'))} s`),
      ...noise(readings, 'deployMs'),
    ],
  };
}

if (import.meta.main) {
  console.log(`${availableParallelism()} cores`);
  console.log(reportText(await kernel({ quick: process.argv.includes('--quick') })));
}
