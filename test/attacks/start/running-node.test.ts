import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../../src/client.ts';
import {
  type Ended,
  endsWithinMs,
  makeTemplate,
  output,
  type Place,
  place,
  removeTemplate,
  run,
  start,
  startProcess,
} from './start-lab.ts';

interface RunningNode {
  readonly place: Place;
  stop(): Promise<Omit<Ended, 'ms'>>;
}

const children = new Set<ChildProcess>();
let node: RunningNode;

/** A node as a launcher starts it; resolves when it is up. */
async function startNode(at: Place): Promise<RunningNode> {
  const child = startProcess(['server', 'start', '--config', at.config], { ipc: true });
  children.add(child);
  const ended = output(child);
  const up = new Promise<void>((resolve) => {
    child.on('message', ({ event }: { event: { type: string } }) => {
      if (event.type === 'node.started') resolve();
    });
  });
  const early = await Promise.race([up, ended]);
  if (early) throw new Error(`the node ended: ${early.err}`);
  return {
    place: at,
    stop: async () => {
      if (child.connected) child.send({ type: 'stop' });
      const how = await ended;
      children.delete(child);
      return how;
    },
  };
}

beforeAll(async () => {
  await makeTemplate();
  node = await startNode(await place());
});
afterAll(async () => {
  await node?.stop();
  for (const child of children) child.kill('SIGKILL');
  await removeTemplate();
});

async function isLive({ cluster, config }: Place): Promise<boolean> {
  const address = /api:\s+bind: (\S+)/.exec(await readFile(config, 'utf8'))?.[1];
  const client = createClient({
    address: `https://${address}`,
    caPem: await readFile(cluster.caCert, 'utf8'),
    apiKey: (await readFile(cluster.apiKey, 'utf8')).trim(),
  });
  try {
    return (await client.live()).live;
  } finally {
    client.close();
  }
}

function expectRefusal({ code, out, err, ms }: Ended): void {
  expect([code, out], err).toEqual([1, '']);
  expect(err).toMatch(/^[A-Z_]+: \S/);
  expect(err).not.toMatch(/\n {4}at |node:internal|\n\n/);
  expect(ms).toBeLessThan(endsWithinMs);
}

it('a folder whose node runs starts no second one, and the first goes on', async () => {
  const ended = await start(node.place);
  expectRefusal(ended);
  expect(ended.err).toMatch(/^ALREADY_EXISTS: .*state\.db: is this node running already\? Stop it first\./);
  expect(await isLive(node.place)).toBe(true);
});

it('an audit folder that a running node writes is given to no other, though its state lies elsewhere', async () => {
  const other = await place();
  const text = await readFile(other.config, 'utf8');
  await writeFile(
    other.config,
    text.replace('log_path: audit', `log_path: ${join(dirname(node.place.config), 'audit')}`),
  );
  const ended = await start(other);
  expectRefusal(ended);
  expect(ended.err).toMatch(/^ALREADY_EXISTS: Another process writes the audit log in .*security\.audit\.log_path/s);
  expect(await isLive(node.place)).toBe(true);
});

describe('a port that somebody holds', () => {
  const tcp = async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    return { port, close: () => new Promise<unknown>((resolve) => server.close(resolve)) };
  };
  const udp = async () => {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return { port: socket.address().port, close: () => new Promise<void>((resolve) => socket.close(resolve)) };
  };

  it.concurrent.each([
    ['the links’', tcp, 'cluster'],
    ['gossip’s', udp, 'cluster'],
    ['the API’s', tcp, 'api'],
  ] as const)('%s, is named with its setting and how to find who it is', async (_, hold, block) => {
    const held = await hold();
    try {
      const at = await place();
      await at.edit(
        at.config,
        block === 'api' ? /(api:\s+bind: )\S+/ : /(\n {2}bind: )\S+/,
        `$1127.0.0.1:${held.port}`,
      );
      const ended = await start(at);
      expectRefusal(ended);
      expect(ended.err).toMatch(/^ADDRESS_IN_USE: /);
      expect(ended.err).toContain(`127.0.0.1:${held.port}`);
      expect(ended.err).toContain(`The setting is ${block}.bind. \`ss -lntup | grep :${held.port}\``);
      // The state database and the audit log are whole; nothing is left of how they are written.
      const names = await readdir(at.node.folder, { recursive: true });
      expect(names.filter((name) => /tmp|-wal|-shm|journal|\.next/.test(name))).toEqual([]);
    } finally {
      await held.close();
    }
  });
});

it('files that turn to garbage do not disturb a node that runs; its next start names them', async () => {
  const at = node.place;
  const paths = [at.node.certificate, at.node.key, at.node.apiCertificate, at.cluster.caCert, at.cluster.gossipKey];
  const good = new Map<string, Buffer>();
  for (const path of paths) {
    good.set(path, await readFile(path));
    await writeFile(path, 'garbage');
  }
  // The client of this test needs the CA.
  await writeFile(at.cluster.caCert, good.get(at.cluster.caCert)!);
  expect(await isLive(at)).toBe(true);
  expect((await node.stop()).code).toBe(0);
  const refused = await start(at);
  expectRefusal(refused);
  expect(refused.err).toContain('node.key');
  for (const [path, bytes] of good) await writeFile(path, bytes);
  node = await startNode(at);
  expect(await isLive(at)).toBe(true);
});

describe.concurrent('a wrong command line', () => {
  it.each<[string, string[], string]>([
    ['an unknown flag', ['--confg', 'x'], 'There is no option --confg. Did you mean --config?'],
    ['a flag without a value', ['--config'], '--config needs a value: FILE.'],
    ['a flag twice', ['--config', 'a', '--config', 'b'], '--config is given twice.'],
    ['an address that is none', ['--join', 'nowhere'], '--join takes link addresses host:port, not “nowhere”.'],
    ['a word too many', ['now'], '“now” is not expected here.'],
  ])('with %s ends with 2 and says so', async (_, argv, words) => {
    const { code, out, err } = await run(['server', 'start', ...argv]);
    expect([code, out, err]).toEqual([2, '', `${words}\nSee caxton server start --help\n`]);
  });
});
