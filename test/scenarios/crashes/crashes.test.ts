import { afterEach, describe, expect, it } from 'vitest';
import type { NodeId } from '../../../src/names.ts';
import { seededRandom } from '../../../src/testing/seeded-random.ts';
import { createTestCluster, type TestCluster } from '../../../src/testing/test-cluster.ts';
import { SteadyLoad } from './steady-load.ts';
import { missing, shapeOf } from './whole.ts';

/** Virtual time until everything is as it was; the restart of a tree itself takes none. */
const recoveryMsMax = 10_000;
/** Five restarts in ten seconds are what a supervisor allows. */
const spacingMs = 2_600;

interface Scene {
  readonly cluster: TestCluster;
  readonly load: SteadyLoad;
  /** One of as many things. */
  draw<T>(of: readonly T[]): T;
  recovered(what: string): Promise<void>;
}

const scenes: Scene[] = [];
afterEach(async () => {
  for (const { cluster } of scenes.splice(0)) await cluster.close();
});

async function scene(seed: number, everyMs = 400): Promise<Scene> {
  const cluster = await createTestCluster({ seed, conditions: { latencyMs: 3, jitterMs: 4 } });
  const random = seededRandom(seed);
  await cluster.until('they find each other', () => cluster.isWhole());
  const load = await SteadyLoad.on(cluster);
  await cluster.until('all answer', () => load.allAnswer());
  await cluster.advance(2_000);
  load.forget();
  const shapes = new Map(cluster.nodes.map((id) => [id, shapeOf(cluster, id)]));
  load.run(everyMs);
  const made: Scene = {
    cluster,
    load,
    draw: (of) => of[random.uint32() % of.length]!,
    async recovered(what) {
      await cluster
        .until(what, () => missing(cluster, shapes).length === 0, recoveryMsMax)
        .catch((error: unknown) => expect(missing(cluster, shapes), `${String(error)}`).toEqual([]));
    },
  };
  scenes.push(made);
  return made;
}

/** Everybody on a node but the root, whose end is the end of the node. */
const actorsOf = ({ cluster }: Scene, id: NodeId): string[] =>
  cluster
    .node(id)
    .control.actors()
    .map(({ path }) => path)
    .filter((path) => path !== '/node');

/** At the end: every ask was answered or refused, none wrongly or twice, the logs hold, and all answer again. */
async function settled({ cluster, load, recovered }: Scene): Promise<void> {
  await recovered('all is as before');
  load.stop();
  await cluster.advance(3_000);
  const { asked, answered, refused, wrong, stray } = load.tally;
  expect([load.open, wrong, stray]).toEqual([0, 0, 0]);
  expect(answered + [...refused.values()].reduce((sum, count) => sum + count, 0)).toBe(asked);
  expect(answered).toBeGreaterThan(0.9 * asked);
  expect([...refused.keys()].filter((code) => !['UNREACHABLE', 'STOPPED', 'TIMED_OUT'].includes(code))).toEqual([]);
  expect(await load.allAnswer()).toBe(true);
  for (const id of cluster.running)
    expect(await cluster.node(id).control.auditVerify(), id).toMatchObject({ ok: true, value: { valid: true } });
}

describe('a node of three recovers by itself while the others ask it', () => {
  it.each([1, 2, 3])('from the end of every actor, one after the other (node-%i)', async (number) => {
    const it = await scene(number);
    const node = `node-${number}` as NodeId;
    const { cluster, draw, recovered } = it;
    for (const listed of actorsOf(it, node)) {
      // A connection that was killed has a successor of another name.
      const isGone = !actorsOf(it, node).includes(listed);
      const path = isGone ? draw(actorsOf(it, node).filter((one) => one.startsWith('/node/cluster/links/'))) : listed;
      const how = draw(['crash', 'kill'] as const);
      expect(cluster.machine(node).faults[how](path), path).toBe(true);
      await cluster.advance(draw([0, 1, 5, 20]));
      await recovered(`${node} is whole after the ${how} of ${path}`);
      await cluster.advance(spacingMs);
    }
    await settled(it);
  });

  it.each([11, 12, 13, 14])('from ends at the same time, of any two actors on any nodes (seed %i)', async (seed) => {
    const it = await scene(seed);
    const { cluster, draw, recovered } = it;
    for (let round = 0; round < 8; round += 1) {
      const fallen: string[] = [];
      for (let each = 0; each < 2; each += 1) {
        const node = draw(cluster.nodes);
        const path = draw(actorsOf(it, node));
        const how = draw(['crash', 'kill'] as const);
        cluster.machine(node).faults[how](path);
        fallen.push(`${how} of ${node}${path}`);
        await cluster.advance(draw([0, 0, 1, 7]));
      }
      await recovered(`whole after the ${fallen.join(' and the ')}`);
      await cluster.advance(spacingMs);
    }
    await settled(it);
  });

  it('from the end of all links of all nodes at once', async () => {
    const it = await scene(21);
    for (const node of it.cluster.nodes) it.cluster.machine(node).faults.kill('/node/cluster/links');
    await it.cluster.advance(1);
    expect(it.cluster.isWhole()).toBe(false);
    await it.recovered('linked again');
    await it.cluster.advance(5_000);
    await settled(it);
  });

  it.each([31, 32])(
    'from ends on both sides of a partition, and finds the other side again (seed %i)',
    async (seed) => {
      const it = await scene(seed);
      const { cluster, load, draw } = it;
      load.stop();
      cluster.partition(['node-1'], ['node-2', 'node-3']);
      for (let round = 0; round < 4; round += 1) {
        await cluster.advance(draw([300, 900, 2_500]));
        for (const node of cluster.nodes)
          cluster.machine(node).faults[draw(['crash', 'kill'] as const)](draw(actorsOf(it, node)));
      }
      const isDead = (by: string) =>
        cluster
          .node(by)
          .control.members()
          .some(({ nodeId, status }) => nodeId === 'node-1' && status === 'dead');
      await cluster.until('the other side gives it up', () => isDead('node-2') && isDead('node-3'));
      cluster.heal();
      await cluster.until('one again', () => cluster.isWhole());
      await it.recovered('all is as before');
    },
  );

  it('from the end of the gossip while it suspects somebody, whose end it still finds', async () => {
    const it = await scene(41);
    const { cluster, load } = it;
    load.stop();
    const statusOf = (by: string) =>
      cluster
        .node(by)
        .control.members()
        .find(({ nodeId }) => nodeId === 'node-3')?.status;
    cluster.crash('node-3', { powerCut: true });
    await cluster.until('it is suspected', () => statusOf('node-1') === 'suspect' && statusOf('node-2') === 'suspect');
    for (const node of ['node-1', 'node-2']) cluster.machine(node).faults.crash('/node/cluster/gossip-member');
    await cluster.until(
      'it is found dead',
      () => statusOf('node-1') === 'dead' && statusOf('node-2') === 'dead',
      15_000,
    );
  });

  it('from restarts that fail at first', async () => {
    const it = await scene(51);
    const { cluster, draw, recovered } = it;
    for (const path of actorsOf(it, cluster.nodes[0]!).filter((one) => !/links\/|agents\//.test(one))) {
      const { faults } = cluster.machine('node-1');
      faults.failStarts(path, 2);
      faults[draw(['crash', 'kill'] as const)](path);
      await cluster.advance(5);
      await recovered(`whole after the end of ${path}, whose restart failed twice`);
      await cluster.advance(10_500);
    }
    await settled(it);
  });
});

describe('a node whose actors end while it', () => {
  it('starts fails with the reason and leaves nothing behind: it can be started at once', async () => {
    const it = await scene(61);
    const { cluster, load } = it;
    load.stop();
    const paths = actorsOf(it, cluster.nodes[0]!).filter((path) => !/links\/|agents\//.test(path));
    for (const path of paths) {
      await cluster.stop('node-1');
      cluster.machine('node-1').faults.failStarts(path);
      const failure = await cluster.restart('node-1').then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(String(failure), path).toContain(`A fault was injected into ${path}`);
      await cluster.restart('node-1');
      await cluster.until(`node-1 is back after ${path}`, () => cluster.isWhole());
    }
  });

  it.each([71, 72, 73])('leaves still ends, with its log whole, and comes back (seed %i)', async (seed) => {
    const it = await scene(seed);
    const { cluster, load, draw } = it;
    for (let round = 0; round < 6; round += 1) {
      const node = draw(cluster.nodes);
      const { faults } = cluster.machine(node);
      const path = draw(actorsOf(it, node));
      const stopping = cluster.machine(node).stop();
      await cluster.advance(draw([0, 1, 20, 150, 290]));
      const how = draw(['crash', 'kill'] as const);
      faults[how](path);
      await cluster.settled(stopping, 20_000);
      const back = await cluster.restart(node);
      await cluster.until(`whole after the ${how} of ${node}${path}`, () => cluster.isWhole());
      const audit = await back.control.auditVerify();
      expect(audit, `${how} of ${path}`).toMatchObject({ ok: true, value: { valid: true } });
      const recorded = await back.control.auditTail({ limit: 1_000 });
      const stops = recorded.ok
        ? recorded.value.filter((record) => JSON.stringify(record).includes('NodeStopped')).length
        : 0;
      expect(stops, `${how} of ${path}`).toBeGreaterThan(0);
    }
    load.stop();
    await cluster.advance(3_000);
    expect([load.open, load.tally.wrong]).toEqual([0, 0]);
  });
});
