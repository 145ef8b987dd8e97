import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchCluster, makeCluster } from '../caxton.ts';
import { type BenchOptions, type Report, roundsOf } from '../runner/report.ts';
import { type Contender, interleave, type Readings } from '../runner/rounds.ts';
import { differenceOf, spreadOf } from '../runner/statistics.ts';
import { noise, shownSpread, type Table, verdict } from '../runner/table.ts';
import { type Packaged, packagedProgram } from './packaged.ts';
import { cloneProgram, runTime, type StartedNode, startNodeProcess } from './processes.ts';

const helpGoalMs = 160;
const readyGoalMs = 1_000;
const convergedGoalMs = 2_000;

/** How long a person waits: for the command line, for a node, for a cluster. */
export async function start({ quick }: BenchOptions): Promise<Report> {
  const caches = await mkdtemp(join(tmpdir(), 'caxton-bench-caches-'));
  const packaged = packagedProgram();
  try {
    const tables = [
      await help(caches, packaged, quick),
      await ready(packaged, quick),
      await converged(packaged, quick),
    ];
    return { title: 'bench/start: how long one waits', about, tables };
  } finally {
    packaged?.remove();
    await rm(caches, { recursive: true, force: true });
  }
}

const about = [
  'Each figure in milliseconds: median (least to greatest) of the rounds, from spawning the process. “Clone”: the ' +
    'TypeScript of this work tree; “package”: JavaScript built from it, as `npm install` lays it. The compile cache of ' +
    'Node is warm from the second start of a program on, which is what people see; “first start” has an empty one.',
];

const bare = '`node -e 0`';

async function help(caches: string, packaged: Packaged | undefined, quick: boolean): Promise<Table> {
  let starts = 0;
  const contender = (name: string, program: string, cache: () => string): Contender => ({
    name,
    round: async () => ({ ms: await runTime([program, '--help'], { NODE_COMPILE_CACHE: cache() }) }),
  });
  const warm = (name: string) => () => join(caches, name);
  const fresh = () => join(caches, `fresh-${++starts}`);
  const contenders: Contender[] = [
    { name: bare, round: async () => ({ ms: await runTime(['-e', '0'], {}) }) },
    contender('`caxton --help`, clone', cloneProgram, warm('clone')),
    contender('`caxton --help`, clone, first start', cloneProgram, fresh),
  ];
  if (packaged)
    contenders.push(
      contender('`caxton --help`, package', packaged.program, warm('package')),
      contender('`caxton --help`, package, first start', packaged.program, fresh),
    );
  const readings = await interleave(contenders, roundsOf(quick, { rounds: 15, warmUps: 2 }));
  const floor = readings.get(bare)!.ms!;
  const added = (name: string) => differenceOf(readings.get(name)!.ms!, floor);
  const warmOnes = [...readings.keys()].filter((name) => name !== bare && !name.endsWith('first start'));
  const worst = Math.max(...warmOnes.map((name) => added(name).median));
  return {
    title: 'The command line',
    head: ['', 'ms', 'ms more than `node -e 0`'],
    rows: [...readings].map(([name, { ms }]) => [
      name,
      shownSpread(spreadOf(ms!)),
      name === bare ? '' : shownSpread(added(name)),
    ]),
    after: [
      ...notBuilt(packaged),
      verdict(`+${helpGoalMs} ms at most, cache warm`, worst <= helpGoalMs, `+${Math.round(worst)} ms`),
      ...noise(readings, 'ms'),
    ],
  };
}

const notBuilt = (packaged: Packaged | undefined): string[] =>
  packaged ? [] : ['The rows of the package are left out: the sources do not build now.'];

const programsOf = (packaged: Packaged | undefined): [string, string][] => [
  ['clone', cloneProgram],
  ...(packaged ? [['package', packaged.program] as [string, string]] : []),
];

async function ready(packaged: Packaged | undefined, quick: boolean): Promise<Table> {
  const cluster = await makeCluster(['node-1']);
  try {
    const contenders = programsOf(packaged).map(
      ([name, program]): Contender => ({
        name: `A node is up, ${name}`,
        round: async () => {
          const node = startNodeProcess(program, cluster.layout, 'node-1');
          try {
            return { ms: await node.up };
          } finally {
            await node.stop();
          }
        },
      }),
    );
    const readings = await interleave(contenders, roundsOf(quick, { rounds: 7, warmUps: 1 }));
    return timesTable('A node', readings, 'up within', readyGoalMs);
  } finally {
    await cluster.remove();
  }
}

const members = ['node-1', 'node-2', 'node-3'];

async function converged(packaged: Packaged | undefined, quick: boolean): Promise<Table> {
  const cluster = await makeCluster(members);
  try {
    const contenders = programsOf(packaged).map(
      ([name, program]): Contender => ({
        name: `All three see each other, ${name}`,
        round: async () => ({ ms: await convergence(program, cluster) }),
      }),
    );
    const readings = await interleave(contenders, roundsOf(quick, { rounds: 5, warmUps: 1 }));
    return timesTable(
      'A cluster of three, from the start of the third process',
      readings,
      'converged within',
      convergedGoalMs,
    );
  } finally {
    await cluster.remove();
  }
}

/** Milliseconds from spawning the third node until each of the three sees the two others alive. */
async function convergence(program: string, { layout }: BenchCluster): Promise<number> {
  const nodes: StartedNode[] = [];
  try {
    let third = 0;
    for (const id of members) {
      third = performance.now();
      const node = startNodeProcess(program, layout, id);
      nodes.push(node);
      if (nodes.length < members.length) await node.up;
    }
    const [at] = await Promise.all([
      Promise.all(nodes.map((node) => node.sees(members.length - 1))),
      ...nodes.map((node) => node.up),
    ]);
    return Math.max(...at) - third;
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
}

function timesTable(title: string, readings: ReadonlyMap<string, Readings>, goal: string, goalMs: number): Table {
  const spreads = [...readings].map(([name, { ms }]) => ({ name, spread: spreadOf(ms!) }));
  const worst = Math.max(...spreads.map(({ spread }) => spread.median));
  return {
    title,
    head: ['', 'ms'],
    rows: spreads.map(({ name, spread }) => [name, shownSpread(spread)]),
    after: [
      verdict(`${goal} ${goalMs / 1_000} s`, worst <= goalMs, `${Math.round(worst)} ms`),
      ...noise(readings, 'ms'),
    ],
  };
}
