import { join } from 'node:path';
import { makeCluster } from '../caxton.ts';
import type { CallsPlan } from '../runner/calls.ts';
import { peerVersions } from '../runner/machine.ts';
import { type Player, startPlayer } from '../runner/process.ts';
import { type BenchOptions, type Report, roundsOf } from '../runner/report.ts';
import { interleave, type Readings } from '../runner/rounds.ts';
import { ratioOf, spreadOf } from '../runner/statistics.ts';
import { noise, shortNumber, shownSpread, type Table } from '../runner/table.ts';
import { type NatsServer, natsInstallCommand, startNatsServer } from './nats-server.ts';

const own = 'Caxton, agent to agent';
const actors = 'Caxton, actor to actor';
const program = (name: string): string => join(import.meta.dirname, `${name}.ts`);

/** Authorised request/reply between two nodes, beside what carries bytes without asking who may. */
export async function link({ quick }: BenchOptions): Promise<Report> {
  const cluster = await makeCluster(['node-1', 'node-2']);
  const actorsCluster = await makeCluster(['node-1', 'node-2']);
  const players: Player[] = [];
  const start = async (name: string, ...args: string[]): Promise<Player> => {
    const player = await startPlayer(program(name), args);
    players.unshift(player);
    return player;
  };
  const { folder } = cluster;
  const versions = peerVersions();
  let nats: NatsServer | undefined;
  try {
    nats = await startNatsServer(folder);
    const clients = new Map<string, Player>();
    const ws = await start('ws', 'server', folder);
    const grpc = await start('grpc', 'server', folder);
    await start('caxton', 'echo', folder);
    clients.set(own, await start('caxton', 'asker', folder));
    await start('actors', 'echo', actorsCluster.folder);
    clients.set(actors, await start('actors', 'asker', actorsCluster.folder));
    clients.set(`ws ${versions.ws}, bare echo`, await start('ws', 'client', folder, ws.said));
    if (nats) {
      await start('nats', 'server', folder, String(nats.port));
      clients.set(`NATS ${nats.version}, request/reply`, await start('nats', 'client', folder, String(nats.port)));
    }
    clients.set(`grpc-js ${versions['@grpc/grpc-js']}, unary`, await start('grpc', 'client', folder, grpc.said));
    const tables: Table[] = [];
    for (const inFlight of [1, 64]) {
      const plan: CallsPlan = { inFlight, ms: quick ? 200 : 2_000 };
      const contenders = [...clients].map(([name, player]) => ({ name, round: () => player.round(plan) }));
      const readings = await interleave(contenders, roundsOf(quick, { rounds: 7, warmUps: 2 }));
      tables.push(tableOf(inFlight, readings, nats !== undefined));
    }
    return { title: 'bench/link: agent to agent across two nodes', about, tables };
  } finally {
    for (const player of players) await player.stop();
    await nats?.stop();
    await cluster.remove();
    await actorsCluster.remove();
  }
}

const about = [
  '300 bytes each way over mutual TLS. Client and server are a process each, on loopback, over one connection, with P-256 certificates of one CA. ' +
    'Caxton: an agent’s `ask` to an agent on another node; each message and each answer is judged (sender, replay, ' +
    'capability, policy, rate) and audited. Its rate limit is set to 1,000,000/s, where the default is 100/s; ' +
    'previews are off. Actor to actor: the kernel’s own `ask` by an address on the other node, where the question is ' +
    'judged by what that node opens and by a check of its form, and the answer by the asker’s. The others authenticate the connection and authorise nothing. NATS has its server as a ' +
    'third process between the two. Each figure: median (least to greatest) of the rounds; latencies: the ' +
    'median round’s.',
];

function tableOf(inFlight: number, readings: ReadonlyMap<string, Readings>, withNats: boolean): Table {
  const ours = readings.get(own)!.perSecond!;
  const rows = [...readings].map(([name, all]) => [
    name,
    shownSpread(spreadOf(all.perSecond!)),
    name === own ? '' : shownSpread(ratioOf(ours, all.perSecond!)),
    shortNumber(spreadOf(all.p50!).median),
    shortNumber(spreadOf(all.p99!).median),
  ]);
  const missing = `NATS is left out: nats-server is not installed. Install it with: ${natsInstallCommand}`;
  return {
    title: `Request and reply, ${inFlight} in flight`,
    head: ['', 'requests/s', 'Caxton ÷ this', 'p50 µs', 'p99 µs'],
    rows,
    after: [...(withNats ? [] : [missing]), ...noise(readings, 'perSecond')],
  };
}
