import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { NodeId } from '../../../src/names.ts';
import type { AuditRecord } from '../../../src/protocols/audit/record.ts';
import type { TestCluster } from '../../../src/testing/test-cluster.ts';
import { Broken } from '../checkers.ts';

const operator = { identity: 'apikey:simulated', sourceIp: '127.0.0.1', requestId: 'accepted' };

/** An act that was answered: whoever was told so may rely on its record. */
interface Answered {
  readonly what: string;
  readonly isIt: (record: AuditRecord) => boolean;
}

/** What each machine’s audit log must hold, since what was answered is durable before. */
export class Audits {
  readonly #answered = new Map<NodeId, Answered[]>();
  /** The first record of each, from one look to the next: a log is only ever added to. */
  readonly #firstTimes = new Map<NodeId, string>();
  /** Lost a log of which others have countersigned checkpoints. */
  readonly #lost = new Set<NodeId>();

  /** An act of class A was answered on a node. */
  answered(node: NodeId, what: string, isIt: Answered['isIt']): void {
    this.#answered.set(node, [...(this.#answered.get(node) ?? []), { what, isIt }]);
  }

  /** The machine was installed anew, its log with it. */
  lost(node: NodeId): void {
    this.#answered.delete(node);
    this.#firstTimes.delete(node);
    this.#lost.add(node);
  }

  /** Verifies the log of a node that runs, chain and tree, and looks for each act that was answered. Throws Broken. */
  async verify(cluster: TestCluster, node: NodeId): Promise<void> {
    const { control } = cluster.node(node);
    // What the witnesses tell of a log that began anew, its operator explains.
    if (this.#lost.has(node) && control.auditCheckpoint().fork) unwrap(await control.auditAccept(node, operator));
    const verified = unwrap(await cluster.settled(control.auditVerify()));
    if (!verified.valid)
      throw new Broken(`the audit log of ${node} does not hold: ${JSON.stringify(verified.firstBad)}`);
    const records: AuditRecord[] = [];
    for (let from = 1; from <= verified.headSequence; from += limits.apiRecordsMax) {
      const page = unwrap(await cluster.settled(control.auditTail({ limit: limits.apiRecordsMax, from })));
      records.push(...(page as readonly AuditRecord[]));
    }
    const first = records[0]?.time;
    const before = this.#firstTimes.get(node);
    if (before !== undefined && before !== first) throw new Broken(`the audit log of ${node} began anew`);
    if (first !== undefined) this.#firstTimes.set(node, first);
    for (const { what, isIt } of this.#answered.get(node) ?? [])
      if (!records.some(isIt)) throw new Broken(`the audit log of ${node} has no record of what was answered: ${what}`);
  }
}
