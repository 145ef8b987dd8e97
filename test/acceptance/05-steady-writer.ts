/**
 * A process that records one act after the other until its standard input ends: `05-steady-writer.ts FOLDER RING`. Says
 * `ok` or `no REASONS` for each, and at the end whether its log is valid and says that it was blocked.
 */
import { readFileSync, writeSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { createActor } from 'xstate';
import { nodeClock } from '../../src/actors/kernel/node-clock.ts';
import { AuditLog } from '../../src/actors/operations/audit/audit-log.ts';
import { auditWriter } from '../../src/actors/operations/audit/audit-writer.ts';
import { nodeDisk } from '../../src/actors/operations/node-disk.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { vaultRingFromText } from '../../src/crypto/vault.ts';
import { unwrap } from '../../src/errors.ts';

const [folder, ringFile] = process.argv.slice(2) as [string, string];
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
let isOver = false;
process.stdin.resume().once('end', () => {
  isOver = true;
});
for (let made = 0; !isOver; made++) {
  const result = await log.record({
    type: 'AgentDeployed',
    identity: `act/${made}`,
    sourceIp: '127.0.0.1',
    outcome: 'success',
    reasons: ['x'.repeat(2_000)],
    metadata: {},
  });
  writeSync(1, result.ok ? 'ok\n' : `no ${result.refusal.reasons.join(' ')}\n`);
  await wait(10);
}
const { valid } = unwrap(await log.verify());
const recovered = unwrap(await log.tail(10_000)).some(({ type }) => type === 'AuditRecovered');
writeSync(1, `valid=${valid} recovered=${recovered}\n`);
process.exit(0);
