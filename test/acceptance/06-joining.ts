/**
 * Issue 6, “Build” 2: a new node joins with a token and nothing else: no key is copied. The token is good once and for one
 * key; the same command again gets the same certificate; the node is a member, and its certificate is renewed by the
 * CA node, whose CA stands below the root. `06-joining.ts`
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient } from '../../src/client.ts';
import { issueIntermediateCa } from '../../src/crypto/certificate.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { developmentCluster } from '../../src/development/development-cluster.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import { anyPorts, claimPorts } from '../../src/development/ports.ts';
import { unwrap } from '../../src/errors.ts';
import type { NodeId } from '../../src/names.ts';
import { claim } from './launcher.ts';

const run = promisify(execFile);
const home = mkdtempSync(join(tmpdir(), 'caxton-joining-'));
const processes: ChildProcess[] = [];
process.on('exit', () => {
  for (const child of processes) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});
const folder = join(home, 'cluster');
const names = ['node-1', 'node-2'];
const cluster = await developmentCluster({ folder, nodes: names, caNodes: ['node-1'] });
const layout = clusterLayout(folder);
// node-1 is a CA node below the root, whose key is on no machine any more; its own certificate stays the root’s.
const root = { certPem: readFileSync(layout.caCert, 'utf8'), keyPem: readFileSync(layout.caKey, 'utf8') };
const year = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 365 * 86_400_000 };
const { trustDomain } = cluster.config('node-1').cluster;
const online = unwrap(issueIntermediateCa(osCrypto, { ca: root, trustDomain, ...year }));
writeFileSync(layout.caKey, online.keyPem, { mode: 0o600 });
writeFileSync(join(folder, 'ca', 'online.crt'), online.certPem, { mode: 0o644 });
const caNode = layout.node('node-1' as NodeId).config;
const withCa = '    key_path: ../../ca/ca.key\n    certificate_path: ../../ca/online.crt';
writeFileSync(caNode, readFileSync(caNode, 'utf8').replace('    key_path: ../../ca/ca.key', withCa));
const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');
const env = { ...process.env, CAXTON_PROFILE: layout.profile };

async function caxton(...words: string[]): Promise<{ code: number; out: string }> {
  try {
    const { stdout } = await run(process.execPath, [program, ...words], { env, cwd: home });
    return { code: 0, out: stdout.trim() };
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string };
    return { code, out: stderr.trim() };
  }
}

function start(config: string): ChildProcess {
  const child = spawn(process.execPath, [program, 'server', 'start', '--config', config], { stdio: 'ignore', env });
  processes.push(child);
  return child;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 30_000;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > end) claim(what, false, 'not within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  claim(what, true);
}

const clientOf = (address: string, apiKey: string) =>
  createClient({ address, caPem: readFileSync(layout.caCert, 'utf8'), apiKey });
const { api } = cluster.config('node-1');
const operator = clientOf(`https://127.0.0.1:${api.bind.port}`, readFileSync(layout.apiKey, 'utf8').trim());
for (const id of names) start(layout.node(id as NodeId).config);
await until(
  'two nodes run',
  async () => (await operator.members()).filter(({ status }) => status === 'alive').length === 2,
);

const token = join(home, 'node-9.token');
const asked = ['security', 'join-token', '--node-id', 'node-9', '--ip', '127.0.0.1', '--out', token];
const notCa = await caxton(...asked, '--node', 'node-2');
claim('a node without the CA’s key makes no token', notCa.code === 1 && notCa.out.includes('no CA node'), notCa.out);
const live = await caxton('security', 'join-token', '--node-id', 'node-2', '--out', token, '--node', 'node-1');
claim('there is none for a member that is up', live.code === 1 && live.out.includes('is up'), live.out);
const made = await caxton(...asked, '--node', 'node-1');
claim('a CA node makes one', made.code === 0, made.out);
claim(
  'its file is for its owner alone, and nothing of it is printed',
  (statSync(token).mode & 0o777) === 0o600 && !made.out.includes('caxton-join-1'),
);

const [ports] = (await claimPorts(join(home, 'ports'), ['node-9' as NodeId], anyPorts)).list;
const addresses = ['--bind', `127.0.0.1:${ports!.link}`, '--api-bind', `127.0.0.1:${ports!.api}`];
// Somebody in between: another CA answers than the one that the token pins.
const [, payload = ''] = readFileSync(token, 'utf8').trim().split('.');
const pinned = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { caKeyHash: string };
const elsewhere = { ...pinned, caKeyHash: Buffer.alloc(32).toString('base64url') };
const spied = join(home, 'spied.token');
writeFileSync(spied, `caxton-join-1.${Buffer.from(JSON.stringify(elsewhere)).toString('base64url')}`, { mode: 0o600 });
const between = await caxton('server', 'join', '--token-file', spied, '--dir', join(home, 'spied'), ...addresses);
claim('another CA than the pinned one is refused', between.code === 1 && between.out.includes('shows another CA'));
writeFileSync(join(home, 'open.token'), readFileSync(token), { mode: 0o644 });
const open = await caxton(
  'server',
  'join',
  '--token-file',
  join(home, 'open.token'),
  '--dir',
  join(home, 'open'),
  ...addresses,
);
claim('a token file that others can read is refused', open.code === 1 && open.out.includes('chmod 600'));
const [first, second] = [join(home, 'node-9'), join(home, 'thief')];
const joined = await caxton('server', 'join', '--token-file', token, '--dir', first, ...addresses);
claim('the newcomer joins', joined.code === 0, joined.out);
const serial = new X509Certificate(readFileSync(join(first, 'node.crt'))).serialNumber;
claim(
  'its certificate comes with that of the CA above it',
  readFileSync(join(first, 'node.crt'), 'utf8').endsWith(online.certPem),
);
for (const file of ['node.key', 'gossip.key', 'claim.key', 'vault.key', 'api.key', 'node.yaml'])
  claim(`${file} is for its owner alone`, (statSync(join(first, file)).mode & 0o777) === 0o600);

const again = await caxton('server', 'join', '--token-file', token, '--dir', second, ...addresses);
claim(
  'the token is worth nothing for another key',
  again.code === 1 && again.out.includes('UNAUTHENTICATED'),
  again.out,
);
rmSync(join(first, 'node.yaml'));
const resumed = await caxton('server', 'join', '--token-file', token, '--dir', first, ...addresses);
claim(
  'what was cut short goes on, with the same certificate',
  resumed.code === 0 && new X509Certificate(readFileSync(join(first, 'node.crt'))).serialNumber === serial,
  resumed.out,
);

const newcomer = start(join(first, 'node.yaml'));
await until('it is a member', async () =>
  (await operator.members()).some(
    ({ nodeId, status, link }) => nodeId === 'node-9' && status === 'alive' && link === 'ready',
  ),
);
const own = clientOf(`https://127.0.0.1:${ports!.api}`, readFileSync(join(first, 'api.key'), 'utf8').trim());
const status = await own.status();
claim(
  'its API answers under its own key and certificate',
  status.nodeId === 'node-9' && status.certificate.serial === serial,
);
const records = (await operator.auditRecords({ limit: 200 })) as { type: string; reasons: string[] }[];
for (const type of ['NodeEnrolled', 'CertificateIssued', 'LoginFailure'])
  claim(
    `${type} is in the audit log`,
    records.some((record) => record.type === type),
  );
claim('no secret is', !JSON.stringify(records).includes(readFileSync(token, 'utf8').trim().slice(20, 60)));
newcomer.kill('SIGTERM');
await new Promise((resolve) => newcomer.once('exit', resolve));
claim('it stops in order', newcomer.exitCode === 0);
process.exit(0);
