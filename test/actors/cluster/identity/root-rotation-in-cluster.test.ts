import { X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { unwrap } from '../../../../src/errors.ts';
import { createTestCluster, type TestCluster } from '../../../../src/testing/test-cluster.ts';
import { authorityOf, operator } from '../../notice-lab.ts';
import { bundlesOf, layout, nextRootAfter, oldRootOf, placeNextKey, signRoots } from '../../roots-lab.ts';

let cluster: TestCluster;
afterEach(() => cluster?.close());

/** The serial of the issuer of what a node shows, by what its peers see. */
const rootSerial = (pem: string): string => new X509Certificate(pem).serialNumber;

async function whole(nodes = 3, caNodes: readonly string[] = ['node-1']): Promise<void> {
  cluster = await createTestCluster({ nodes, caNodes });
  await cluster.until('whole', () => cluster.isWhole());
}

const views = () => Promise.all(cluster.running.map((id) => cluster.node(id).control.roots()));
const allAcknowledged = (generation: number) => async () =>
  (await views()).every(
    (view) =>
      view.members.filter(({ acknowledgement }) => acknowledgement?.includes(`\\"generation\\":${generation},`))
        .length === cluster.running.length,
  );

describe('a rotation of the roots of a cluster', () => {
  it('goes through its stages, and ends with the next root alone', async () => {
    await whole();
    const key = await authorityOf(cluster);
    const old = await oldRootOf(cluster);
    const next = nextRootAfter(old, cluster.clock.now());
    const { both, issue, alone } = bundlesOf(old, next);
    const publish = async (generation: number, body: typeof both) =>
      unwrap(
        await cluster.settled(
          cluster.node('node-2').control.publishNotice(signRoots(cluster, key, generation, body), operator),
        ),
      );
    await publish(1, both);
    await cluster.until('all have acknowledged', allAcknowledged(1));
    placeNextKey(cluster, next, ['node-1']);
    await publish(2, issue);
    await cluster.until('all show certificates under the next root', async () =>
      (await views()).every(({ current }) => current),
    );
    await cluster.until('all have acknowledged', allAcknowledged(2));
    expect(cluster.isWhole()).toBe(true);
    await cluster.until('links are new', () => cluster.isWhole());
    await cluster.advance(20_000);
    await publish(3, alone);
    await cluster.until('all have acknowledged', allAcknowledged(3));
    await cluster.advance(60_000);
    expect(cluster.isWhole()).toBe(true);
    for (const id of cluster.nodes) {
      const pem = Buffer.from((await cluster.machine(id).disk.readFile(layout.caCert))!).toString();
      expect([id, rootSerial(pem)]).toEqual([id, rootSerial(next.certPem)]);
    }
    for (const id of cluster.nodes) await cluster.restart(id);
    await cluster.until('whole again', () => cluster.isWhole());
  });
});
