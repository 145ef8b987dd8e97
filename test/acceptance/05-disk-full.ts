/**
 * Issue 5, “Shown by” 4: an audit log on a tmpfs of 8 MiB that fills up. Acts of class A live on the reserve, then they
 * are refused with a clear reason; when there is room again the log recovers by itself, says so, and holds. Needs root.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createActor } from 'xstate';
import { nodeClock } from '../../src/actors/kernel/node-clock.ts';
import { AuditLog } from '../../src/actors/operations/audit/audit-log.ts';
import { auditWriter } from '../../src/actors/operations/audit/audit-writer.ts';
import { nodeDisk } from '../../src/actors/operations/node-disk.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { createVaultRing } from '../../src/crypto/vault.ts';
import { unwrap } from '../../src/errors.ts';

if (process.getuid?.() !== 0) {
  console.error('A small file system can only be mounted by root: sudo npm exec …');
  process.exit(1);
}
const place = mkdtempSync(join(tmpdir(), 'caxton-full-'));
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', place]);
process.on('exit', () => {
  execFileSync('umount', ['-l', place]);
  rmdirSync(place);
});

const ring = createVaultRing(osCrypto);
const log = new AuditLog({
  disk: nodeDisk,
  clock: nodeClock,
  crypto: osCrypto,
  nodeId: 'node-1',
  origin: 'acceptance/node/node-1/audit',
  vault: () => ring,
  folder: join(place, 'audit'),
});
const writer = createActor(auditWriter, { input: { log }, clock: nodeClock });
writer.start();
const act = (name: string) =>
  log.record({
    type: 'AgentDeployed',
    identity: name,
    sourceIp: '',
    outcome: 'success',
    reasons: ['x'.repeat(400)],
    metadata: {},
  });
const need = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
  console.log(`✓ ${what}`);
};

need((await act('before')).ok, 'an act is recorded');
const ballast = join(place, 'ballast');
try {
  for (let bytes = Buffer.alloc(4_096); ; bytes = Buffer.concat([bytes, Buffer.alloc(4_096)]))
    writeFileSync(ballast, bytes, { flag: 'a' });
} catch (error) {
  need((error as NodeJS.ErrnoException).code === 'ENOSPC', 'the disk is full');
}
let onReserve = 0;
let refusal: string | undefined;
while (refusal === undefined) {
  const result = await act(`full-${onReserve}`);
  if (result.ok) onReserve += 1;
  else refusal = result.refusal.reasons.join(' ');
}
need(onReserve > 500, `${onReserve} acts of class A were still recorded, from the reserve`);
need(refusal.includes('ENOSPC'), `then they are refused: ${refusal}`);
rmSync(ballast);
const freed = performance.now();
while (!(await act('after')).ok) {
  if (performance.now() - freed > 20_000) throw new Error('it did not recover');
  await new Promise((resolve) => setTimeout(resolve, 50));
}
need(true, `there is room again, and it recovers by itself after ${Math.round(performance.now() - freed)} ms`);
const tail = unwrap(await log.tail(5));
need(
  tail.some(({ type }) => type === 'AuditRecovered'),
  'the log says that it was blocked',
);
need(unwrap(await log.verify()).valid, 'and it holds');
writer.send({ type: 'kernel.shutdown' });
process.exit(0);
