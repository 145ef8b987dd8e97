import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { type AttackedNode, attackedNode, until } from './attacked-node.ts';

/** A busy machine opens some hundreds of connections a second. */
const floodMsMax = 20_000;

let attacked: AttackedNode;
beforeAll(async () => {
  attacked = await attackedNode();
});
afterAll(() => attacked.close());

/** Opens TCP connections that say nothing; counts those that were opened and those that the other side ended. */
class Silence {
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  opened = 0;
  ended = 0;

  constructor(port: number) {
    this.#port = port;
  }

  get open(): number {
    return this.#sockets.size;
  }

  async add(count: number, atOnce: number): Promise<void> {
    for (let left = count; left > 0; left -= atOnce)
      await Promise.all(Array.from({ length: Math.min(left, atOnce) }, () => this.#one()));
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #one(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, '127.0.0.1');
      this.#sockets.add(socket);
      socket.once('connect', () => {
        this.opened += 1;
        resolve();
      });
      socket.on('error', () => resolve());
      socket.once('close', () => {
        this.#sockets.delete(socket);
        this.ended += 1;
        resolve();
      });
      socket.resume();
    });
  }
}

it('ten thousand connections that say nothing keep nobody out and leave nothing behind', async () => {
  const silence = new Silence(attacked.config.cluster.bind.port);
  const audited = attacked.target.control.status().audit.sequence;
  const flood = silence.add(10_000, 200);
  // A peer that comes in the middle of it is linked and answered.
  await until('the flood is on', () => silence.opened > 2_000, floodMsMax);
  await attacked.friendComesBack();
  await flood;
  await attacked.serves();
  expect(silence.opened).toBe(10_000);
  await until('no more than may wait are left', () => silence.open <= limits.linkHandshakesPerSourceMax, floodMsMax);
  await until('the last are cut at their deadline', () => silence.open === 0, limits.linkHandshakeMsMax + 3_000);
  // Ten thousand refusals are a handful of records: nobody fills the disk.
  expect(attacked.target.control.status().audit.sequence - audited).toBeLessThan(100);
  const refused = await attacked.refusals();
  expect(refused.some(({ reasons }) => /TOO_MANY_HANDSHAKES/.test(reasons.join(' ')))).toBe(true);
  await attacked.serves();
}, 60_000);

it('two thousand connections to the API that say nothing keep nobody out either', async () => {
  const { host, port } = attacked.config.api.bind;
  expect(host).toBe('127.0.0.1');
  const silence = new Silence(port);
  await silence.add(2_000, 200);
  await attacked.serves();
  silence.close();
}, 60_000);
