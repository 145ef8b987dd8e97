import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { createTestCluster, type TestCluster } from '../../../src/testing/test-cluster.ts';

/**
 * One name that two sides of a partition gave away, told as what each node answers to who asks for it. `UPDATE_GOLDEN=1
 * npx vitest run test/scenarios/registry` writes the file anew: read the difference before you keep it.
 */
const golden = new URL('claimed-twice.txt', import.meta.url);
const stepMs = 100;

const open: TestCluster[] = [];
afterEach(async () => {
  for (const cluster of open.splice(0)) await cluster.close();
});

class Story {
  readonly lines: string[] = [];
  readonly #cluster: TestCluster;
  readonly #last = new Map<string, string>();
  readonly #beganMs: number;

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
    this.#beganMs = cluster.clock.monotonic();
  }

  say(what: string): void {
    this.lines.push(`${this.#time()}  ${what}`);
  }

  /** Lets time pass and writes down what changes. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      await this.#cluster.advance(stepMs);
      for (const at of this.#cluster.running) {
        const found = this.#cluster.node(at).lookup('default/echo');
        const rivals = found?.rivals ? `, claimed by ${found.rivals.join(', ')} too` : '';
        const line = found ? `on ${found.node}, ${found.state}${rivals}` : 'nobody';
        if (this.#last.get(at) !== line) this.lines.push(`${this.#time()}  ${at}: ${line}`);
        this.#last.set(at, line);
      }
    }
  }

  #time(): string {
    return ((this.#cluster.clock.monotonic() - this.#beganMs) / 1_000).toFixed(1).padStart(6);
  }
}

const suspended = (cluster: TestCluster, at: string) =>
  cluster
    .node(at)
    .control.actors()
    .find(({ path }) => path === '/node/agents/default/echo')?.suspended;

const hosts = (cluster: TestCluster) => cluster.running.map((at) => cluster.node(at).lookup('default/echo')?.node);

describe('one name on both sides of a partition, whose winner dies', () => {
  it('goes to the other while that is dead, back when it was dead by mistake, and everybody decides alike', async () => {
    const cluster = await createTestCluster({ seed: 5 });
    open.push(cluster);
    await cluster.until('they find each other', () => cluster.isWhole());
    const story = new Story(cluster);
    story.say('node-1 is cut off, and both sides deploy default/echo: node-2 with the higher generation');
    cluster.partition(['node-1'], ['node-2', 'node-3']);
    await cluster.deploy('node-1', 'default/echo', () => {});
    await cluster.advance(1_000);
    await cluster.deploy('node-2', 'default/echo', () => {});
    await story.pass(5_000);
    expect(hosts(cluster)).toEqual(['node-1', 'node-2', 'node-2']);
    story.say('the network heals');
    cluster.heal();
    await story.pass(60_000);
    expect(hosts(cluster)).toEqual(['node-2', 'node-2', 'node-2']);
    expect([suspended(cluster, 'node-1'), suspended(cluster, 'node-2')]).toEqual([true, false]);
    story.say('node-2 is cut off');
    cluster.partition(['node-2'], ['node-1', 'node-3']);
    await story.pass(60_000);
    expect(hosts(cluster)).toEqual(['node-1', 'node-2', 'node-1']);
    story.say('the network heals');
    cluster.heal();
    await story.pass(60_000);
    expect(hosts(cluster)).toEqual(['node-2', 'node-2', 'node-2']);
    expect([suspended(cluster, 'node-1'), suspended(cluster, 'node-2')]).toEqual([true, false]);
    story.say('node-2 is killed');
    cluster.crash('node-2');
    await story.pass(30_000);
    expect([hosts(cluster), suspended(cluster, 'node-1')]).toEqual([['node-1', 'node-1'], false]);
    const text = `${story.lines.join('\n')}\n`;
    if (process.env.UPDATE_GOLDEN || !existsSync(golden)) writeFileSync(golden, text);
    expect(text).toBe(readFileSync(golden, 'utf8'));
  }, 60_000);
});
