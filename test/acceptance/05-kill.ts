/**
 * Issue 5, “Shown by” 1: a process that writes an audit log under load is killed with SIGKILL at random moments, 200
 * times. Every act that was answered is in the log, each once and in order, none that was not asked for, and the log
 * holds. `05-kill.ts [TIMES]`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeClock } from '../../src/actors/kernel/node-clock.ts';
import { AuditLog } from '../../src/actors/operations/audit/audit-log.ts';
import { nodeDisk } from '../../src/actors/operations/node-disk.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { createVaultRing } from '../../src/crypto/vault.ts';
import { unwrap } from '../../src/errors.ts';
import { readAuditLine } from '../../src/protocols/audit/record.ts';

const times = Number(process.argv[2] ?? 200);
const livesOfOneLog = 20;
const home = mkdtempSync(join(tmpdir(), 'caxton-kill-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));
const ring = createVaultRing(osCrypto);
const ringFile = join(home, 'vault.key');
writeFileSync(ringFile, ring.toText(), { mode: 0o600 });

/** Lets a writer run for a drawn time, kills it, and gives back how many of its acts were answered. */
function killed(folder: string, name: string): Promise<number> {
  const program = join(import.meta.dirname, '05-audit-writer.ts');
  const child = spawn(process.execPath, [program, folder, ringFile, name, '128'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  let isDoomed = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (!isDoomed) setTimeout(() => child.kill('SIGKILL'), Math.random() * 250);
    isDoomed = true;
  });
  return new Promise((resolve, reject) => {
    child.once('close', (code, signal) => {
      if (signal !== 'SIGKILL') return reject(new Error(`${name} ended by itself with ${code}`));
      // The last line may be cut; a whole one was answered.
      return resolve(
        said
          .slice(0, said.lastIndexOf('\n'))
          .split('\n')
          .filter((line) => line.startsWith(name)).length,
      );
    });
  });
}

async function check(folder: string, answered: ReadonlyMap<string, number>): Promise<number> {
  const log = new AuditLog({
    disk: nodeDisk,
    clock: nodeClock,
    crypto: osCrypto,
    nodeId: 'node-1',
    origin: 'acceptance/node/node-1/audit',
    vault: () => ring,
    folder,
  });
  await log.open();
  const verified = unwrap(await log.verify());
  if (!verified.valid) throw new Error(`the log does not hold: ${JSON.stringify(verified.firstBad)}`);
  const next = new Map<string, number>();
  let repairs = 0;
  for await (const { bytes } of log.reader.records(1, Number.MAX_SAFE_INTEGER)) {
    const { type, identity } = unwrap(readAuditLine(Buffer.from(bytes).toString()));
    if (type === 'AuditRepaired') repairs += 1;
    if (type !== 'AgentDeployed') continue;
    const [life, index] = identity.split('/') as [string, string];
    if (!answered.has(life) || Number(index) !== (next.get(life) ?? 0))
      throw new Error(`${identity} does not belong there`);
    next.set(life, Number(index) + 1);
  }
  for (const [life, count] of answered)
    if ((next.get(life) ?? 0) < count)
      throw new Error(`${life}: ${count} were answered, ${next.get(life) ?? 0} are there`);
  await log.close();
  return repairs;
}

let acts = 0;
let repairs = 0;
for (let begun = 0; begun < times; begun += livesOfOneLog) {
  const folder = join(home, `log-${begun}`);
  const answered = new Map<string, number>();
  for (let life = begun; life < Math.min(times, begun + livesOfOneLog); life++) {
    const count = await killed(folder, `life-${life}`);
    answered.set(`life-${life}`, count);
    acts += count;
  }
  repairs += await check(folder, answered);
  rmSync(folder, { recursive: true });
  console.log(
    `${Math.min(times, begun + livesOfOneLog)} kills, ${acts} acts answered, ${repairs} torn blocks repaired`,
  );
}
console.log('every act that was answered is in its log, and every log holds');
