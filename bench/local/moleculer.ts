/** A Moleculer broker with one service in this process, without a transporter: `broker.call`. */
import { payload } from '../caxton.ts';
import { type Moleculer, peer } from '../peers.ts';
import { measureCalls } from '../runner/calls.ts';
import { play } from '../runner/process.ts';

const { ServiceBroker } = await peer<Moleculer>('moleculer');
const broker = new ServiceBroker({ logger: false });
broker.createService({ name: 'echo', actions: { request: ({ params }) => params.data } });
await broker.start();

const call = async (): Promise<void> => {
  if ((await broker.call('echo.request', { data: new Uint8Array(payload) })) === undefined)
    throw new Error('no answer');
};

play({ round: (plan) => measureCalls(call, plan), stop: () => broker.stop() });
