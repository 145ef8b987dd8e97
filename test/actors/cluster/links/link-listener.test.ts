import { afterEach, describe, expect, it } from 'vitest';
import { LinkPort, linkListener } from '../../../../src/actors/cluster/links/link-listener.ts';
import { createNodeNetwork } from '../../../../src/actors/cluster/links/node-network.ts';
import { createKernel } from '../../../../src/actors/kernel/create-kernel.ts';
import type { Kernel } from '../../../../src/actors/kernel/kernel.ts';
import { createMetrics } from '../../../../src/actors/kernel/metrics-registry.ts';
import { nodeClock } from '../../../../src/actors/kernel/node-clock.ts';
import type { LinkServer } from '../../../../src/actors/kernel/ports.ts';
import type { WorkerSpec } from '../../../../src/actors/kernel/spec.ts';
import { CaxtonError } from '../../../../src/errors.ts';
import { identityOf, loopback, makeCa, serveLinks, Undo, until } from './link-lab.ts';

const identity = identityOf(makeCa(), 'node-1');
const network = createNodeNetwork({ clock: nodeClock });
const undo = new Undo();

afterEach(() => undo.run());

/** A server that is only remembered: what the chart does with it is what is tested. */
function fakeServer() {
  const seen = { closes: 0 };
  const server: LinkServer = {
    address: loopback,
    setIdentity() {},
    close: async () => {
      seen.closes++;
    },
  };
  return { server, seen };
}

async function startListener(port: LinkPort, over: Partial<WorkerSpec> = {}): Promise<Kernel> {
  const kernel = createKernel({ clock: nodeClock, metrics: createMetrics(), onStray: () => {} });
  undo.add(kernel, (running) => running.stop());
  const startedWhen: WorkerSpec['startedWhen'] = (snapshot) => snapshot.matches('listening');
  await kernel.start({
    kind: 'supervisor',
    id: 'node',
    strategy: 'one-for-one',
    children: [{ kind: 'worker', id: 'link-listener', logic: linkListener, input: { port }, startedWhen, ...over }],
  });
  return kernel;
}

const stateOf = (kernel: Kernel): unknown => kernel.tree().find(({ path }) => path === '/node/link-listener')?.state;

describe('the link listener', () => {
  it('listens, shows its server, and closes it in order', async () => {
    const { server, seen } = fakeServer();
    const port = new LinkPort(async () => server);
    const kernel = await startListener(port);
    expect(stateOf(kernel)).toBe('listening');
    expect(port.server?.address).toEqual(loopback);
    await kernel.stop();
    expect([seen.closes, port.server]).toEqual([1, undefined]);
  });

  it('fails to start with ADDRESS_IN_USE on a port that is taken', async () => {
    const { server } = await serveLinks(undo, network, identity);
    const listen = () => network.listenLinks({ address: server.address, identity, onChannel() {}, onRefused() {} });
    const failure = await startListener(new LinkPort(listen)).then(
      () => undefined,
      (error: unknown) => error,
    );
    const causes: unknown[] = [];
    for (let cause = failure; cause instanceof Error; cause = cause.cause) causes.push(cause);
    expect(causes.some((cause) => cause instanceof CaxtonError && cause.code === 'ADDRESS_IN_USE')).toBe(true);
  });

  it('frees the port when it is killed, so that its successor can listen there', async () => {
    const { server, seen } = fakeServer();
    const port = new LinkPort(async () => server);
    const kernel = await startListener(port, { shutdown: 'brutal-kill' });
    await kernel.stopChild('/node', 'link-listener');
    await until('the server is closed', () => seen.closes === 1);
    expect(port.server).toBeUndefined();
  });

  it('frees a port that it gets only after it was stopped', async () => {
    const { server, seen } = fakeServer();
    const bound = Promise.withResolvers<LinkServer>();
    const kernel = createKernel({ clock: nodeClock, metrics: createMetrics() });
    undo.add(kernel, (running) => running.stop());
    const port = new LinkPort(() => bound.promise);
    await kernel.start({
      kind: 'supervisor',
      id: 'node',
      strategy: 'one-for-one',
      children: [{ kind: 'worker', id: 'link-listener', logic: linkListener, input: { port } }],
    });
    expect(stateOf(kernel)).toBe('binding');
    await kernel.stopChild('/node', 'link-listener');
    bound.resolve(server);
    await until('the server is closed', () => seen.closes === 1);
    expect(port.server).toBeUndefined();
  });

  it('that is killed while it binds is restarted on the same port, at whatever moment that is', async () => {
    const { server } = await serveLinks(undo, network, identity);
    const { address } = server;
    await server.close();
    let open = 0;
    const port = new LinkPort(async () => {
      const bound = await network.listenLinks({ address, identity, onChannel() {}, onRefused() {} });
      open += 1;
      return { ...bound, close: () => bound.close().finally(() => (open -= 1)) };
    });
    for (let turns = 0; turns < 12; turns += 1) {
      const lives = createKernel({ clock: nodeClock, metrics: createMetrics() });
      undo.add(lives, (running) => running.stop());
      const child = { kind: 'worker', id: 'link-listener', logic: linkListener, input: { port } } as const;
      await lives.start({ kind: 'supervisor', id: 'node', strategy: 'one-for-one', children: [child] });
      for (let turn = 0; turn < turns; turn += 1) await (turn % 2 === 0 ? null : new Promise(setImmediate));
      lives.kill('/node/link-listener');
      // A second restart would be one too many for its supervisor.
      await until('it listens again', () => lives.tree().at(-1)?.incarnation === 2 && stateOf(lives) === 'listening');
      await lives.stop();
    }
    await until('nothing is left', () => open === 0);
  });
});
