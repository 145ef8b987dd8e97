import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { NodeEvent } from '../../actors/operations/control.ts';
import type { NodeId } from '../../names.ts';

/** The program that a node process runs; found from here, so that a clone and the package both work. */
const program = fileURLToPath(new URL('../../../bin/caxton.js', import.meta.url));

export interface NodeProcess {
  readonly id: NodeId;
  readonly pid: number | undefined;
  /** Resolves with the exit code or signal; never rejects. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Resolves true when the node says that it is up, false when it ended before. */
  readonly up: Promise<boolean>;
  /** Asks the node to drain and stop. */
  stop(): void;
  kill(): void;
  /** What it printed to stderr last; for the case that it does not start. */
  lastWords(): string;
}

const wordsCharsMax = 4_000;

/**
 * Starts a node as a process of its own, in its own process group: the terminal’s Ctrl-C reaches the launcher alone,
 * which then stops the nodes in order. The node drains by itself when the channel closes, so a killed launcher leaves
 * no orphan.
 */
export function startNodeProcess(id: NodeId, configPath: string, onEvent: (event: NodeEvent) => void): NodeProcess {
  const child: ChildProcess = spawn(process.execPath, [program, 'server', 'start', '--config', configPath], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-wordsCharsMax);
  });
  let upNow: (up: boolean) => void = () => {};
  const up = new Promise<boolean>((resolve) => {
    upNow = resolve;
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('error', (error) => {
      words += error.message;
      resolve({ code: 1, signal: null });
    });
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  void ended.then(() => upNow(false));
  child.on('message', (message) => {
    const event = (message as { event?: NodeEvent }).event;
    if (!event) return;
    if (event.type === 'node.started') upNow(true);
    onEvent(event);
  });
  return {
    id,
    pid: child.pid,
    ended,
    up,
    stop: () => {
      if (child.connected) child.send({ type: 'stop' });
    },
    kill: () => void child.kill('SIGKILL'),
    lastWords: () => words.trim(),
  };
}

/** The command with which a person starts this node again. */
export const startAgainCommand = (configPath: string): string => `npx caxton server start --config ${configPath}`;
