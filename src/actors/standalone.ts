import { readConfigFile } from '../config/config-file.ts';
import { findConfig, loadConfig, type NodeConfig } from '../config.ts';
import { unwrap } from '../errors.ts';
import { limits } from '../limits.ts';
import { nodeClock } from './kernel/node-clock.ts';
import type { CreateNodeOptions } from './node-base.ts';
import { checkNodeFolders } from './node-files.ts';
import type { NodeEvent, SiemView } from './operations/control.ts';
import type { Log } from './operations/log.ts';
import { nodeDisk } from './operations/node-disk.ts';
import { filesAtStart } from './start-files.ts';

export interface StandaloneOptions {
  readonly configPath?: string;
  /** Link addresses `host:port` of members, beside those of the configuration. */
  readonly join?: readonly string[];
}

/** A terminal’s Ctrl-C can arrive twice within a millisecond: what comes this soon is the same one. */
const sameSignalMs = 1_000;
/** What still keeps the process alive this long after the node has stopped is an agent’s, and ends with it. */
const remainsMs = 250;

/**
 * `caxton server start`: one node as a process. Stops on SIGINT, SIGTERM, an IPC message `{ type: 'stop' }`, a closed
 * IPC channel (its launcher died), or a request of the API. Returns the exit code: 0 after an orderly stop.
 */
export async function runStandalone(options: StandaloneOptions): Promise<number> {
  const watch = watchForStop();
  // Also while it starts: something may hang then that no phase of a stop could cut.
  void watch.requested.then(() => setTimeout(() => process.exit(1), limits.stopMsMax + remainsMs).unref());
  // What agents print may have lost its reader: no reason to end a node.
  process.stdout.removeAllListeners('error').on('error', () => {});
  try {
    const { config, path } = await readConfig(options.configPath);
    // Judged before anything is made on the disk, and before the rest of the node is loaded: a mistake shows at once.
    await checkNodeFolders(config);
    const files = await filesAtStart(config, nodeDisk, nodeClock);
    const [{ createNodeWith }, { createLog }, { chargeStraysTo }] = await Promise.all([
      import('./node.ts'),
      import('./operations/log.ts'),
      import('./kernel/stray.ts'),
    ]);
    const log = createLog({ level: config.log.level, pretty: process.stderr.isTTY === true });
    const onFault = (message: string, error: unknown, about?: Readonly<Record<string, string>>) =>
      log.error(about?.thrownBy === undefined ? { err: error, ...about } : { thrown: error, ...about }, message);
    // From before the first agent runs until the process has ended: some of their timers outlive the node.
    chargeStraysTo((error) => onFault('a throw that belongs to no actor', error, { thrownBy: '' }), process);
    if (files.enrolledAgain !== undefined)
      log.warn(`the certificate had ended: ${files.enrolledAgain} gave another one, with a new key`);
    const nodeOptions: CreateNodeOptions = {
      onEvent: (event) => {
        log.debug({ event }, event.type);
        if (event.type === 'node.stopping') log.info({ msMax: event.msMax }, `the node stops: ${event.phase}`);
        if (event.type === 'siem.changed') logSiem(log, event.destination);
        tellLauncher(event);
      },
      ...(options.join ? { join: options.join } : {}),
      onFault,
      onWarning: (message) => log.warn(message),
    };
    const node = await createNodeWith(config, nodeOptions, files);
    // Said by a node that runs: a start that failed has one thing to say.
    for (const warning of config.warnings) log.warn(warning);
    const status = node.control.status();
    tellLauncher({ type: 'node.started', nodeId: node.id, status });
    log.info({ nodeId: node.id, config: path, addresses: status.addresses }, 'the node is up');
    void watch.requested.then(() => node.stop());
    const code = (await node.ended).reason === 'stopped' ? 0 : 1;
    setTimeout(() => process.exit(code), remainsMs).unref();
    return code;
  } finally {
    watch.dispose();
    // An open channel would keep the process alive.
    if (process.connected) process.disconnect();
  }
}

/** Whoever watches for attacks should know that they see nothing. */
function logSiem(log: Log, { name, failure, backlogRecords }: SiemView): void {
  if (failure === undefined) log.info({ siem: name }, 'the SIEM takes the audit log again');
  else log.error({ siem: name, backlogRecords }, `the SIEM does not take the audit log: ${failure}`);
}

function tellLauncher(event: NodeEvent): void {
  // A launcher that went away in between is told of by `disconnect`, not here.
  if (process.connected) process.send?.({ event }, undefined, undefined, () => {});
}

async function readConfig(flag: string | undefined): Promise<{ readonly config: NodeConfig; readonly path: string }> {
  const where = { env: process.env, cwd: process.cwd() };
  const path = unwrap(findConfig(flag === undefined ? where : { ...where, flag }));
  const text = unwrap(await readConfigFile(path));
  return { config: unwrap(loadConfig(text, { file: path })), path };
}

interface StopWatch {
  /** Resolves when somebody wants this process to stop. */
  readonly requested: Promise<void>;
  dispose(): void;
}

/**
 * Listens from the first moment: a launcher that dies while its node is still starting must leave no orphan. A signal
 * that comes again later cuts the stop short.
 */
function watchForStop(): StopWatch {
  const { promise, resolve } = Promise.withResolvers<void>();
  let first: number | undefined;
  const onSignal = () => {
    const now = performance.now();
    if (first !== undefined && now - first > sameSignalMs) process.exit(1);
    first ??= now;
    resolve();
  };
  const onMessage = (message: unknown) => {
    if ((message as { type?: unknown } | null)?.type === 'stop') resolve();
  };
  const onDisconnect = () => resolve();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  process.on('message', onMessage).on('disconnect', onDisconnect);
  return {
    requested: promise,
    dispose: () => {
      for (const signal of signals) process.off(signal, onSignal);
      process.off('message', onMessage).off('disconnect', onDisconnect);
    },
  };
}
