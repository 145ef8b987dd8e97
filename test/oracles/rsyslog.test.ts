import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verifyEvidence } from '../../src/actors/operations/audit/proof-check.ts';
import type { SiemView } from '../../src/actors/operations/control.ts';
import { issueServerCertificate } from '../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { osCrypto, sha256 } from '../../src/crypto/port.ts';
import { developmentCluster } from '../../src/development/development-cluster.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import { unwrap } from '../../src/errors.ts';
import type { NodeId } from '../../src/names.ts';
import { decodeCheckpointEvidence } from '../../src/protocols/audit/evidence.ts';
import { emptyRange, extendRange, leafHash, rootOf } from '../../src/protocols/audit/merkle.ts';
import { sameHash } from '../../src/protocols/audit/proof.ts';
import { Rsyslog } from './rsyslog/receiver.ts';

const folder = mkdtempSync(join(tmpdir(), 'caxton-rsyslog-'));
const layout = clusterLayout(join(folder, 'cluster'));
let rsyslog: Rsyslog;
let node: ChildProcess | undefined;

beforeAll(async () => {
  await developmentCluster({ folder: layout.root });
  const port = await freePort();
  const pem = { ca: join(folder, 'ca.crt'), cert: join(folder, 'receiver.crt'), key: join(folder, 'receiver.key') };
  copyFileSync(layout.caCert, pem.ca);
  const { publicKey, privateKey } = osCrypto.generateKeyPair('p256');
  const ca = { certPem: readFileSync(layout.caCert, 'utf8'), keyPem: readFileSync(layout.caKey, 'utf8') };
  const now = Date.now();
  const names = { commonName: 'siem', dns: ['localhost'], ip: ['127.0.0.1'] };
  const period = { notBefore: now - 60_000, notAfter: now + 86_400_000 };
  writeFileSync(pem.cert, unwrap(issueServerCertificate(osCrypto, { ca, publicKey, ...names, ...period })));
  writeFileSync(pem.key, privateKeyToPem(privateKey), { mode: 0o600 });
  const { config, certificate, key } = layout.node('node-1' as NodeId);
  const text = readFileSync(config, 'utf8').replace(
    /^( *)forward_to_siem: false/m,
    `$1forward_to_siem: true
$1siem:
$1  - name: soc
$1    kind: syslog
$1    address: 127.0.0.1:${port}
$1    ca_cert: ${pem.ca}
$1    client_cert: ${certificate}
$1    client_key: ${key}`,
  );
  writeFileSync(config, text);
  chmodSync(config, 0o600);
  rsyslog = new Rsyslog(folder, port, pem, 'node-1');
});

afterAll(async () => {
  node?.kill('SIGKILL');
  await rsyslog.stop('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function start(): Promise<void> {
  const program = join(import.meta.dirname, 'rsyslog', 'node.ts');
  node = fork(program, [layout.node('node-1' as NodeId).config, layout.deployerKey], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await answer('up');
}

async function answer<T>(type: string): Promise<T> {
  for (;;) {
    const [message] = (await once(node!, 'message')) as [T & { readonly type: string }];
    if (message.type === type) return message;
  }
}

async function deploy(count: number): Promise<void> {
  node?.send({ type: 'deploy', count });
  await answer('deployed');
}

async function report(): Promise<{
  readonly records: readonly { readonly seq: number }[];
  readonly siem: readonly SiemView[];
}> {
  node?.send({ type: 'report' });
  return answer('report');
}

async function kill(): Promise<void> {
  node?.kill('SIGKILL');
  await once(node!, 'exit');
}

/** Repetitions are allowed, gaps and steps back to what never came are not: each number is at most one above all before. */
function expectInOrder(sequences: readonly number[]): void {
  let highest = 0;
  for (const sequence of sequences) {
    if (sequence > highest + 1) throw new Error(`record ${sequence} came after ${highest}`);
    highest = Math.max(highest, sequence);
  }
}

/** Whether a root is that of the records as they were received. */
function sameRoot(root: Uint8Array, records: readonly object[]): boolean {
  const leaves = records.map((record) => leafHash(Buffer.from(JSON.stringify(record)), sha256));
  return sameHash(root, rootOf(extendRange(emptyRange, leaves, sha256), sha256));
}

it('rsyslog has every record in order, whoever is restarted or killed', async () => {
  await rsyslog.start();
  await start();
  await deploy(100);
  await rsyslog.stop();
  await deploy(100);
  await rsyslog.start();
  await deploy(50);
  await rsyslog.stop('SIGKILL');
  await deploy(50);
  await rsyslog.start();
  await deploy(50);
  await kill();
  await start();
  await deploy(100);
  await expect.poll(async () => (await report()).siem[0]?.backlogRecords, { timeout: 60_000, interval: 500 }).toBe(0);
  const { records } = await report();
  const { messages } = rsyslog;
  expect(records.length).toBeGreaterThan(450);
  expectInOrder(messages.map(({ sequence }) => sequence));
  const bySequence = new Map(messages.map((message) => [message.sequence, message]));
  for (const record of records) expect(bySequence.get(record.seq)?.record).toEqual(record);
  for (const { sequence, record, type } of messages) expect([record.seq, record.type]).toEqual([sequence, type]);
  // The anchor outside of the cluster: what the node said of its log, behind the records that it said it of.
  const { checkpoints } = rsyslog;
  const received = records.map(({ seq }) => bySequence.get(seq)!.record);
  const trust = { caPem: readFileSync(layout.caCert, 'utf8'), now: Date.now() };
  for (const { size, line } of checkpoints) {
    const { nodeId, checkpoint } = unwrap(verifyEvidence(unwrap(decodeCheckpointEvidence(line)), trust));
    expect([nodeId, checkpoint.size]).toEqual(['node-1', size]);
    expect(sameRoot(checkpoint.root, received.slice(0, size))).toBe(true);
  }
  expect(checkpoints.at(-1)?.size).toBe(records.length);
  console.log(
    `${records.length} records, ${checkpoints.length} checkpoints, ${messages.length} messages, of which ${messages.length - records.length} repeated`,
  );
  node?.send({ type: 'stop' });
  await once(node!, 'exit');
}, 180_000);
