import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { certificateFiles } from './certificates.ts';

/** How to get what is missing. */
export const natsInstallCommand = 'apt-get update && apt-get install -y nats-server';

export interface NatsServer {
  readonly version: string;
  readonly port: number;
  stop(): Promise<void>;
}

const startMsMax = 10_000;

/** Starts Debian’s nats-server with mutual TLS on loopback (both ends prefer 1.3); undefined when it is not installed. */
export async function startNatsServer(folder: string): Promise<NatsServer | undefined> {
  const program = ['nats-server', '/usr/sbin/nats-server'].find((name) => spawnSync(name, ['--version']).status === 0);
  if (!program) return undefined;
  const version = spawnSync(program, ['--version'], { encoding: 'utf8' })
    .stdout.replace(/^nats-server: v?/, '')
    .trim();
  const port = await freePort();
  const { caFile, certFile, keyFile } = certificateFiles(folder, 'server');
  const config = join(folder, 'nats.conf');
  const files = `cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${caFile}"`;
  writeFileSync(config, `listen: "127.0.0.1:${port}"\ntls: { ${files}, verify: true }\n`);
  const child = spawn(program, ['--config', config], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const deadline = performance.now() + startMsMax;
  while (!(await answers(port))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`nats-server did not start with ${config}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    version,
    port,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('data', () => end(true)).once('error', () => end(false));
  });
}
