/**
 * Issue 8, “Build” 1: two real processes and the command line. Deployments and tokens are signed without a node; a node
 * that holds an issuer renews its agents’ capabilities while they converse; a token that was widened is refused and
 * recorded; a token and the issuer are revoked in the midst of it. `08-authority.ts`.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { keyIdOf, privateKeyToPem, publicKeyToText, rawPublicKey } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { documentId, signDocument } from '../../src/crypto/signed-document.ts';
import { developmentCluster } from '../../src/development/development-cluster.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import type { AgentId } from '../../src/names.ts';
import { capabilityPayload } from '../../src/protocols/authorization/capability.ts';
import { chainText } from '../../src/protocols/authorization/delegation.ts';
import { noticePayload } from '../../src/protocols/notice/notice.ts';
import { claim } from './launcher.ts';

const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');
const folder = await mkdtemp(join(tmpdir(), 'caxton-authority-'));
const started: ChildProcess[] = [];
process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const at = (name: string): string => join(folder, name);
const run = promisify(execFile);

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command line, as a person would call it from another terminal. */
async function caxton(...words: readonly string[]): Promise<Ran> {
  try {
    const env = { ...process.env, CAXTON_PROFILE: layout.profile };
    return { code: 0, ...(await run(process.execPath, [program, ...words], { env, cwd: folder })) };
  } catch (error) {
    return error as Ran;
  }
}

async function done(...words: readonly string[]): Promise<string> {
  const ran = await caxton(...words);
  if (ran.code !== 0) throw new Error(`caxton ${words.join(' ')}: ${ran.stderr}`);
  return ran.stdout;
}

async function until<T>(what: string, found: () => Promise<T | undefined>, ms = 120_000): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const value = await found();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

// A cluster whose first node holds an issuer of its own, beside the deployer’s key, which no node has.
const { nodes } = await developmentCluster({ folder: at('cluster'), nodes: ['node-1', 'node-2'] });
const layout = clusterLayout(at('cluster'));
const issuer = osCrypto.generateKeyPair('ed25519').privateKey;
const issuerText = publicKeyToText(rawPublicKey(issuer));
writeFileSync(at('issuer.key'), privateKeyToPem(issuer), { mode: 0o600 });
writeFileSync(at('issuer.pub'), `${issuerText}\n`);
const authority = createPrivateKey(readFileSync(layout.authorityKey, 'utf8'));
const deployerText = publicKeyToText(rawPublicKey(createPrivateKey(readFileSync(layout.deployerKey, 'utf8'))));
const trust = noticePayload({
  ...{ v: 1, kind: 'trust', generation: 2, clusterId: readFileSync(layout.clusterId, 'utf8').trim() },
  issuedAt: Date.now(),
  body: {
    deployers: [deployerText],
    issuers: [issuerText],
    authorities: [publicKeyToText(rawPublicKey(authority))],
  },
});
writeFileSync(layout.trustNotice, signDocument('notice', authority, Buffer.from(trust)));
mkdirSync(at('agents'));
writeFileSync(
  at('agents/echo.js'),
  "export const handler = (message, agent) => void (message.performative === 'request' && agent.reply(message, { performative: 'inform', content: message.content }));\n",
);
// It presents whatever token it is given, and says what became of it.
writeFileSync(
  at('agents/presenter.js'),
  `export const handler = async (message, agent) => {
  if (message.performative !== 'request') return;
  const answer = await agent.ask({ to: 'default/echo', performative: 'request', content: 'hi', token: String(message.content) });
  agent.reply(message, { performative: 'inform', content: answer.ok ? 'answered' : answer.refusal.code + ': ' + answer.refusal.reasons.join(' ') });
};\n`,
);
for (const id of nodes) {
  const { config } = layout.node(id);
  const held = id === 'node-1' ? `\n    issuer_key_path: ${at('issuer.key')}` : '';
  const text = readFileSync(config, 'utf8')
    .replace(/^# No agents\.modules_path.*$/m, `agents:\n  modules_path: ${at('agents')}`)
    .replace('    capability_enforcement: strict', `    capability_enforcement: strict${held}`);
  writeFileSync(config, text);
  started.push(spawn(process.execPath, [program, 'server', 'start', '--config', config], { stdio: 'ignore' }));
}
await until('both are linked', async () => {
  const members = await caxton('cluster', 'members', '--output', 'json');
  const list = members.code === 0 ? (JSON.parse(members.stdout).items as { status: string; link: string }[]) : [];
  return list.length === 2 && list.every(({ link }) => link !== 'down') ? true : undefined;
});

// Signed where the keys are, put in force through a node.
writeFileSync(at('open.yaml'), 'allowed_senders: [default/*]\npermitted_operations:\n  - performatives: [request]\n');
const keys = ['--deployer-key', layout.deployerKey, '--issuer-key', at('issuer.key')];
const sign = async (agent: string, ...words: readonly string[]): Promise<string> => {
  const out = `${agent.replace('/', '-')}-${Math.random().toString(36).slice(2)}.deployment`;
  await done('agent', 'sign', agent, '--out', out, ...keys, ...words);
  return out;
};
const open = ['--policy', 'open.yaml', '--modules-dir', 'agents'];
const grant = ['--action', 'request agent:default/*'];
const echo = await sign('default/echo', '--module', 'echo.js', '--place', 'node-2', ...open);
const presenter = await sign('default/presenter', '--module', 'presenter.js', '--place', 'node-1', ...open);
const console1 = await sign(
  'default/console-node-1',
  '--kind',
  'console',
  '--place',
  'node-1',
  '--validity',
  '1m',
  ...grant,
);
for (const [file, node] of [
  [echo, 'node-2'],
  [presenter, 'node-1'],
  [console1, 'node-1'],
] as const)
  await done('agent', 'deploy', file, '--node', node);
const spoiled = JSON.parse(readFileSync(at(echo), 'utf8')) as { manifest: string; capability: string };
const [prefix, payload, , signature] = spoiled.manifest.split('.');
writeFileSync(
  at('stranger.deployment'),
  JSON.stringify({ ...spoiled, manifest: [prefix, payload, keyIdOf(issuer), signature].join('.') }),
);
const strange = await caxton('agent', 'deploy', 'stranger.deployment', '--node', 'node-2');
claim(
  'what no trusted deployer signed is not deployed',
  strange.code !== 0 && strange.stderr.includes('DEPLOYMENT_REFUSED'),
);

// A conversation that outlives its capability, which holds for a minute.
interface Agent {
  readonly agentId: string;
  readonly tokenId?: string;
  readonly tokenExpires?: string;
  readonly tokenRenewed?: boolean;
}
const agentOf = async (id: string): Promise<Agent | undefined> =>
  (JSON.parse(await done('agent', 'list', '--node', 'node-1', '--output', 'json')).items as Agent[]).find(
    ({ agentId }) => agentId === id,
  );
const say = (to: string, content: string): Promise<Ran> =>
  caxton('message', 'send', '--to', to, '--content', content, '--node', 'node-1', '--timeout', '20s');
await until('echo is known on node-1', () => agentOf('default/echo'));
const first = (await agentOf('default/console-node-1'))!;
claim('agent list says that this node renews it', first.tokenRenewed === true && first.tokenId !== undefined);
const firstEnd = Date.parse(first.tokenExpires!);
let said = 0;
// Past its end and the difference of clocks that is forgiven.
while (Date.now() < firstEnd + 65_000) {
  const answer = await say('default/echo', `question ${said}`);
  if (answer.code !== 0) claim('no message is refused', false, answer.stderr);
  said += 1;
  await new Promise((resolve) => setTimeout(resolve, 1_000));
}
const now = (await agentOf('default/console-node-1'))!;
claim(
  'an agent converses past the end of the token that it began with',
  now.tokenId !== first.tokenId,
  `${said} questions answered`,
);
interface Row {
  readonly identity: string;
  readonly outcome: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}
const tail = async (node: string, type: string): Promise<readonly Row[]> =>
  JSON.parse(await done('audit', 'tail', '--node', node, '--type', type, '--limit', '1000', '--output', 'json')).items;
const refreshed = (await tail('node-1', 'TokenRefresh')).filter(({ metadata }) => metadata.by === 'renewal');
claim('each renewal is in the audit log', refreshed.length >= 2, `${refreshed.length} TokenRefresh by renewal`);
claim('and the last one is the token that it has', refreshed.at(-1)?.metadata.token === now.tokenId);
const same = await caxton('agent', 'list', '--node', 'node-2', '--output', 'json');
claim('the other node has the same', same.stdout.includes(now.tokenId!));

// Tokens that are handed on.
const holder = osCrypto.generateKeyPair('ed25519').privateKey;
writeFileSync(at('holder.key'), privateKeyToPem(holder), { mode: 0o600 });
const holderText = publicKeyToText(rawPublicKey(holder));
await done(
  ...['capability', 'issue', '--issuer-key', 'issuer.key', '--subject', 'default/boss', '--out', 'boss.token'],
  ...['--action', 'request agent:default/echo', '--delegations', '1', '--holder', holderText, '--validity', '1h'],
);
const attenuate = (out: string, action: string) =>
  caxton(
    ...['capability', 'attenuate', '--token-file', 'boss.token', '--holder-key', 'holder.key', '--out', out],
    ...['--subject', 'default/presenter', '--action', action, '--validity', '10m'],
  );
claim('capability attenuate hands a part on', (await attenuate('part.token', 'request agent:default/echo')).code === 0);
claim('and nothing that is wider', (await attenuate('wide.token', '* agent:default/*')).code !== 0);
const verify = (file: string) =>
  caxton('capability', 'verify', file, '--issuer', 'issuer.pub', '--subject', 'default/presenter');
claim('capability verify accepts it', (await verify('part.token')).code === 0);
const boss = readFileSync(at('boss.token'), 'utf8').trim();
const widened = capabilityPayload({
  ...{ v: 1, issuer: keyIdOf(holder), subject: 'default/presenter' as AgentId, tenant: 'default', depth: 0 },
  actions: ['* agent:default/*'],
  notBefore: Date.now() - 1_000,
  expires: Date.now() + 600_000,
  parent: documentId(boss),
  nonce: Buffer.from(osCrypto.randomBytes(16)).toString('base64url'),
});
const forged = chainText([boss, signDocument('capability', holder, Buffer.from(widened))]);
writeFileSync(at('forged.token'), forged);
claim('capability verify refuses one that was widened by other means', (await verify('forged.token')).code === 1);
const present = async (file: string) =>
  (await say('default/presenter', readFileSync(at(file), 'utf8').trim())).stdout.trim();
const presented = await present('part.token');
claim('a node takes the part', presented === 'answered', presented);
const refusal = await present('forged.token');
claim('and refuses the widened one', refusal.startsWith('UNAUTHORIZED'), refusal.slice(0, 120));
const escalations = [
  ...(await tail('node-1', 'PrivilegeEscalation')),
  ...(await tail('node-2', 'PrivilegeEscalation')),
];
claim(
  'which is recorded as PrivilegeEscalation',
  escalations.some(({ identity, outcome }) => identity === 'default/presenter' && outcome === 'refused'),
);

// Revoked: first the token that was handed on from, then whoever issued all of them.
const bySign = ['--authority-key', layout.authorityKey];
await done('capability', 'revoke', 'boss.token', ...bySign);
const dead = await until('the part falls with it', async () => {
  const answer = await present('part.token');
  return answer === 'answered' ? undefined : answer;
});
claim(
  'what narrows a revoked token falls with it',
  dead.startsWith('REVOKED') || dead.startsWith('UNAUTHORIZED'),
  dead.slice(0, 120),
);
claim('the conversation goes on', (await say('default/echo', 'still?')).code === 0);
await done('security', 'revoke', '--key', keyIdOf(issuer), '--reason', 'keyCompromise', ...bySign);
await until('the agents of the issuer are stopped', async () =>
  (await agentOf('default/console-node-1')) === undefined ? true : undefined,
);
claim('an issuer that is revoked has its agents stopped', (await say('default/echo', 'still?')).code !== 0);
const removed = (await tail('node-1', 'AgentRemoved')).filter(({ metadata }) => metadata.by === 'revocation');
claim(
  'and recorded',
  removed.some(({ identity }) => identity === 'default/console-node-1'),
);
claim('who had none of its tokens goes on', (await agentOf('default/echo')) !== undefined);
const count = (await tail('node-1', 'TokenRefresh')).length;
await new Promise((resolve) => setTimeout(resolve, 35_000));
claim('and it renews nothing any more', (await tail('node-1', 'TokenRefresh')).length === count);
const verified = await caxton('audit', 'verify', '--node', 'node-1');
claim('the audit log is whole', verified.code === 0, verified.stderr.trim());
for (const child of started) child.kill('SIGINT');
await Promise.all(started.map((child) => child.exitCode ?? new Promise((resolve) => child.once('exit', resolve))));
