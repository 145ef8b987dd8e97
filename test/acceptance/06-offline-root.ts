/**
 * Issue 6, “Build” 5, as docs/operations/root-rotation.md has it for an offline root: three hosts (a folder each) and a machine
 * that is on no network. The CA nodes hold a name-constrained CA below the root, encrypted; the root’s key never comes to them.
 * The whole rotation by the steps that an operator does by hand, with a CA node that lacks its files, a member that is down,
 * and a command that is killed among them; links stand all the while. `06-offline-root.ts`
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Client, createClient } from '../../src/client.ts';
import { anyPorts, claimPorts } from '../../src/development/ports.ts';
import type { NodeId } from '../../src/names.ts';
import { claim } from './launcher.ts';

const run = promisify(execFile);
const home = mkdtempSync(join(tmpdir(), 'caxton-offline-root-'));
const processes: ChildProcess[] = [];
process.on('exit', () => {
  for (const child of processes) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});
const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');
const ids = ['node-1', 'node-2', 'node-3', 'node-4'] as NodeId[];
const [offline, ops, ...hosts] = ['offline', 'ops', ...ids].map((name) => join(home, name)) as [
  string,
  string,
  ...string[],
];
for (const folder of [offline, ops]) mkdirSync(folder, { mode: 0o700 });
const hostOf = (id: NodeId): string => hosts[ids.indexOf(id)]!;
const { list: ports } = await claimPorts(join(home, 'ports'), ids, anyPorts);
const env = { ...process.env, CAXTON_PROFILE: join(ops, 'profile.json'), CAXTON_CA_PASSPHRASE: '' };

interface Ran {
  readonly code: number;
  readonly out: string;
}

async function caxtonIn(cwd: string, line: string, more: NodeJS.ProcessEnv = {}): Promise<Ran> {
  try {
    const { stdout, stderr } = await run(process.execPath, [program, ...line.split(' ')], {
      env: { ...env, ...more },
      cwd,
    });
    return { code: 0, out: `${stdout}\n${stderr}`.trim() };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: `${stdout}\n${stderr}`.trim() };
  }
}

/** On the machine that is on no network, whose keys have a passphrase. */
const offlineRuns = (line: string): Promise<Ran> => caxtonIn(offline, line, { CAXTON_CA_PASSPHRASE: passphrase });
const opsRuns = (line: string): Promise<Ran> => caxtonIn(ops, line);
const passphrase = 'four words of a passphrase';

async function done(what: string, ran: Promise<Ran>): Promise<void> {
  const { code, out } = await ran;
  claim(what, code === 0, out.split('\n').at(-1));
}

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + 90_000;
  while (!(await Promise.resolve(holds()).catch(() => false))) {
    if (performance.now() > end) claim(what, false, 'not within 90 s');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  claim(what, true);
}

const running = new Map<NodeId, ChildProcess>();
function start(id: NodeId): void {
  const config = join(hostOf(id), 'etc', 'node.yaml');
  const child = spawn(process.execPath, [program, 'server', 'start', '--config', config], { stdio: 'ignore', env });
  processes.push(child);
  running.set(id, child);
}
async function stop(id: NodeId, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  const child = running.get(id)!;
  running.delete(id);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}
const at = (id: NodeId, ...path: string[]): string => join(hostOf(id), 'etc', ...path);
const textAt = (id: NodeId, ...path: string[]): string => readFileSync(at(id, ...path), 'utf8');
const addressesOf = (id: NodeId): string => {
  const { link, api } = ports[ids.indexOf(id)]!;
  return `--bind 127.0.0.1:${link} --api-bind 127.0.0.1:${api}`;
};
const clientOf = (id: NodeId): Client =>
  createClient({
    address: `https://127.0.0.1:${ports[ids.indexOf(id)]!.api}`,
    caPem: textAt(id, 'ca.crt'),
    apiKey: readFileSync(join(ops, 'api.key'), 'utf8').trim(),
  });
async function asked<T>(id: NodeId, question: (client: Client) => Promise<T>): Promise<T> {
  const client = clientOf(id);
  try {
    return await question(client);
  } finally {
    client.close();
  }
}
/** How many links each running node has. */
const isWhole = async (): Promise<boolean> => {
  const counts = await Promise.all([...running.keys()].map((id) => asked(id, (client) => client.links())));
  return counts.every((links) => links.length === running.size - 1);
};

// The offline machine: a root, and a CA below it, as in certificates.md.
await done(
  'offline: a root',
  offlineRuns('security init-ca --ca-cert root.crt --ca-key root.key --trust-domain example.org --encrypt'),
);
await done(
  'offline: a CA below it',
  offlineRuns(
    'security init-ca --parent-cert root.crt --parent-key root.key --ca-cert ca.crt --ca-key ca.key --encrypt',
  ),
);
const { stdout: shown } = await run('openssl', ['x509', '-noout', '-text', '-in', join(offline, 'ca.crt')]);
claim(
  'which may sign names of the trust domain alone, and no CA (openssl)',
  /Name Constraints: critical\s+Permitted:\s+URI:example\.org/.test(shown) && shown.includes('pathlen:0'),
);

/** Carries files of the online CA to a CA node. */
function carry(id: NodeId, suffix: '' | '.next'): void {
  mkdirSync(join(hostOf(id), 'ca'), { recursive: true, mode: 0o700 });
  for (const name of ['ca.crt', 'ca.key'])
    cpSync(join(offline, `${name}${suffix}`), join(hostOf(id), 'ca', `${name}${suffix}`));
  writeFileSync(join(hostOf(id), 'ca', 'passphrase'), `${passphrase}\n`, { mode: 0o600 });
}

// Three hosts. Two of them hold the online CA.
const [one, two, three, four] = ids as [NodeId, NodeId, NodeId, NodeId];
carry(one, '');
await done(
  'host-1: the first node, under that CA',
  caxtonIn(
    hostOf(one),
    `init --dir etc --node-id node-1 --expected-size 3 ${addressesOf(one)} --ca-cert ca/ca.crt --ca-key ca/ca.key --passphrase-file ca/passphrase`,
  ),
);
for (const name of ['authority.key', 'deployer.key']) cpSync(at(one, 'offline', name), join(ops, name));
rmSync(at(one, 'offline'), { recursive: true });
for (const name of ['ca.crt', 'api.key', 'authority.pub']) cpSync(at(one, name), join(ops, name));
const profile = JSON.parse(textAt(one, 'profile.json')) as { nodes: unknown[] };
const apiOf = (id: NodeId) => ({ id, api: `https://127.0.0.1:${ports[ids.indexOf(id)]!.api}` });
writeFileSync(join(ops, 'profile.json'), JSON.stringify({ ...profile, nodes: [one, two, three].map(apiOf) }));
start(one);
await until('it runs', async () => (await asked(one, (client) => client.status())).nodeId === one);

async function joins(id: NodeId): Promise<void> {
  mkdirSync(hostOf(id), { recursive: true, mode: 0o700 });
  const token = `${id}.token`;
  await done(
    `a token for ${id}`,
    opsRuns(`security join-token --node-id ${id} --ip 127.0.0.1 --out ${token} --node node-1`),
  );
  cpSync(join(ops, token), join(hostOf(id), token));
  await done(`${id} joins`, caxtonIn(hostOf(id), `server join --token-file ${token} --dir etc ${addressesOf(id)}`));
}
for (const id of [two, three]) await joins(id);
carry(two, '');
const ca = `  ca:\n    key_path: ../ca/ca.key\n    certificate_path: ../ca/ca.crt\n    passphrase_path: ../ca/passphrase\n`;
writeFileSync(at(two, 'node.yaml'), textAt(two, 'node.yaml').replace('\ncluster:\n', `\n${ca}cluster:\n`));
for (const id of [two, three]) start(id);
await until('three nodes are linked, two of them CA nodes', isWhole);
const oldRoot = readFileSync(join(offline, 'root.crt'), 'utf8');
const before = new Map(ids.slice(0, 3).map((id) => [id, new X509Certificate(textAt(id, 'node.crt'))]));

// Links are looked at all the while.
const gaps: string[] = [];
let watching = true;
/** Not while a member is stopped or started on purpose. */
let stable = true;
const watched = (async () => {
  while (watching) {
    const expected = running.size - 1;
    for (const id of running.keys()) {
      const links = await asked(id, (client) => client.links()).catch(() => undefined);
      if (links && running.size - 1 === expected && stable && links.length < expected)
        gaps.push(`${id} has ${links.length} links`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
})();

// 1. Offline.
await done(
  'step 1, offline: the next root, which the old one signs',
  offlineRuns(
    'security rotate-ca --prepare --ca-cert root.crt --ca-key root.key --next-cert root-2.crt --next-key root-2.key --encrypt',
  ),
);
await done(
  'and a CA below it',
  offlineRuns(
    'security init-ca --parent-cert root-2.crt --parent-key root-2.key --ca-cert ca.crt.next --ca-key ca.key.next --encrypt',
  ),
);
for (const name of ['root.crt', 'root-2.crt']) cpSync(join(offline, name), join(ops, name));
const rotation = 'security rotate-ca --ca-cert root.crt --next-cert root-2.crt --authority-key authority.key';
const looked = await opsRuns(`${rotation} --dry-run`);
claim('a look changes nothing', looked.code === 0 && (await asked(one, (client) => client.roots())).generation === 0);

// 2. The CA nodes; they are forgotten at first.
const early = await opsRuns(`${rotation} --wait 1s`);
claim(
  'without step 2 it believes the next root, and issues nothing under it',
  early.code === 1 && early.out.includes('no CA node that answers has a CA under the next root'),
  early.out.split('\n').at(-1),
);
for (const id of [one, two]) carry(id, '.next');
claim('step 2: the next CA beside the present one, on both CA nodes', true);

// 3. With a member that is down, and a command that is killed.
stable = false;
await stop(three, 'SIGKILL');
await until('host-3 is down', isWhole);
const waits = await opsRuns(`${rotation} --wait 3s`);
claim(
  'step 3 goes on and drops nothing while a member is down: it is named',
  waits.code === 1 && waits.out.includes('node-3') && textAt(one, 'ca.crt').match(/BEGIN/g)?.length === 2,
  waits.out.split('\n').at(-1),
);
start(three);
await until('host-3 is back: it takes the bundle with its first link', isWhole);
stable = true;
const cut = spawn(process.execPath, [program, ...rotation.split(' ')], { cwd: ops, env, stdio: 'ignore' });
await new Promise((resolve) => setTimeout(resolve, 2_000));
cut.kill('SIGKILL');
await done('the same command, after one that was killed, ends the rotation', opsRuns(`${rotation} --wait 90s`));
const status = await opsRuns('security rotate-ca --authority authority.pub --status');
claim('as --status says', status.code === 0, status.out.split('\n').at(-1));

// 4. Afterwards.
watching = false;
await watched;
claim('no node lacked a link meanwhile', gaps.length === 0, gaps.slice(0, 3).join('; '));
const newRoot = new X509Certificate(readFileSync(join(offline, 'root-2.crt')));
for (const id of ids.slice(0, 3)) {
  await until(`${id} believes the next root alone`, () => {
    const found = textAt(id, 'ca.crt').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    return found.length === 1 && new X509Certificate(found[0]!).fingerprint256 === newRoot.fingerprint256;
  });
  const [leaf, ...above] = textAt(id, 'node.crt').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)!;
  writeFileSync(join(ops, 'leaf.pem'), leaf!);
  writeFileSync(join(ops, 'above.pem'), above.join('\n'));
  writeFileSync(join(ops, 'new-root.pem'), newRoot.toString());
  const { stdout } = await run(
    'openssl',
    ['verify', '-x509_strict', '-CAfile', 'new-root.pem', '-untrusted', 'above.pem', 'leaf.pem'],
    { cwd: ops },
  );
  claim(
    `${id} has a certificate for a new key that openssl verifies under it`,
    stdout.includes('OK') && !new X509Certificate(leaf!).publicKey.equals(before.get(id)!.publicKey),
  );
}
for (const id of [one, two])
  await until(`the next CA is the only one at ${id}`, () => {
    const names = readdirSync(join(hostOf(id), 'ca'));
    const sameKey =
      readFileSync(join(hostOf(id), 'ca', 'ca.key'), 'utf8') === readFileSync(join(offline, 'ca.key.next'), 'utf8');
    return (
      !names.some((name) => name.endsWith('.next')) &&
      sameKey &&
      (statSync(join(hostOf(id), 'ca', 'ca.key')).mode & 0o777) === 0o600
    );
  });
const keys = ['root.key', 'root-2.key'].map((name) => readFileSync(join(offline, name), 'utf8').split('\n')[2]!);
const files = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
claim(
  'no key of a root was ever on a host, or where the commands run',
  [ops, ...hosts.slice(0, 3)].every((folder) =>
    files(folder).every((text) => keys.every((key) => !text.includes(key))),
  ),
);
claim(
  'the operator’s profile follows',
  !readFileSync(join(ops, 'ca.crt'), 'utf8').includes(oldRoot.trim().split('\n')[3]!),
);

// The cluster goes on: who was there before starts again, and who is new joins.
stable = false;
await stop(two);
start(two);
await until('a CA node starts again under the next root', isWhole);
await joins(four);
start(four);
await until('a newcomer joins under it', isWhole);
for (const id of [...running.keys()]) await stop(id);
process.exit(0);
