/**
 * Issue 6, “Shown by” 1: what the command line issues is accepted by `openssl verify -x509_strict`, by `openssl x509` and
 * by a TLS client of Node; three nodes whose certificates come from an online CA below an offline root find each other; one of
 * them holds that CA’s encrypted key and renews another’s certificate over their link;
 * `sslscan` at their ports sees TLS 1.3 and nothing else. Needs openssl and sslscan (Debian has both).
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { initialiseCluster } from '../../src/development/initialise.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import { claimPorts } from '../../src/development/ports.ts';
import { policyYaml } from '../../src/development/templates.ts';
import type { NodeId } from '../../src/names.ts';
import { claim } from './launcher.ts';

const work = mkdtempSync(join(tmpdir(), 'caxton-certificates-'));
const nodes: ChildProcess[] = [];
process.on('exit', () => {
  for (const node of nodes) node.kill('SIGKILL');
  rmSync(work, { recursive: true, force: true });
});
const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');
const run = promisify(execFile);
const root = join(work, 'cluster');
const layout = clusterLayout(root);
const pass = join(work, 'pass');
writeFileSync(pass, 'a passphrase of the online CA\n', { mode: 0o600 });

interface Status {
  readonly certificate: { readonly serial: string };
}

async function caxton(...words: string[]): Promise<{ readonly code: number; readonly stdout: string }> {
  const env = { ...process.env, CAXTON_PROFILE: layout.profile };
  try {
    const { stdout } = await run(process.execPath, [program, ...words], { cwd: work, env });
    return { code: 0, stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout: stdout + stderr };
  }
}
const openssl = (...args: string[]): string =>
  execFileSync('openssl', args, { cwd: work, encoding: 'utf8', stdio: 'pipe' });

/** What is printed when a program ends with 0; else what it printed on its way out. */
function said(act: () => string): { readonly ok: boolean; readonly text: string } {
  try {
    return { ok: true, text: act() };
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return { ok: false, text: `${stdout}${stderr}`.trim() };
  }
}

/** The CA below the root, with its encrypted key, as a CA node’s. */
const ownCa = [
  `    key_path: ${join(work, 'online.key')}`,
  `    certificate_path: ${join(work, 'online.crt')}`,
  `    passphrase_path: ${pass}`,
].join('\n');

const due = 'check_interval: 1s\n    renewal_threshold: 7195s';
const ids = ['node-1', 'node-2', 'node-3'] as NodeId[];
const { list: ports } = await claimPorts(root, ids, (at) => ({ link: 17_701 + at, api: 17_801 + at }));
const [caNode, , renewed] = ids as [NodeId, NodeId, NodeId];
await initialiseCluster({ root, now: Date.now(), nodes: ids, ports, policy: policyYaml(), caNodes: [caNode] });

// 1. An offline root, an online CA below it, a certificate for each node.
const domain = 'dev.caxton.internal';
const made = [
  await caxton('security', 'init-ca', '--ca-cert', 'root.crt', '--ca-key', 'root.key', '--trust-domain', domain),
  await caxton(
    ...['security', 'init-ca', '--parent-cert', 'root.crt', '--parent-key', 'root.key'],
    ...['--ca-cert', 'online.crt', '--ca-key', 'online.key', '--passphrase-file', pass],
  ),
];
claim(
  'a root and an online CA below it',
  made.every(({ code }) => code === 0),
  made.map(({ stdout }) => stdout.trim()).join(' '),
);
for (const id of ids) {
  const { folder, config } = layout.node(id);
  const issued = await caxton(
    ...['security', 'gen-cert', '--node-id', id, '--ca-cert', 'online.crt', '--ca-key', 'online.key'],
    ...['--passphrase-file', pass, '--output', folder, '--ip', '127.0.0.1', '--dns', 'localhost', '--force'],
    ...(id === renewed ? ['--validity', '2h'] : []),
  );
  claim(`${id} has a certificate`, issued.code === 0, issued.stdout.trim());
  const text = readFileSync(config, 'utf8')
    .replace('ca_certificate_path: ../../ca/ca.crt', 'ca_certificate_path: ca.crt')
    .replace('    key_path: ../../ca/ca.key', ownCa)
    // Due some seconds after it was issued.
    .replace(/check_interval: 24h\n {4}renewal_threshold: 30d/, id === renewed ? due : '$&');
  writeFileSync(config, text);
}

// 2. OpenSSL and Node’s TLS accept it.
const first = layout.node('node-1' as NodeId);
const strict = ['verify', '-x509_strict', '-CAfile', join(first.folder, 'ca.crt'), '-untrusted', first.certificate];
const verified = said(() => openssl(...strict, first.certificate));
claim('openssl verify -x509_strict accepts it', verified.ok, verified.text.trim());
const shown = openssl('x509', '-in', first.certificate, '-noout', '-text');
const expected = [`URI:spiffe://${domain}/node/node-1`, 'CA:FALSE', 'TLS Web Client Authentication', 'prime256v1'];
claim(
  'openssl x509 -text shows what it should',
  expected.every((text) => shown.includes(text)),
);
const judged = await caxton(
  'security',
  'verify',
  '--ca-cert',
  'root.crt',
  '--cert',
  first.certificate,
  '--expect-node',
  'node-1',
);
claim('caxton security verify says OK', judged.code === 0 && judged.stdout.startsWith('OK\n'), judged.stdout.trim());

// 3. Three nodes find each other.
for (const id of ids)
  nodes.push(
    spawn(process.execPath, [program, 'server', 'start', '--config', layout.node(id).config], { stdio: 'ignore' }),
  );
async function until<T>(what: string, condition: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = performance.now() + 30_000; performance.now() < deadline; ) {
    const found = await condition();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not within 30 s: ${what}`);
}
const members = await until('three members are alive everywhere', async () => {
  const seen = await Promise.all(ids.map((id) => caxton('cluster', 'members', '--node', id, '--output', 'json')));
  if (seen.some(({ code }) => code !== 0)) return undefined;
  const lists = seen.map(({ stdout }) => (JSON.parse(stdout) as { items: { nodeId: string; status: string }[] }).items);
  const whole = lists.every((list) => list.length === 3 && list.every(({ status }) => status === 'alive'));
  return whole ? lists[0]!.map(({ nodeId }) => nodeId) : undefined;
});
claim('three nodes are linked and alive', members.length === 3, members.sort().join(', '));

// 3b. The CA node renews a certificate below the intermediate, and the node is linked with it.
const bornWith = openssl('x509', '-in', layout.node(renewed).certificate, '-noout', '-serial').trim();
const serialOf = async (id: NodeId): Promise<string> =>
  (JSON.parse((await caxton('server', 'status', '--node', id, '--output', 'json')).stdout) as Status).certificate
    .serial;
const renewal = await until('another certificate is shown', async () => {
  const serial = await serialOf(renewed);
  return `serial=${serial}` === bornWith ? undefined : serial;
});
const after = layout.node(renewed);
const path = said(() =>
  openssl(...['verify', '-x509_strict', '-CAfile', 'root.crt', '-untrusted', after.certificate], after.certificate),
);
const shownAt = await until('the others see the new one', async () => {
  const { stdout } = await caxton('cluster', 'members', '--node', 'node-2', '--output', 'json');
  const { items } = JSON.parse(stdout) as { items: { nodeId: string; link: string }[] };
  return items.find(({ nodeId, link }) => nodeId === renewed && link === 'ready');
});
claim(
  'a certificate below the intermediate was renewed over a link, and its chain leads to the root',
  path.ok && shownAt.link === 'ready',
  `${bornWith.slice(7, 19)}… → ${renewal.slice(0, 12)}…, ${path.text.trim()}`,
);

// 4. A TLS client of Node with node-2’s certificate gets through TLS at node-1, and sees node-1.
const second = layout.node('node-2' as NodeId);
const peer = await new Promise<string>((resolve, reject) => {
  const socket = connect({
    ...{ host: '127.0.0.1', port: ports[0]!.link, ALPNProtocols: ['caxton-link/1'], minVersion: 'TLSv1.3' as const },
    ...{
      cert: readFileSync(second.certificate),
      key: readFileSync(second.key),
      ca: readFileSync(join(work, 'root.crt')),
    },
  });
  socket.once('error', reject);
  socket.once('secureConnect', () => {
    const { name } = socket.getEphemeralKeyInfo() as { name?: string };
    resolve(`${socket.getPeerX509Certificate()?.subjectAltName}; ${socket.getProtocol()}, ${name}`);
    socket.destroy();
  });
});
claim(
  'a TLS client of Node accepts it',
  peer.includes(`URI:spiffe://${domain}/node/node-1`) && peer.includes('X25519MLKEM768'),
  peer,
);

// 5. Nothing but TLS 1.3 is spoken.
for (const [what, port] of [
  ['links', ports[0]!.link],
  ['API', ports[0]!.api],
] as const) {
  const scan = execFileSync('sslscan', ['--no-colour', `127.0.0.1:${port}`], { encoding: 'utf8' });
  const on = [...scan.matchAll(/^((?:SSL|TLS)v[\d.]+)\s+enabled/gm)].map(([, version]) => version);
  const suites = [...scan.matchAll(/^(?:Preferred|Accepted)\s+(\S+)\s+\d+ bits\s+(\S+)/gm)].map(
    ([, , suite]) => suite!,
  );
  const wanted = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'];
  claim(`sslscan sees TLS 1.3 alone at the ${what} port`, on.join() === 'TLSv1.3', on.join());
  claim(
    `and the three suites of it at the ${what} port`,
    suites.length > 0 && suites.every((suite) => wanted.includes(suite)),
    suites.join(', '),
  );
}

const ends = nodes.map((node) => new Promise<number | null>((resolve) => node.once('exit', resolve)));
for (const node of nodes) node.kill('SIGTERM');
claim(
  'the nodes stop in order',
  (await Promise.all(ends)).every((code) => code === 0),
);
