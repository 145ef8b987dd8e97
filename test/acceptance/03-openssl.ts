/**
 * Issue 3, “Shown by” 1: the real `openssl s_client` at a node’s link port, without a certificate, with TLS 1.2, with a
 * certificate of another CA, with one that names two nodes, one whose CN and URI differ, and with a good one whose holder
 * says to be another node. Each is refused, and the audit log has each with its reason and the address that it came from.
 *
 * Who refuses: TLS itself the first three; the judgement of the SVID, after TLS and before any greeting, the next two (for
 * TLS they are good certificates of the CA); the hello, which must agree with the certificate, the last.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { utf8 } from '../../src/actors/kernel/utf8.ts';
import type { NodeId, TrustDomain } from '../../src/names.ts';
import { encodeFrame } from '../../src/protocols/link/frame.ts';
import { encodeHello } from '../../src/protocols/link/hello.ts';
import { claim, launch } from './launcher.ts';

const work = mkdtempSync(join(tmpdir(), 'caxton-openssl-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const openssl = (...args: string[]): string =>
  execFileSync('openssl', args, { cwd: work, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

const cluster = await launch();
await cluster.until('the cluster is up', () => (cluster.output().includes('runs until Ctrl-C') ? true : undefined));
const yaml = parse(readFileSync(join(cluster.dir, 'nodes', 'node-1', 'node.yaml'), 'utf8')) as {
  readonly cluster: { readonly id: string; readonly trust_domain: string; readonly bind: string };
};
const { bind, id: clusterId, trust_domain: domain } = yaml.cluster;
const ours = { cert: join(cluster.dir, 'ca', 'ca.crt'), key: join(cluster.dir, 'ca', 'ca.key') };
process.stdout.write(`${openssl('version').trim()}; node-1 listens on ${bind}\n`);

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** A CA of somebody else for the same trust domain. */
function otherCa(): Pair {
  const pair = { cert: 'other-ca.crt', key: 'other-ca.key' };
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  openssl('req', '-x509', ...curve, '-keyout', pair.key, '-out', pair.cert, '-subj', '/CN=Other CA');
  return pair;
}

/** A leaf as a node has it, but with this name and these URIs, signed by this CA. */
function leaf(name: string, ca: Pair, cn: string, uris: readonly string[]): Pair {
  const pair = { cert: `${name}.crt`, key: `${name}.key` };
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-new', ...curve, '-keyout', pair.key, '-out', `${name}.csr`, '-subj', `/CN=${cn}`);
  const extensions = [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature',
    'extendedKeyUsage=serverAuth,clientAuth',
    'subjectKeyIdentifier=hash',
    'authorityKeyIdentifier=keyid',
    `subjectAltName=${uris.map((uri) => `URI:${uri}`).join(',')},IP:127.0.0.1`,
  ];
  writeFileSync(join(work, `${name}.ext`), `${extensions.join('\n')}\n`);
  const signing = ['-CA', ca.cert, '-CAkey', ca.key, '-CAcreateserial', '-CAserial', `${name}.srl`, '-days', '1'];
  openssl('x509', '-req', '-in', `${name}.csr`, ...signing, '-extfile', `${name}.ext`, '-out', pair.cert);
  return pair;
}

/** Runs s_client, sends bytes once TLS stands, and resolves with what it said when the node has cut the connection. */
function client(args: readonly string[], send: Uint8Array = new Uint8Array()): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', bind, '-alpn', 'caxton-link/1', ...args], { cwd: work });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('latin1').on('data', (chunk: string) => {
      said += chunk;
    });
  child.stdin.on('error', () => {});
  child.stdin.write(send);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill();
      reject(new Error(`the node did not cut the connection within 10 s:\n${said}`));
    }, 10_000);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve(said);
    });
  });
}

interface Entry {
  readonly seq: number;
  readonly type: string;
  readonly sourceIp: string;
  readonly reasons: readonly string[];
}

/** The refusal that the audit log of node-1 gained meanwhile. */
async function refusalOf(act: () => Promise<string>): Promise<{ readonly said: string; readonly entry: Entry }> {
  const refusals = async (): Promise<Entry[]> => {
    const words = ['audit', 'tail', '--node', 'node-1', '--limit', '1000', '--output', 'json'];
    const { stdout } = await cluster.caxton(...words);
    return (JSON.parse(stdout) as { items: Entry[] }).items.filter(({ type }) => type === 'LinkRefused');
  };
  const before = (await refusals()).at(-1)?.seq ?? 0;
  const said = await act();
  const entry = await cluster.until('the refusal is in the audit log', async () =>
    (await refusals()).find(({ seq }) => seq > before),
  );
  return { said, entry };
}

async function shows(what: string, act: () => Promise<string>, client: RegExp, reason: RegExp): Promise<void> {
  const { said, entry } = await refusalOf(act);
  const told = client.exec(said)?.[0] ?? '';
  const text = entry.reasons.join(' ');
  claim(`${what}: the client is told`, told !== '', told || said.slice(-300));
  claim(`${what}: the audit log says why and whence`, reason.test(text) && entry.sourceIp === '127.0.0.1', text);
}

/** What a WebSocket client sends: the upgrade, then one masked binary message (RFC 6455 §5). */
function upgradeAnd(message: Uint8Array): Uint8Array {
  const key = randomBytes(16).toString('base64');
  const request = [
    'GET / HTTP/1.1',
    `Host: ${bind}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`,
    '\r\n',
  ];
  const mask = randomBytes(4);
  const head = Buffer.from([0x82, 0xfe, message.length >> 8, message.length & 0xff, ...mask]);
  const masked = message.map((byte, index) => byte ^ mask[index % 4]!);
  return Buffer.concat([Buffer.from(request.join('\r\n')), head, masked]);
}

const hello = (nodeId: string): Uint8Array =>
  encodeFrame(
    'hello',
    encodeHello(utf8, {
      versions: [1],
      nodeId: nodeId as NodeId,
      trustDomain: domain as TrustDomain,
      clusterId,
      bootEpoch: 1,
      dial: 1,
      features: [],
      addresses: [{ host: '127.0.0.1', port: 9 }],
      group: 'X25519MLKEM768',
      notices: [],
    }),
  );

const nodeUri = (id: string): string => `spiffe://${domain}/node/${id}`;
const presenting = ({ cert, key }: Pair): string[] => ['-cert', cert, '-key', key];

const other = leaf('other', otherCa(), 'node-9', [nodeUri('node-9')]);
const twoNames = leaf('two', ours, 'node-9', [nodeUri('node-9'), nodeUri('node-1')]);
const otherName = leaf('cn', ours, 'node-1', [nodeUri('node-9')]);
const node4 = { cert: join(cluster.dir, 'nodes/node-4/node.crt'), key: join(cluster.dir, 'nodes/node-4/node.key') };

await shows(
  'no certificate',
  () => client(['-tls1_3']),
  /alert certificate required|certificate required/i,
  /CERTIFICATE/i,
);
await shows(
  'TLS 1.2',
  () => client(['-tls1_2', ...presenting(node4)]),
  /alert protocol version|no protocols available|unsupported protocol/i,
  /PROTOCOL/i,
);
// TLS 1.3 lets a client finish before the server has judged it, so what it sees is a closed connection.
const closed = /closed|unexpected eof|read:errno=0|alert/i;
await shows('another CA', () => client(['-tls1_3', ...presenting(other)]), closed, /UNABLE_TO|ISSUER|SELF_SIGNED/);
await shows(
  'a certificate that names two nodes',
  () => client(['-tls1_3', ...presenting(twoNames)], upgradeAnd(hello('node-9'))),
  closed,
  /URI/,
);
await shows(
  'a certificate whose CN is another node than its URI',
  () => client(['-tls1_3', ...presenting(otherName)], upgradeAnd(hello('node-1'))),
  closed,
  /CN|common name|node-1/i,
);
await shows(
  'node-4’s certificate, whose holder says to be node-1',
  () => client(['-tls1_3', ...presenting(node4)], upgradeAnd(hello('node-1'))),
  closed,
  /node-1/,
);

// The counter-check: what was refused above was refused for what it was. This one is greeted, and falls silent then.
await shows(
  'node-4’s certificate, whose holder says to be node-4',
  () => client(['-tls1_3', ...presenting(node4)], upgradeAnd(hello('node-4'))),
  /101 Switching Protocols/,
  /did not finish its greeting \(awaiting-ready\)/,
);

const members = await cluster.caxton('cluster', 'members', '--output', 'json');
const seen = (JSON.parse(members.stdout) as { items: { nodeId: string; status: string }[] }).items;
claim(
  'the members are the three that they were',
  seen.length === 3 && seen.every(({ status }) => status === 'alive'),
  seen.map(({ nodeId }) => nodeId).join(', '),
);
const ended = new Promise((resolve) => cluster.launcher.once('exit', resolve));
process.kill(-cluster.launcher.pid!, 'SIGINT');
claim('the cluster stops in order', (await ended) === 0);
