import { join } from 'node:path';
import { makeCluster } from '../caxton.ts';
import { peerVersions } from '../runner/machine.ts';
import { type Player, startPlayer } from '../runner/process.ts';
import { type BenchOptions, type Report, roundsOf } from '../runner/report.ts';
import { interleave, type Readings } from '../runner/rounds.ts';
import { ratioOf, spreadOf } from '../runner/statistics.ts';
import { noise, shortNumber, shownSpread, type Table } from '../runner/table.ts';
import type { LocalPlan } from './arrivals.ts';

const program = (name: string): string => join(import.meta.dirname, `${name}.ts`);
const batch = 256;

/** Authorised messages between two agents of one node, beside function calls that nobody judges. */
export async function local({ quick }: BenchOptions): Promise<Report> {
  const clusters = [await makeCluster(['node-1']), await makeCluster(['node-1'])] as const;
  const players: Player[] = [];
  const start = async (name: string, ...args: string[]): Promise<Player> => {
    const player = await startPlayer(program(name), args);
    players.push(player);
    return player;
  };
  try {
    const handler = await start('caxton', 'handler', clusters[0].folder);
    const chart = await start('caxton', 'chart', clusters[1].folder);
    const xstate = await start('xstate');
    const moleculer = await start('moleculer');
    const versions = peerVersions();
    const ms = quick ? 100 : 1_000;
    const compare = async (plan: LocalPlan, peerName: string, peer: Player): Promise<ReadonlyMap<string, Readings>> => {
      const verb = plan.kind === 'tell' ? 'tell' : 'ask';
      const contenders: [string, Player][] = [
        [`Caxton, \`${verb}\` to a handler`, handler],
        [`Caxton, \`${verb}\` to a chart`, chart],
        [peerName, peer],
      ];
      const runs = contenders.map(([name, player]) => ({ name, round: () => player.round(plan) }));
      return interleave(runs, roundsOf(quick, { rounds: 7, warmUps: 2 }));
    };
    const tables: Table[] = [];
    const bare = `XState ${versions.xstate}, \`actor.send\``;
    tables.push(tellTable(await compare({ kind: 'tell', messages: batch, ms }, bare, xstate)));
    const broker = `Moleculer ${versions.moleculer}, \`broker.call\``;
    for (const inFlight of [1, 64])
      tables.push(askTable(inFlight, await compare({ kind: 'ask', inFlight, ms }, broker, moleculer)));
    return { title: 'bench/local: agent to agent within one node', about, tables };
  } finally {
    for (const player of players) await player.stop();
    for (const cluster of clusters) await cluster.remove();
  }
}

const about = [
  'Sender and receiver live in one process; each contender has a process of its own. 300 bytes a message, copied once by ' +
    'every sender. Caxton judges each message (capability, policy, rate), puts it into an inbox and audits it; its rate ' +
    'limit is set to 1,000,000/s, where the default is 100/s, and previews are off. XState and Moleculer call a function: ' +
    `no inbox, no judgement. One-way messages go in batches of ${batch}, each awaited until all of it has arrived. Each ` +
    'figure: median (least to greatest) of the rounds.',
];

/** How the peer’s rate stands to each of ours. */
function ratios(readings: ReadonlyMap<string, Readings>): string[] {
  const all = [...readings.values()].map((reading) => reading.perSecond!);
  const peer = all.at(-1)!;
  return all.map((values) => (values === peer ? '' : shownSpread(ratioOf(values, peer))));
}

function tellTable(readings: ReadonlyMap<string, Readings>): Table {
  const against = ratios(readings);
  return {
    title: 'One way',
    head: ['', 'messages/s', '÷ bare XState'],
    rows: [...readings].map(([name, all], row) => [name, shownSpread(spreadOf(all.perSecond!)), against[row]!]),
    after: noise(readings, 'perSecond'),
  };
}

function askTable(inFlight: number, readings: ReadonlyMap<string, Readings>): Table {
  const against = ratios(readings);
  return {
    title: `Question and answer, ${inFlight} in flight`,
    head: ['', 'questions/s', '÷ Moleculer', 'p50 µs', 'p99 µs'],
    rows: [...readings].map(([name, all], row) => [
      name,
      shownSpread(spreadOf(all.perSecond!)),
      against[row]!,
      shortNumber(spreadOf(all.p50!).median),
      shortNumber(spreadOf(all.p99!).median),
    ]),
    after: noise(readings, 'perSecond'),
  };
}
