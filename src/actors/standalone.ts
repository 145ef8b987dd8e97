import { readFile } from 'node:fs/promises';
import { findConfig, loadConfig } from '../config.ts';
import { CaxtonError, unwrap } from '../errors.ts';
import { chargeStrayThrows } from './kernel/stray.ts';
import { createNode, type Node } from './node.ts';
import { createLog } from './operations/log.ts';

export interface StandaloneOptions {
  readonly configPath?: string;
  /** Link addresses `host:port` of members, beside those of the configuration. */
  readonly join?: readonly string[];
}

/** A terminal’s Ctrl-C can arrive twice within a millisecond: what comes this soon is the same one. */
const sameSignalMs = 1_000;

/**
 * `caxton server start`: one node as a process. Stops on SIGINT, SIGTERM, an IPC message `{ type: 'stop' }`, a closed
 * IPC channel (its launcher died), or a request of the API. Returns the exit code: 0 after an orderly stop.
 */
export async function runStandalone(options: StandaloneOptions): Promise<number> {
  const path = unwrap(
    findConfig({
      ...(options.configPath === undefined ? {} : { flag: options.configPath }),
      env: process.env,
      cwd: process.cwd(),
    }),
  );
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CaxtonError(
      'FILE_UNREADABLE',
      `The configuration ${path} cannot be read: ${error.code ?? error.message}.`,
    );
  });
  const config = unwrap(loadConfig(text, { file: path }));
  const log = createLog({ level: config.log.level, pretty: process.stderr.isTTY === true });
  for (const warning of config.warnings) log.warn(warning);
  const node = await createNode(config, {
    ...(options.join ? { join: options.join } : {}),
    onFault: (message, error) => log.error({ err: error }, message),
  });
  const stopStray = chargeStrayThrows(node.kernel, process);
  const unsubscribe = node.on((event) => {
    log.debug({ event }, event.type);
    if (process.connected) process.send?.({ event });
  });
  if (process.connected)
    process.send?.({ event: { type: 'node.started', nodeId: node.id, status: node.control.status() } });
  log.info({ nodeId: node.id, addresses: node.control.status().addresses }, 'the node is up');
  try {
    return await untilStopped(node);
  } finally {
    unsubscribe();
    stopStray();
    if (process.connected) process.disconnect();
  }
}

/** Resolves with the exit code once the node has stopped, for whatever reason. */
async function untilStopped(node: Node): Promise<number> {
  let first: number | undefined;
  const stop = () => void node.stop();
  const onSignal = () => {
    const now = performance.now();
    if (first === undefined) {
      first = now;
      stop();
    } else if (now - first > sameSignalMs) process.exit(1);
  };
  const onMessage = (message: unknown) => {
    if ((message as { type?: unknown } | null)?.type === 'stop') stop();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  process.on('message', onMessage).on('disconnect', stop);
  const ended = await node.ended;
  process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal);
  process.off('message', onMessage).off('disconnect', stop);
  return ended.reason === 'stopped' ? 0 : 1;
}
