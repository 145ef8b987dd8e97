/**
 * Issue 5, “Shown by” 1, the system’s view: under strace, the segment is written and synced (fdatasync) before the act is
 * answered, for each of twenty acts; and acts that wait together share a sync. Needs strace.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { osCrypto } from '../../src/crypto/port.ts';
import { createVaultRing } from '../../src/crypto/vault.ts';

try {
  execFileSync('strace', ['-V'], { stdio: 'ignore' });
} catch {
  console.error('strace is not there: apt-get install strace');
  process.exit(1);
}
const home = mkdtempSync(join(tmpdir(), 'caxton-strace-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));
const ringFile = join(home, 'vault.key');
writeFileSync(ringFile, createVaultRing(osCrypto).toText(), { mode: 0o600 });
const writer = join(import.meta.dirname, '05-audit-writer.ts');

/** What the system saw of a process that records so many acts, so many of them at once. */
function traced(name: string, inFlight: number, acts: number): readonly string[] {
  const trace = join(home, name);
  const calls = ['-f', '-y', '-e', 'trace=openat,write,pwrite64,fdatasync', '-o', trace];
  const program = [process.execPath, writer, join(home, `audit-${name}`), ringFile, 'act'];
  const args = [...calls, ...program, String(inFlight), String(acts)];
  execFileSync('strace', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  return readFileSync(trace, 'utf8').split('\n');
}

/** `<unfinished …>` is the begin of a call; its end comes as `<… fdatasync resumed>`. */
const isSynced = (line: string): boolean =>
  /fdatasync\(\d+<[^>]*\.seg>\)\s+= 0/.test(line) || /<\.\.\. fdatasync resumed>\)\s+= 0/.test(line);
const isAnswer = (line: string): boolean => / write\(1<.*"act\/\d+/.test(line);

const acts = 20;
let written = false;
let synced = false;
let answered = 0;
for (const line of traced('alone', 1, acts)) {
  if (/ p?write(64)?\(\d+<[^>]*audit-\d{12}\.seg>/.test(line)) [written, synced] = [true, false];
  if (isSynced(line)) synced = written;
  if (!isAnswer(line)) continue;
  if (!synced) throw new Error(`answered before it was synced: ${line}`);
  answered += 1;
  [written, synced] = [false, false];
}
if (answered !== acts) throw new Error(`${answered} of ${acts} answers were seen`);
console.log(`${acts} acts: each was written and synced before it was answered`);

/** Group commit: acts that wait together share a sync. */
const many = 20_000;
const crowd = traced('crowd', 1_000, many);
const answers = crowd.filter(isAnswer).length;
const syncs = crowd.filter(isSynced).length;
if (answers !== many) throw new Error(`${answers} of ${many} answers were seen`);
if (syncs * 100 > many) throw new Error(`${many} acts, a thousand at once, took ${syncs} syncs`);
console.log(`${many} acts, a thousand at once: ${syncs} syncs, ${Math.round(many / syncs)} acts for each`);
