import { afterEach, describe, expect, it } from 'vitest';
import { type LinkListenerInput, linkListener } from '../../../src/actors/cluster/link-listener.ts';
import { createNodeNetwork } from '../../../src/actors/cluster/node-network.ts';
import { createKernel } from '../../../src/actors/kernel/create-kernel.ts';
import type { Kernel } from '../../../src/actors/kernel/kernel.ts';
import { createMetrics } from '../../../src/actors/kernel/metrics-registry.ts';
import { nodeClock } from '../../../src/actors/kernel/node-clock.ts';
import type { LinkServer } from '../../../src/actors/kernel/ports.ts';
import type { WorkerSpec } from '../../../src/actors/kernel/spec.ts';
import { CaxtonError } from '../../../src/errors.ts';
import { identityOf, loopback, makeCa, serveLinks, Undo, until } from './link-lab.ts';

const identity = identityOf(makeCa(), 'node-1');
const network = createNodeNetwork({ clock: nodeClock });
const undo = new Undo();

afterEach(() => undo.run());

/** A server that is only remembered: what the chart does with it is what is tested. */
function fakeServer() {
  const seen = { closes: 0, servers: [] as (LinkServer | undefined)[] };
  const server: LinkServer = {
    address: loopback,
    setIdentity() {},
    close: async () => {
      seen.closes++;
    },
  };
  return { server, seen };
}

async function startListener(input: LinkListenerInput, over: Partial<WorkerSpec> = {}): Promise<Kernel> {
  const kernel = createKernel({ clock: nodeClock, metrics: createMetrics(), onStray: () => {} });
  undo.add(kernel, (running) => running.stop());
  const startedWhen: WorkerSpec['startedWhen'] = (snapshot) => snapshot.matches('listening');
  await kernel.start({
    kind: 'supervisor',
    id: 'node',
    strategy: 'one-for-one',
    children: [{ kind: 'worker', id: 'link-listener', logic: linkListener, input, startedWhen, ...over }],
  });
  return kernel;
}

const stateOf = (kernel: Kernel): unknown => kernel.tree().find(({ path }) => path === '/node/link-listener')?.state;

describe('the link listener', () => {
  it('listens, shows its server, and closes it in order', async () => {
    const { server, seen } = fakeServer();
    const kernel = await startListener({
      listen: async () => server,
      onServer: (now) => void seen.servers.push(now),
    });
    expect(stateOf(kernel)).toBe('listening');
    expect(seen.servers.at(-1)?.address).toEqual(loopback);
    await kernel.stop();
    expect(seen.closes).toBe(1);
    expect(seen.servers.at(-1)).toBeUndefined();
  });

  it('fails to start with ADDRESS_IN_USE on a port that is taken', async () => {
    const { server } = await serveLinks(undo, network, identity);
    const listen = () => network.listenLinks({ address: server.address, identity, onChannel() {}, onRefused() {} });
    const failure = await startListener({ listen, onServer() {} }).then(
      () => undefined,
      (error: unknown) => error,
    );
    const causes: unknown[] = [];
    for (let cause = failure; cause instanceof Error; cause = cause.cause) causes.push(cause);
    expect(causes.some((cause) => cause instanceof CaxtonError && cause.code === 'ADDRESS_IN_USE')).toBe(true);
  });

  it('frees the port when it is killed, so that its successor can listen there', async () => {
    const { server, seen } = fakeServer();
    const kernel = await startListener(
      { listen: async () => server, onServer: (now) => void seen.servers.push(now) },
      { shutdown: 'brutal-kill' },
    );
    await kernel.stopChild('/node', 'link-listener');
    await until('the server is closed', () => seen.closes === 1);
    expect(seen.servers.at(-1)).toBeUndefined();
  });

  it('frees a port that it gets only after it was stopped', async () => {
    const { server, seen } = fakeServer();
    const bound = Promise.withResolvers<LinkServer>();
    const kernel = createKernel({ clock: nodeClock, metrics: createMetrics() });
    undo.add(kernel, (running) => running.stop());
    const input: LinkListenerInput = { listen: () => bound.promise, onServer: (now) => void seen.servers.push(now) };
    await kernel.start({
      kind: 'supervisor',
      id: 'node',
      strategy: 'one-for-one',
      children: [{ kind: 'worker', id: 'link-listener', logic: linkListener, input }],
    });
    expect(stateOf(kernel)).toBe('binding');
    await kernel.stopChild('/node', 'link-listener');
    bound.resolve(server);
    await until('the server is closed', () => seen.closes === 1);
    expect(seen.servers.filter((shown) => shown !== undefined)).toEqual([]);
  });
});
