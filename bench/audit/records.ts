/** Durable records: `caxton`, `bare` (a line, then fdatasync, again and again) or `pino` (a sync destination, no sync of the disk). */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import { type CallsPlan, measureCalls } from '../runner/calls.ts';
import { play } from '../runner/process.ts';
import { deployed, folder, logIn, writing } from './lab.ts';

const { path, remove } = folder();

interface Recorder {
  record(): Promise<void>;
  close(): Promise<void>;
}

async function caxton(): Promise<Recorder> {
  const log = logIn(join(path, 'audit'));
  const close = await writing(log);
  return {
    async record() {
      const result = await log.record(deployed);
      if (!result.ok) throw new Error(result.refusal.reasons.join(' '));
    },
    close,
  };
}

async function bare(): Promise<Recorder> {
  const file = await open(join(path, 'lines'), 'a', 0o600);
  const line = Buffer.from(`${JSON.stringify({ seq: 1, time: new Date(), nodeId: 'node-1', ...deployed })}\n`);
  return {
    async record() {
      await file.write(line);
      await file.datasync();
    },
    close: () => file.close(),
  };
}

async function pinoSync(): Promise<Recorder> {
  const destination = pino.destination({ dest: join(path, 'lines'), sync: true });
  const logger = pino(destination);
  return {
    record: async () => logger.info({ nodeId: 'node-1', ...deployed }),
    close: async () => destination.end(),
  };
}

const recorder = await { caxton, bare, pino: pinoSync }[process.argv[2] as 'caxton' | 'bare' | 'pino']();
play({
  round: async (plan: CallsPlan) => ({
    ...(await measureCalls(recorder.record, plan)),
    rss: process.memoryUsage.rss(),
  }),
  stop: async () => {
    await recorder.close();
    remove();
  },
});
