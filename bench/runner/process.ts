import { fork } from 'node:child_process';
import type { Reading } from './rounds.ts';

/** A process of a bench, seen from the one that conducts. */
export interface Player {
  /** What it said when it was ready, such as its port. */
  readonly said: string;
  /** Lets it do one round. */
  round(plan: unknown): Promise<Reading>;
  stop(): Promise<void>;
}

const readyMsMax = 30_000;
const stopMsMax = 10_000;

/** Starts a program that calls `play`. Rejects when it ends or stays silent; what it prints is seen. */
export async function startPlayer(program: string, args: readonly string[] = []): Promise<Player> {
  const child = fork(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const next = (ms: number): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => fail(`said nothing for ${ms} ms`), ms);
      const fail = (what: string) => {
        done();
        child.kill('SIGKILL');
        reject(new Error(`${program} ${args.join(' ')} ${what}`));
      };
      const onExit = () => fail('ended');
      const onMessage = (message: unknown) => {
        done();
        resolve(message as Record<string, unknown>);
      };
      const done = () => {
        clearTimeout(timer);
        child.off('exit', onExit).off('message', onMessage);
      };
      child.once('exit', onExit).once('message', onMessage);
    });
  const { ready } = await next(readyMsMax);
  return {
    said: String(ready ?? ''),
    async round(plan) {
      const answer = next(readyMsMax);
      child.send({ plan });
      return (await answer).reading as Reading;
    },
    async stop() {
      if (child.exitCode !== null) return;
      const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
      if (child.connected) child.send({ stop: true });
      await ended;
      clearTimeout(timer);
    },
  };
}

/** The other end: says that it is ready, does rounds when told to, and ends when told to or when nobody conducts. */
export function play(part: {
  readonly ready?: string | number;
  readonly round?: (plan: never) => Promise<Reading>;
  readonly stop?: () => unknown;
}): void {
  const end = async () => {
    await part.stop?.();
    process.exit(0);
  };
  process.on('disconnect', () => void end());
  process.on('message', async (message: { plan?: unknown; stop?: true }) => {
    if (message.stop) return end();
    process.send?.({ reading: await part.round?.(message.plan as never) });
  });
  process.send?.({ ready: part.ready ?? '' });
}
