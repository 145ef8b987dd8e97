import { afterEach, describe, expect, it } from 'vitest';
import { verifyAuditProof, verifyEvidence } from '../../../../src/actors/operations/audit/proof-check.ts';
import { unwrap } from '../../../../src/errors.ts';
import type { NodeId } from '../../../../src/names.ts';
import { decodeCheckpointEvidence } from '../../../../src/protocols/audit/evidence.ts';
import { createTestCluster, type TestCluster } from '../../../../src/testing/test-cluster.ts';

let cluster: TestCluster | undefined;
afterEach(async () => cluster?.close());

const caller = { identity: 'apikey:test', sourceIp: '127.0.0.1', requestId: 'r1' };

async function whole(nodes = 3): Promise<TestCluster> {
  cluster = await createTestCluster({ nodes });
  const running = cluster;
  await running.until('whole', () => running.isWhole());
  return running;
}

const checkpointOf = (running: TestCluster, id: string) => running.node(id).control.auditCheckpoint();
const headOf = (running: TestCluster, id: string) => running.node(id).control.status().audit.sequence;
const isWitnessed = (running: TestCluster, id: string, by: number) => () => {
  const { witnessedSize, witnesses } = checkpointOf(running, id);
  return witnessedSize > 0 && witnessedSize === headOf(running, id) && witnesses.length === by;
};
const caOf = (running: TestCluster, id: string) =>
  new TextDecoder().decode(running.machine(id).disk.peek(running.machine(id).config.node.caCertificatePath)!);
const forksIn = async (running: TestCluster, id: string) => {
  const records = unwrap(await running.node(id).control.auditTail({ limit: 1_000 })) as Record<string, unknown>[];
  return records.filter(({ type }) => type === 'AuditForked');
};

describe('the audit logs of a cluster', () => {
  it('are countersigned by the other nodes, so that anybody with the CA can check a record', async () => {
    const running = await whole();
    for (const id of running.nodes) await running.until(`${id} is witnessed`, isWitnessed(running, id, 2));
    const view = checkpointOf(running, 'node-1');
    const trust = { caPem: caOf(running, 'node-1'), now: running.clock.now() };
    const proven = unwrap(verifyEvidence(unwrap(decodeCheckpointEvidence(view.evidence!)), trust));
    expect(proven.nodeId).toBe('node-1');
    expect(proven.witnesses.map(({ nodeId }) => nodeId).sort()).toEqual(['node-2', 'node-3']);
    expect(
      running
        .node('node-2')
        .control.auditWitnessed()
        .map(({ nodeId }) => nodeId),
    ).toEqual(['node-1', 'node-3']);
    const proof = unwrap(await running.settled(running.node('node-1').control.auditProve(1)));
    expect(unwrap(verifyAuditProof(proof.proof, trust))).toMatchObject({ sequence: 1, record: { seq: 1 } });
  });

  it('are countersigned within two seconds when they grow after a time in which nothing happened', async () => {
    const running = await whole();
    await running.until('node-1 is witnessed', isWitnessed(running, 'node-1', 2));
    await running.advance(120_000);
    const before = checkpointOf(running, 'node-1').witnessedSize;
    await grow(running, 'node-1');
    await running.advance(2_000);
    expect(checkpointOf(running, 'node-1').witnessedSize).toBeGreaterThan(before);
    expect(isWitnessed(running, 'node-1', 2)()).toBe(true);
  });

  it('are found out when one is set back, on both sides, and go on once people accept it', async () => {
    const running = await whole();
    await running.until('node-1 is witnessed', isWitnessed(running, 'node-1', 2));
    const backup = takeBackup(running, 'node-1');
    const good = checkpointOf(running, 'node-1').witnessedSize;
    await grow(running, 'node-1');
    await running.until('it is witnessed again', isWitnessed(running, 'node-1', 2));
    const lost = checkpointOf(running, 'node-1').witnessedSize;
    running.crash('node-1');
    backup.audit();
    await running.restart('node-1');
    // Its own memory is not in the folder that was set back.
    await running.until('node-1 finds it', () => checkpointOf(running, 'node-1').fork !== undefined);
    expect(checkpointOf(running, 'node-1').fork).toEqual({ kind: 'rollback', size: lost, by: 'node-1' });
    await running.until('node-1 records it', async () => (await forksIn(running, 'node-1')).length === 1);
    expect(running.events.filter(({ event }) => event.type === 'audit.forked').length).toBe(1);
    const verified = unwrap(await running.node('node-1').control.auditVerify());
    expect(verified).toMatchObject({
      valid: false,
      firstBad: { sequence: good + 1, reason: expect.stringContaining('does not continue') },
    });

    // What the node itself remembers is no hindrance for whoever holds the machine: the witnesses are.
    unwrap(await running.settled(running.node('node-1').control.auditAccept('node-1' as NodeId, caller)));
    await running.until('the witnesses find it', async () => (await forksIn(running, 'node-2')).length === 1);
    expect((await forksIn(running, 'node-3')).length).toBe(1);
    expect((await forksIn(running, 'node-2'))[0]).toMatchObject({
      identity: 'node/node-1',
      outcome: 'refused',
      metadata: { log: 'node-1', kind: expect.any(String), size: lost },
    });
    await running.until('node-1 hears it', () => checkpointOf(running, 'node-1').fork?.size === lost);
    expect(checkpointOf(running, 'node-1').fork?.by).toMatch(/node-[23]/);
    // However long it goes on, nobody’s disk fills with it.
    await running.advance(30_000);
    expect((await forksIn(running, 'node-2')).length).toBe(1);
    expect(running.node('node-2').control.auditWitnessed()[0]).toMatchObject({
      size: lost,
      fork: { kind: 'inconsistent' },
    });

    for (const id of ['node-2', 'node-3', 'node-1'])
      unwrap(await running.settled(running.node(id).control.auditAccept('node-1' as NodeId, caller)));
    await running.until('node-1 is witnessed as it is', isWitnessed(running, 'node-1', 2));
    expect(await running.node('node-2').control.auditAccept('node-1' as NodeId, caller)).toMatchObject({
      refusal: { code: 'NOT_FOUND' },
    });
  }, 20_000);

  it('are found out when a whole machine is set back, state and all, and has grown another way since', async () => {
    const running = await whole();
    await running.until('node-1 is witnessed', isWitnessed(running, 'node-1', 2));
    const backup = takeBackup(running, 'node-1');
    await grow(running, 'node-1');
    await running.until('it is witnessed again', isWitnessed(running, 'node-1', 2));
    const lost = checkpointOf(running, 'node-1').witnessedSize;
    running.crash('node-1');
    backup.audit();
    backup.state();
    running.partition(['node-1'], ['node-2', 'node-3']);
    await running.restart('node-1');
    for (let i = 0; i < 8; i++) await grow(running, 'node-1');
    await running.until('it is longer than it was', () => checkpointOf(running, 'node-1').size > lost);
    expect(checkpointOf(running, 'node-1').fork).toBeUndefined();
    running.heal();
    await running.until('node-1 hears it', () => checkpointOf(running, 'node-1').fork !== undefined);
    expect(checkpointOf(running, 'node-1').fork).toMatchObject({ kind: 'inconsistent', size: lost });
    const witnesses = ['node-2', 'node-3'];
    await running.until('a witness records it', async () => {
      const found = await Promise.all(witnesses.map((id) => forksIn(running, id)));
      return found.some(({ length }) => length === 1);
    });
  }, 20_000);

  it('are countersigned again by a witness that lost its memory, and say so', async () => {
    const running = await whole();
    await running.until('node-1 is witnessed', isWitnessed(running, 'node-1', 2));
    const { store } = running.machine('node-2');
    await running.settled(store.delete('audit-witnessed', 'node-1'));
    running.crash('node-2');
    await running.restart('node-2');
    await running.until('whole', () => running.isWhole());
    await grow(running, 'node-1');
    await running.until('node-1 is witnessed', isWitnessed(running, 'node-1', 2));
    await running.until('node-1 says so', async () => {
      const records = unwrap(await running.node('node-1').control.auditTail({ limit: 100 })) as Record<
        string,
        unknown
      >[];
      return records.some(
        ({ type, metadata }) => type === 'WitnessChanged' && (metadata as { witness?: string }).witness === 'node-2',
      );
    });
  }, 20_000);

  it('go on without a witness that left, and say when nobody countersigns at all', async () => {
    const running = await whole();
    await running.until('node-1 is witnessed', isWitnessed(running, 'node-1', 2));
    await running.stop('node-3');
    await grow(running, 'node-1');
    await running.until('node-2 alone signs', isWitnessed(running, 'node-1', 1));
    running.crash('node-2');
    await grow(running, 'node-1');
    await running.until(
      'node-1 says so',
      async () => {
        const records = unwrap(await running.node('node-1').control.auditTail({ limit: 100 })) as Record<
          string,
          unknown
        >[];
        return records.some(({ reasons }) => (reasons as string[])[0]?.startsWith('Nobody countersigns'));
      },
      180_000,
    );
    const proof = unwrap(await running.settled(running.node('node-1').control.auditProve(headOf(running, 'node-1'))));
    expect(proof.witnesses).toBe(0);
  }, 20_000);
});

/** One more class A record. */
const grow = async (running: TestCluster, id: string): Promise<void> => {
  const before = headOf(running, id);
  await running.settled(running.node(id).control.audit({ type: 'LoginSuccess', caller, reasons: [] }));
  await running.until('the record is there', () => headOf(running, id) > before);
};

/** What a copy of the machine’s disk holds now, to be laid over a later one. */
function takeBackup(running: TestCluster, id: string) {
  const machine = running.machine(id);
  const folder = machine.config.security.audit.logPath;
  const files = machine.disk.paths().filter((path) => path.startsWith(folder));
  const bytes = files.map((path) => [path, machine.disk.peek(path)!] as const);
  const signed = machine.store.peek('audit-checkpoint').get('signed')!;
  return {
    audit: () => {
      for (const [path, content] of bytes) machine.disk.put(path, content);
    },
    state: () => machine.store.hold('audit-checkpoint', 'signed', signed),
  };
}
