/**
 * A process that writes an audit log until it is killed: `05-audit-writer.ts FOLDER RING NAME IN_FLIGHT [RECORDS]`. Says
 * `ready`, then the name of each act on a line of its own, at the moment at which it is answered.
 */
import { readFileSync, writeSync } from 'node:fs';
import { createActor } from 'xstate';
import { nodeClock } from '../../src/actors/kernel/node-clock.ts';
import { AuditLog } from '../../src/actors/operations/audit/audit-log.ts';
import { auditWriter } from '../../src/actors/operations/audit/audit-writer.ts';
import { nodeDisk } from '../../src/actors/operations/node-disk.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { vaultRingFromText } from '../../src/crypto/vault.ts';
import { unwrap } from '../../src/errors.ts';

const [folder, ringFile, name, inFlight, records] = process.argv.slice(2) as [string, string, string, string, string?];
const ring = unwrap(vaultRingFromText(readFileSync(ringFile, 'utf8')));
const log = new AuditLog({
  disk: nodeDisk,
  clock: nodeClock,
  crypto: osCrypto,
  nodeId: 'node-1',
  origin: 'acceptance/node/node-1/audit',
  vault: () => ring,
  folder,
});
const writer = createActor(auditWriter, { input: { log }, clock: nodeClock });
writer.subscribe({ error: (error) => process.stderr.write(`${error}\n`, () => process.exit(1)) });
writer.start();

let made = 0;
const end = records === undefined ? Number.POSITIVE_INFINITY : Number(records);
async function act(): Promise<void> {
  while (made < end) {
    const identity = `${name}/${made++}`;
    const result = await log.record({
      type: 'AgentDeployed',
      identity,
      sourceIp: '127.0.0.1',
      outcome: 'success',
      reasons: [],
      metadata: { generation: 1 },
    });
    // With the system at once: what stands in the pipe outlives this process.
    if (result.ok) writeSync(1, `${identity}\n`);
  }
}
writeSync(1, 'ready\n');
await Promise.all(Array.from({ length: Number(inFlight) }, act));
process.exit(0);
