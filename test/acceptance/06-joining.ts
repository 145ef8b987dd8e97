/**
 * Issue 6, “Build” 2: a new node joins with a token and nothing else: no key is copied. The token is good once and for one
 * key; the same command again gets the same certificate; the node is a member, and its certificate is renewed by the
 * CA node, whose CA stands below the root. Its place is taken only when its certificates are revoked; a token that was
 * cancelled is worth nothing after a kill -9 of the CA node either; a node whose certificate has ended comes back by
 * itself; `caxton init` makes a cluster that starts and takes newcomers. `06-joining.ts`
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
const env: NodeJS.ProcessEnv = { ...process.env, CAXTON_PROFILE: layout.profile };

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
const [caProcess] = names.map((id) => start(layout.node(id as NodeId).config)) as [ChildProcess, ChildProcess];
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

const thieved = await caxton('server', 'join', '--token-file', token, '--dir', second, ...addresses);
claim(
  'the token is worth nothing for another key',
  thieved.code === 1 && thieved.out.includes('UNAUTHENTICATED'),
  thieved.out,
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

const ended = (child: ChildProcess) => new Promise((resolve) => child.once('exit', resolve));
const addressesOf = async (id: string) => {
  const [found] = (await claimPorts(join(home, `ports-${id}`), [id as NodeId], anyPorts)).list;
  return ['--bind', `127.0.0.1:${found!.link}`, '--api-bind', `127.0.0.1:${found!.api}`];
};
const tokenOf = (id: string, file: string, ...more: string[]) =>
  caxton('security', 'join-token', '--node-id', id, '--ip', '127.0.0.1', '--out', file, '--node', 'node-1', ...more);
const joinWith = async (file: string, dir: string, id: string) =>
  caxton('server', 'join', '--token-file', file, '--dir', dir, ...(await addressesOf(id)));
const isMember =
  (id: string, more = (_: { bootEpoch: number }) => true) =>
  async () =>
    (await operator.members()).some(
      (member) => member.nodeId === id && member.status === 'alive' && member.link === 'ready' && more(member),
    );

// Another machine is to be node-9.
const replacing = join(home, 'replacing.token');
const known = await tokenOf('node-9', replacing);
claim('there is no token for an id that is known', known.code === 1 && known.out.includes('--replace'), known.out);
const standing = await tokenOf('node-9', replacing, '--replace');
claim(
  'and none to replace it before its certificates are revoked: the command for that is shown',
  standing.code === 1 &&
    standing.out.includes('caxton security revoke --certificates node-9') &&
    standing.out.includes(serial),
  standing.out,
);
const boot = (await operator.members()).find(({ nodeId }) => nodeId === 'node-9')!.bootEpoch;
const allowed = await tokenOf('node-9', replacing, '--replace', '--authority-key', layout.authorityKey);
claim('with an authority’s key the command revokes them first', allowed.code === 0, allowed.out);
await until('the old node has no link any more', async () => !(await isMember('node-9')()));
const place = join(home, 'node-9-again');
const replaced = await joinWith(replacing, place, 'node-9');
claim('the new machine joins under the same id', replaced.code === 0, replaced.out);
const successor = start(join(place, 'node.yaml'));
await until(
  'it is the member, at its first start, beside the old one',
  isMember('node-9', (m) => m.bootEpoch > boot),
);
newcomer.kill('SIGTERM');
await ended(newcomer);
claim('the old one stops in order', newcomer.exitCode === 0);
claim('and the new one stays', await isMember('node-9')());

// A token that somebody may have copied, and certificates of a quarter of a minute (they begin a minute early).
const copied = join(home, 'copied.token');
claim('a token for node-8 is made', (await tokenOf('node-8', copied)).code === 0);
const endedSoon = join(home, 'node-7.token');
const text = readFileSync(caNode, 'utf8');
writeFileSync(caNode, text.replace(withCa, `${withCa}\n    max_validity: 75s`));
const [{ id: copiedId } = { id: '' }] = (await operator.joinTokens()).filter(({ nodeId }) => nodeId === 'node-8');
const cancelled = await caxton('security', 'cancel-join-token', copiedId, '--node', 'node-1');
claim('it is cancelled', cancelled.code === 0, cancelled.out);
caProcess.kill('SIGKILL');
await ended(caProcess);
start(caNode);
await until('the CA node is back', isMember('node-2'));
const stolen = await joinWith(copied, join(home, 'node-8'), 'node-8');
claim('it is worth nothing behind a kill -9', stolen.code === 1 && stolen.out.includes('UNAUTHENTICATED'), stolen.out);

claim('a token for node-7 is made', (await tokenOf('node-7', endedSoon)).code === 0);
const seven = join(home, 'node-7');
const sleeper = await joinWith(endedSoon, seven, 'node-7');
claim('node-7 joins, with a certificate that ends soon', sleeper.code === 0, sleeper.out);
const certificateOf = (dir: string) => new X509Certificate(readFileSync(join(dir, 'node.crt')));
const last = certificateOf(seven);
await until('its certificate has ended', async () => Date.now() > last.validToDate.getTime());
const back = start(join(seven, 'node.yaml'));
await until('it comes back by itself, as a member', isMember('node-7'));
claim('with another certificate and another key', !certificateOf(seven).publicKey.equals(last.publicKey));
const again = (await operator.auditRecords({ limit: 300 })) as { type: string; reasons: string[] }[];
claim(
  'which is on record',
  again.some(({ reasons }) => reasons.join().includes('enrolled again')),
);
for (const child of [back, successor]) child.kill('SIGTERM');
await Promise.all([ended(back), ended(successor)]);

// Another cluster, from nothing.
const made2 = join(home, 'made');
const firstAddresses = await addressesOf('first');
const initialised = await caxton(
  'init',
  '--dir',
  made2,
  '--node-id',
  'first',
  '--expected-size',
  '1',
  ...firstAddresses,
);
claim('caxton init makes a cluster', initialised.code === 0, initialised.out);
for (const file of [
  'node.key',
  'gossip.key',
  'ca/online.key',
  'offline/root.key',
  'offline/authority.key',
  'offline/deployer.key',
])
  claim(`${file} is for its owner alone`, (statSync(join(made2, file)).mode & 0o777) === 0o600);
claim('so is the folder', (statSync(made2).mode & 0o777) === 0o700);
const overwriting = await caxton('init', '--dir', made2, '--node-id', 'first', ...firstAddresses);
claim(
  'which it never overwrites',
  overwriting.code === 1 && overwriting.out.includes('left as it is'),
  overwriting.out,
);
const firstNode = start(join(made2, 'node.yaml'));
env.CAXTON_PROFILE = join(made2, 'profile.json');
await until('its first node runs', async () => (await caxton('cluster', 'members')).out.includes('alive'));
const secondToken = join(home, 'second.token');
const invited = await caxton(
  'security',
  'join-token',
  '--node-id',
  'second',
  '--ip',
  '127.0.0.1',
  '--out',
  secondToken,
);
claim('and lets a second one in', invited.code === 0, invited.out);
const secondJoined = await joinWith(secondToken, join(home, 'second'), 'second');
claim('which joins', secondJoined.code === 0, secondJoined.out);
const idOf = (dir: string) => /^ {2}id: "([0-9a-f]{32})"$/m.exec(readFileSync(join(dir, 'node.yaml'), 'utf8'))?.[1];
claim(
  'with the id that init made, and none of its own',
  idOf(made2) !== undefined && idOf(join(home, 'second')) === idOf(made2),
);
const secondNode = start(join(home, 'second', 'node.yaml'));
await until('both are members', async () => (await caxton('cluster', 'members')).out.split('alive').length === 3);
for (const child of [secondNode, firstNode]) child.kill('SIGTERM');
await Promise.all([ended(secondNode), ended(firstNode)]);
process.exit(0);
