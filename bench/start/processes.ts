import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { ClusterLayout } from '../../src/development/layout.ts';
import type { NodeId } from '../../src/index.ts';

/** Milliseconds from spawning a program to its exit. Rejects when it fails. */
export function runTime(args: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    });
    let words = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      words += text;
    });
    child.once('exit', (code) => {
      if (code === 0) resolve(performance.now() - start);
      else reject(new Error(`${args.join(' ')} ended with ${code}: ${words}`));
    });
  });
}

export interface StartedNode {
  /** Resolves with the milliseconds from spawn to the node’s word that it is up. */
  readonly up: Promise<number>;
  /** Resolves, in `performance.now()`, when the node sees so many others alive for the first time. */
  sees(others: number): Promise<number>;
  stop(): Promise<void>;
}

interface Said {
  readonly event?: { readonly type: string; readonly member?: { readonly nodeId: string; readonly status: string } };
}

const deadlineMs = 20_000;

/** `caxton server start` as a process of its own, watched the way `npm start` watches its nodes. */
export function startNodeProcess(program: string, layout: ClusterLayout, id: string): StartedNode {
  const start = performance.now();
  const config = layout.node(id as NodeId).config;
  const child: ChildProcess = spawn(process.execPath, [program, 'server', 'start', '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let words = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-4_000);
  });
  const alive = new Set<string>();
  const up = Promise.withResolvers<number>();
  const seen: { readonly others: number; readonly resolve: (at: number) => void }[] = [];
  const fail = (what: string) => up.reject(new Error(`${id} ${what}: ${words}`));
  const timer = setTimeout(() => {
    fail(`was not up within ${deadlineMs} ms`);
    child.kill('SIGKILL');
  }, deadlineMs);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      clearTimeout(timer);
      fail('ended');
      resolve();
    });
  });
  child.on('message', ({ event }: Said) => {
    if (event?.type === 'node.started') {
      clearTimeout(timer);
      up.resolve(performance.now() - start);
    }
    if (event?.type !== 'member.changed' || !event.member || event.member.nodeId === id) return;
    if (event.member.status === 'alive') alive.add(event.member.nodeId);
    else alive.delete(event.member.nodeId);
    for (const { others, resolve } of seen) if (alive.size >= others) resolve(performance.now());
  });
  return {
    up: up.promise,
    sees: (others) =>
      new Promise((resolve, reject) => {
        seen.push({ others, resolve });
        if (alive.size >= others) resolve(performance.now());
        setTimeout(() => reject(new Error(`${id} did not see ${others} others: ${words}`)), deadlineMs).unref();
      }),
    async stop() {
      if (child.connected) child.send({ type: 'stop' });
      const late = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
      await ended;
      clearTimeout(late);
    },
  };
}

/** The program of this clone. */
export const cloneProgram = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');
