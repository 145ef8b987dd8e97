/**
 * Issue 5, the disk that is sick in other ways than full: a real ext4 that goes read-only under an open log (EROFS), a
 * user’s quota (EDQUOT), and the newest segment and the whole folder deleted while acts are recorded. Each time acts are
 * refused with a reason that says what is wrong, the process goes on, and once the disk is well again the log recovers by
 * itself, says so, and holds. Needs root: it mounts small file systems of its own.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { osCrypto } from '../../src/crypto/port.ts';
import { createVaultRing } from '../../src/crypto/vault.ts';

if (process.getuid?.() !== 0) {
  console.error('Small file systems can only be mounted by root: sudo npm exec …');
  process.exit(1);
}
const home = mkdtempSync(join(tmpdir(), 'caxton-sick-'));
const ringFile = join(home, 'vault.key');
writeFileSync(ringFile, createVaultRing(osCrypto).toText(), { mode: 0o600 });
const cleanUp: (() => void)[] = [];
process.on('exit', () => {
  for (const act of cleanUp.reverse()) act();
  rmSync(home, { recursive: true, force: true });
});

const need = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
  console.log(`✓ ${what}`);
};
const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();

function place(name: string): string {
  const path = join(home, name);
  mkdirSync(path, { recursive: true });
  return path;
}

function mounted(name: string, ...args: string[]): string {
  const path = place(name);
  run('mount', ...args, path);
  cleanUp.push(() => void run('umount', '-l', path));
  return path;
}

/** A process that records one act after the other and says how each ended. */
class Writer {
  readonly #child: ChildProcess;
  #answers = 0;
  #refused = '';
  #said = '';

  constructor(folder: string, program: readonly string[] = []) {
    const script = join(import.meta.dirname, '05-steady-writer.ts');
    const [command, ...args] = [...program, process.execPath, script, folder, ringFile];
    this.#child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    cleanUp.push(() => void this.#child.kill('SIGKILL'));
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      if (line === 'ok') this.#answers += 1;
      else if (line.startsWith('no ')) this.#refused = line.slice(3);
      else this.#said = line;
    });
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const begun = performance.now();
    while (!holds()) {
      if (this.#child.exitCode !== null) throw new Error(`the process has ended before ${what}`);
      if (performance.now() - begun > 60_000) throw new Error(`not in a minute: ${what}`);
      await wait(20);
    }
  }

  async writes(): Promise<void> {
    const before = this.#answers;
    await this.#until('acts are recorded', () => this.#answers > before + 3);
  }

  async refuses(reason: RegExp): Promise<string> {
    this.#refused = '';
    await this.#until(`acts are refused with ${reason}`, () => reason.test(this.#refused));
    return this.#refused;
  }

  /** Lets it verify its log and end; what it says of it. */
  async verdict(): Promise<string> {
    this.#child.stdin!.end();
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    await ended;
    return this.#said;
  }
}

async function isWellAgain(writer: Writer, what: string): Promise<void> {
  await writer.writes();
  const verdict = await writer.verdict();
  need(/^valid=true recovered=true$/.test(verdict), `${what}: it recovers by itself, says so, and holds (${verdict})`);
}

async function readOnly(): Promise<void> {
  const image = join(home, 'image');
  writeFileSync(image, '');
  run('truncate', '-s', '32M', image);
  run('mkfs.ext4', '-q', '-O', '^has_journal', image);
  const disk = mounted('ext4', '-o', 'loop,errors=remount-ro', image);
  const writer = new Writer(join(disk, 'audit'));
  await writer.writes();
  // As the kernel does when the disk returns nonsense: the file system is read-only at once, under open files.
  const device = run('findmnt', '-n', '-o', 'SOURCE', disk).replace('/dev/', '');
  writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, 'acceptance');
  need(true, `read-only: refused with ${await writer.refuses(/EROFS/)}`);
  need((await writer.verdict()) === 'valid=true recovered=false', 'what was recorded before is still read, and holds');
  // Linux makes such a file system writable only anew, when nobody has it open.
  run('umount', disk);
  spawnSync('e2fsck', ['-fy', image], { stdio: 'ignore' });
  run('mount', '-o', 'loop', image, disk);
  const next = new Writer(join(disk, 'audit'));
  await next.writes();
  need((await next.verdict()).startsWith('valid=true'), 'mended and mounted again, the log goes on and holds');
}

async function quota(): Promise<void> {
  if (spawnSync('setquota', ['-V']).error) {
    console.log('- a quota: setquota is not there (apt-get install quota), so this was not tried');
    return;
  }
  const image = join(home, 'quota.img');
  writeFileSync(image, '');
  run('truncate', '-s', '64M', image);
  run('mkfs.ext4', '-q', '-O', '^has_journal,quota', '-E', 'quotatype=usrquota', image);
  let disk: string;
  try {
    disk = mounted('quota', '-o', 'loop,usrquota', image);
  } catch {
    console.log('- a quota: this kernel has none for ext4 (CONFIG_QFMT_V2), so this was not tried');
    return;
  }
  // Root may exceed quotas, so the writer is somebody else.
  const user = '65534';
  const as = ['setpriv', '--reuid', user, '--clear-groups'];
  run('setquota', '-u', user, '0', '6144', '0', '0', disk);
  run('chown', user, disk, ringFile);
  run('chmod', '711', home);
  const writer = new Writer(join(disk, 'audit'), as);
  await writer.writes();
  const ballast = join(disk, 'ballast');
  const fill = ['dd', 'if=/dev/zero', `of=${ballast}`, 'bs=4k', 'count=4096'];
  const filled = spawnSync(as[0]!, [...as.slice(1), ...fill], { encoding: 'utf8' });
  need(filled.status !== 0, `the quota is used up: ${filled.stderr.split('\n')[0]}`);
  need(true, `refused with ${await writer.refuses(/EDQUOT/)}`);
  rmSync(ballast);
  await isWellAgain(writer, 'room again');
  run('chown', '0', ringFile);
}

async function deleted(): Promise<void> {
  const folder = join(place('deleted'), 'audit');
  const writer = new Writer(folder);
  await writer.writes();
  const newest = join(folder, readdirSync(folder).findLast((name) => name.endsWith('.seg'))!);
  const kept = join(home, 'kept');
  renameSync(newest, kept);
  need(true, `the newest segment was taken away: refused with ${await writer.refuses(/segment|gone/)}`);
  renameSync(kept, newest);
  await writer.writes();
  need(true, 'put back: it goes on');
  const moved = join(home, 'moved');
  renameSync(folder, moved);
  need(true, `the whole folder was taken away: refused with ${await writer.refuses(/audit/)}`);
  renameSync(moved, folder);
  await isWellAgain(writer, 'put back');
}

await readOnly();
await quota();
await deleted();
process.exit(0);
