import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

/** A message as rsyslog wrote it down. */
export interface Received {
  readonly priority: number;
  readonly sequence: number;
  readonly type: string;
  readonly record: { readonly seq: number; readonly type: string };
}

const checkpointForm = /^109 \[caxton@32473 size="(\d+)" node="node-1"\] AuditCheckpoint \s*\uFEFF?(\{.*\})$/;

/** A real rsyslogd that accepts syslog over mutual TLS and writes what it gets into a file. */
export class Rsyslog {
  readonly #folder: string;
  readonly #port: number;
  #process: ChildProcess | undefined;

  /** The folder gets its files; `pem` are paths. `peer` is the common name that may send. */
  constructor(
    folder: string,
    port: number,
    pem: { readonly ca: string; readonly cert: string; readonly key: string },
    peer: string,
  ) {
    this.#folder = folder;
    this.#port = port;
    mkdirSync(join(folder, 'work'), { recursive: true });
    writeFileSync(
      this.#conf,
      `global(workDirectory="${folder}/work" maxMessageSize="64k" defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="${pem.ca}" defaultNetstreamDriverCertFile="${pem.cert}"
  defaultNetstreamDriverKeyFile="${pem.key}" parser.escapeControlCharactersOnReceive="off")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer=["${peer}"])
template(name="all" type="string" string="%pri% %structured-data% %msgid% %msg%\\n")
input(type="imtcp" port="${port}" address="127.0.0.1")
action(type="omfile" file="${this.#output}" template="all" asyncWriting="off" flushOnTXEnd="on")
`,
    );
  }

  async start(): Promise<void> {
    const process = spawn('rsyslogd', ['-n', '-f', this.#conf, '-i', join(this.#folder, 'pid')], { stdio: 'ignore' });
    this.#process = process;
    for (let tries = 0; ; tries += 1) {
      if (process.exitCode !== null || tries > 200) throw new Error('rsyslogd does not run');
      const socket = connect(this.#port, '127.0.0.1');
      const up = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'error').then(() => false),
      ]).catch(() => false);
      socket.destroy();
      if (up) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (process === undefined || process.exitCode !== null) return;
    process.kill(signal);
    await once(process, 'exit');
  }

  get messages(): readonly Received[] {
    if (!existsSync(this.#output)) return [];
    const lines = readFileSync(this.#output, 'utf8').split('\n');
    return lines.slice(0, -1).flatMap((line) => {
      if (checkpointForm.test(line)) return [];
      const found = /^(\d+) \[caxton@32473 seq="(\d+)" [^\]]*\]\[meta [^\]]*\] (\S+) \s*\uFEFF?(\{.*\})$/.exec(line);
      if (!found) throw new Error(`rsyslog wrote: ${line}`);
      const [, priority, sequence, type = '', json = ''] = found;
      return {
        priority: Number(priority),
        sequence: Number(sequence),
        type,
        record: JSON.parse(json) as Received['record'],
      };
    });
  }

  /** The checkpoints that came among them: the number of records that each covers, and its evidence. */
  get checkpoints(): readonly { readonly size: number; readonly line: string }[] {
    return readFileSync(this.#output, 'utf8')
      .split('\n')
      .map((line) => checkpointForm.exec(line))
      .filter((found) => found !== null)
      .map(([, size, line = '']) => ({ size: Number(size), line }));
  }

  get #conf(): string {
    return join(this.#folder, 'rsyslog.conf');
  }

  get #output(): string {
    return join(this.#folder, 'received.log');
  }
}
