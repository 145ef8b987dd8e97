import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { join } from 'node:path';

export const projectRoot = join(import.meta.dirname, '..', '..');

const git = (...args: string[]): string => {
  try {
    return execFileSync('git', args, {
      cwd: projectRoot,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return '';
  }
};

/** The name of the Linux distribution, or of the system. */
function system(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? type();
  } catch {
    return type();
  }
}

/** Where and when the figures were made: lines for the head of the results. */
export function machine(): readonly string[] {
  const processors = cpus();
  // The results themselves may differ from the commit: they are what is being written.
  const changes = git('status', '--porcelain', '--', '.', ':!bench/RESULTS*.md');
  const commit = git('rev-parse', '--short=12', 'HEAD') || 'no commit';
  return [
    `Date: ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    `Commit: ${commit}${changes === '' ? '' : ', dirty: the work tree had changes'}`,
    `Processor: ${processors[0]?.model.trim() ?? 'unknown'}, ${processors.length} cores`,
    `Memory: ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `System: ${system()}, ${type()} ${release()}`,
    `Node: ${process.version}, OpenSSL ${process.versions.openssl}`,
    `Load when the run began: ${loadavg()[0]!.toFixed(2)}`,
  ];
}

/** Versions of the peers, as they are pinned; `ws` and `xstate` are the very ones that Caxton itself uses. */
export function peerVersions(): Readonly<Record<string, string>> {
  const pinned = (folder: string) => {
    const text = readFileSync(join(folder, 'package.json'), 'utf8');
    return (JSON.parse(text) as { dependencies: Record<string, string> }).dependencies;
  };
  return { ...pinned(projectRoot), ...pinned(join(projectRoot, 'bench')) };
}
