/** NATS over mutual TLS: `nats.ts server <folder> <port>` answers, `nats.ts client <folder> <port>` asks. */
import { payload } from '../caxton.ts';
import { type Nats, peer } from '../peers.ts';
import { measureCalls } from '../runner/calls.ts';
import { play } from '../runner/process.ts';
import { certificateFiles } from './certificates.ts';

const [, , role, folder = '', port] = process.argv;
const { connect } = await peer<Nats>('@nats-io/transport-node');
const tls = certificateFiles(folder, role === 'server' ? 'server' : 'client');
const connection = await connect({ servers: `127.0.0.1:${port}`, tls });

if (role === 'server') {
  connection.subscribe('echo', { callback: (_, message) => void message.respond(message.data) });
  await connection.flush();
  play({ stop: () => connection.close() });
} else {
  const call = async (): Promise<void> => {
    const { data } = await connection.request('echo', payload, { timeout: 30_000 });
    if (data.length !== payload.length) throw new Error('not what was sent');
  };
  play({ round: (plan) => measureCalls(call, plan), stop: () => connection.close() });
}
