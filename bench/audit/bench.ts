import { join } from 'node:path';
import { peerVersions } from '../runner/machine.ts';
import { type Player, startPlayer } from '../runner/process.ts';
import { type BenchOptions, type Report, roundsOf } from '../runner/report.ts';
import { interleave, type Readings } from '../runner/rounds.ts';
import { intervalOf, ratioOf, spreadOf } from '../runner/statistics.ts';
import { noise, shortNumber, shownSpread, type Table, verdict } from '../runner/table.ts';

const program = (name: string): string => join(import.meta.dirname, `${name}.ts`);
const median = (values: readonly number[]): number => spreadOf(values).median;

/** The audit log: what a durable record, a counted message and a verification cost. */
export async function audit({ quick }: BenchOptions): Promise<Report> {
  const tables = [
    await records(quick, 1),
    await records(quick, 4_096),
    await grants(quick),
    await verification(quick),
    await memory(quick),
  ];
  return { title: 'bench/audit: records that survive a power cut', about, tables };
}

const about = [
  'Records of some 300 bytes, hashed into the tree, sealed (AES-256-GCM), written and synced before they are answered. ' +
    '“Bare” writes a line and waits for fdatasync, one after the other: the least that one durable record can cost. pino ' +
    'writes a line with a sync destination: it is with the system then, and not yet on the disk. Each contender has a ' +
    'process of its own, and they take turns. Each figure: median (least to greatest) of the rounds.',
];

async function playing<T>(
  programs: Readonly<Record<string, readonly [name: string, ...args: string[]]>>,
  use: (players: ReadonlyMap<string, Player>) => Promise<T>,
): Promise<T> {
  const players = new Map<string, Player>();
  try {
    for (const [name, [file, ...args]] of Object.entries(programs))
      players.set(name, await startPlayer(program(file), args));
    return await use(players);
  } finally {
    for (const player of players.values()) await player.stop();
  }
}

const compare = (
  players: ReadonlyMap<string, Player>,
  plan: (name: string) => unknown,
  rounds: { readonly rounds: number; readonly warmUps: number },
): Promise<ReadonlyMap<string, Readings>> =>
  interleave(
    [...players].map(([name, player]) => ({ name, round: () => player.round(plan(name)) })),
    rounds,
  );

async function records(quick: boolean, inFlight: number): Promise<Table> {
  const pino = `pino ${peerVersions().pino}, sync`;
  const bare = 'bare write and fdatasync';
  const readings = await playing(
    { Caxton: ['records', 'caxton'], [bare]: ['records', 'bare'], [pino]: ['records', 'pino'] },
    (players) =>
      compare(
        players,
        // Many at once would only queue behind each other in a loop that does one at a time.
        (name) => ({ inFlight: name === 'Caxton' ? inFlight : 1, ms: quick ? 150 : 1_500 }),
        roundsOf(quick, { rounds: 7, warmUps: 2 }),
      ),
  );
  const ours = readings.get('Caxton')!;
  const rate = median(ours.perSecond!);
  const p99 = median(ours.p99!);
  const bound = Math.max(5_000, 3 * median(readings.get(bare)!.p99!));
  return {
    title: inFlight === 1 ? 'One act that waits' : `${inFlight.toLocaleString('en')} acts that wait`,
    head: ['', 'records/s', 'p50 µs', 'p99 µs'],
    rows: [...readings].map(([name, all]) => [
      name === 'Caxton' ? `Caxton, ${inFlight.toLocaleString('en')} in flight` : name,
      shownSpread(spreadOf(all.perSecond!)),
      shortNumber(median(all.p50!)),
      shortNumber(median(all.p99!)),
    ]),
    after: [
      inFlight === 1
        ? verdict('p99 of 5 ms, or three times a bare fdatasync', p99 <= bound, `${shortNumber(p99)} µs`)
        : verdict('100,000 durable records/s', rate >= 100_000, shortNumber(rate)),
      ...noise(readings, 'perSecond'),
    ],
  };
}

async function grants(quick: boolean): Promise<Table> {
  const readings = await playing({ grants: ['grants'] }, (players) =>
    compare(players, () => ({ calls: quick ? 10_000 : 1_000_000 }), roundsOf(quick, { rounds: 30, warmUps: 5 })),
  );
  const { none, aggregate } = readings.get('grants')!;
  const added = intervalOf(none!.map((without, round) => aggregate![round]! - without));
  return {
    title: 'A message that is let through',
    head: ['level', 'ns a message'],
    rows: [
      ['`none`', shownSpread(spreadOf(none!))],
      ['`aggregate`', shownSpread(spreadOf(aggregate!))],
    ],
    after: [
      verdict(
        'the level aggregate adds 50 ns at most (30 pairs, upper end of the 95 % interval)',
        added.upper <= 50,
        `${added.mean.toFixed(1)} ns, ${added.lower.toFixed(1)} to ${added.upper.toFixed(1)}`,
      ),
    ],
  };
}

async function verification(quick: boolean): Promise<Table> {
  // Long enough that the start of the threads, of which each verification has its own, is a small part.
  const total = quick ? 150_000 : 1_600_000;
  const count = String(total);
  const readings = await playing(
    {
      'in the node’s own thread': ['verify', '0', count],
      'one thread of its own': ['verify', '1', count],
      'two threads': ['verify', '2', count],
    },
    (players) => compare(players, () => ({}), roundsOf(quick, { rounds: 7, warmUps: 2 })),
  );
  const [own, one, two] = [...readings.values()].map(({ perSecond }) => perSecond!) as [number[], number[], number[]];
  const ratio = ratioOf(two, one);
  return {
    title: `Verification of ${total.toLocaleString('en')} records, the start of its threads included`,
    head: ['', 'records/s', '÷ one thread'],
    rows: [...readings].map(([name, { perSecond }]) => [
      name,
      shownSpread(spreadOf(perSecond!)),
      shownSpread(ratioOf(perSecond!, one)),
    ]),
    after: [
      verdict('300,000 records/s a core', median(own) >= 300_000, shortNumber(median(own))),
      verdict('1.6 times that with two', ratio.median >= 1.6, ratio.median.toFixed(2)),
      ...noise(readings, 'perSecond'),
    ],
  };
}

/** Memory of a process that writes ten million records. */
async function memory(quick: boolean): Promise<Table> {
  const [total, step] = quick ? [40_000, 20_000] : [10_000_000, 1_000_000];
  const samples = await playing({ writer: ['records', 'caxton'] }, async (players) => {
    const writer = players.get('writer')!;
    const seen: { readonly records: number; readonly mib: number }[] = [];
    let records = 0;
    while (records < total) {
      const ms = quick ? 150 : 2_000;
      const { perSecond, rss } = await writer.round({ inFlight: 4_096, ms });
      records += (perSecond! * ms) / 1_000;
      if (records >= (seen.length + 1) * step) seen.push({ records, mib: rss! / 2 ** 20 });
    }
    return seen;
  });
  const half = samples[Math.floor(samples.length / 2)]!;
  const last = samples.at(-1)!;
  const grown = last.mib - half.mib;
  return {
    title: 'Memory of the process',
    head: ['records written', 'MiB resident'],
    rows: samples.map(({ records, mib }) => [Math.round(records).toLocaleString('en'), mib.toFixed(0)]),
    after: [
      verdict(
        'flat while 10,000,000 records are written (second half: 10 % at most)',
        grown <= 0.1 * half.mib,
        `${grown.toFixed(0)} MiB more`,
      ),
    ],
  };
}
