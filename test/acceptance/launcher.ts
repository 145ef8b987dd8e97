import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');

export interface Launched {
  readonly dir: string;
  readonly launcher: ChildProcess;
  /** Everything printed so far. */
  output(): string;
  /** The command line, as a person would call it from another terminal. */
  caxton(...args: string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
  /** Resolves with what the condition gave first that is not undefined; throws after the deadline. */
  until<T>(what: string, condition: () => Promise<T | undefined> | T | undefined, ms?: number): Promise<T>;
  pidOf(node: string): Promise<number>;
}

/** `npm start` in a folder of its own, in the foreground of a process group of its own. */
export async function launch(...args: string[]): Promise<Launched> {
  const folder = await mkdtemp(join(tmpdir(), 'caxton-acceptance-'));
  const dir = join(folder, 'cluster');
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const launcher = spawn(process.execPath, [program, 'dev', 'start', '--dir', dir, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let text = '';
  for (const stream of [launcher.stdout, launcher.stderr])
    stream!.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  const launched: Launched = {
    dir,
    launcher,
    output: () => text,
    async caxton(...words) {
      try {
        const env = { ...process.env, CAXTON_PROFILE: join(dir, 'profile.json') };
        const { stdout, stderr } = await run(process.execPath, [program, ...words], { env, cwd: folder });
        return { code: 0, stdout, stderr };
      } catch (error) {
        const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
        return { code, stdout, stderr };
      }
    },
    async until(what, condition, ms = 30_000) {
      const deadline = performance.now() + ms;
      for (;;) {
        const found = await condition();
        if (found !== undefined) return found;
        if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}\n${text}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async pidOf(node) {
      const { stdout } = await launched.caxton('server', 'status', '--node', node, '--output', 'json');
      return (JSON.parse(stdout) as { pid: number }).pid;
    },
  };
  return launched;
}

/** Prints a claim and whether it holds; a claim that does not hold ends the script. */
export function claim(text: string, holds: boolean, detail = ''): void {
  process.stdout.write(`${holds ? 'ok  ' : 'FAIL'} ${text}${detail ? `: ${detail}` : ''}\n`);
  if (!holds) process.exit(1);
}

export const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
