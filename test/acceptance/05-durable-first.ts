/**
 * Issue 5, “Shown by” 1, the system’s view: under strace, the segment is written and synced (fdatasync) before the act is
 * answered, for each of twenty acts. Needs strace.
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
const trace = join(home, 'trace');
const acts = 20;
const writer = join(import.meta.dirname, '05-audit-writer.ts');
const calls = 'trace=openat,write,pwrite64,fdatasync';
execFileSync(
  'strace',
  [
    '-f',
    '-y',
    '-e',
    calls,
    '-o',
    trace,
    process.execPath,
    writer,
    join(home, 'audit'),
    ringFile,
    'act',
    '1',
    String(acts),
  ],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);

/** One line for each call that ended, in order; a call that another thread’s interrupted ends where it is resumed. */
let written = false;
let synced = false;
let answered = 0;
for (const line of readFileSync(trace, 'utf8').split('\n')) {
  if (/ p?write(64)?\(\d+<[^>]*audit-\d{12}\.seg>/.test(line)) [written, synced] = [true, false];
  // `<unfinished …>` is the begin of a call; its end comes as `<… fdatasync resumed>`.
  if (/fdatasync\(\d+<[^>]*\.seg>\)\s+= 0/.test(line) || /<\.\.\. fdatasync resumed>\)\s+= 0/.test(line))
    synced = written;
  if (!/ write\(1<.*"act\/\d+/.test(line)) continue;
  if (!synced) throw new Error(`answered before it was synced: ${line}`);
  answered += 1;
  [written, synced] = [false, false];
}
if (answered !== acts) throw new Error(`${answered} of ${acts} answers were seen`);
console.log(`${acts} acts: each was written and synced before it was answered`);
