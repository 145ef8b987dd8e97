/**
 * Issue 6, “Build” 3 and “Shown by”: policies, roles and API keys as documents of the cluster, on three processes. What is
 * published at one node is obeyed at all; a key that is taken out opens nothing anywhere and cuts what waits with it; a document
 * that is forged, old, or comes to a minority is refused; of two of one generation both must permit; a node that was away for ten
 * generations has all of them before its first link is up. `06-documents.ts`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadProfile } from '../../src/cli/profile.ts';
import { type Client, createClient } from '../../src/client.ts';
import { privateKeyFromPem } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { signDocument } from '../../src/crypto/signed-document.ts';
import { type CaxtonError, unwrap } from '../../src/errors.ts';
import type { AgentId } from '../../src/names.ts';
import { malformed, readShape } from '../../src/protocols/json/shape.ts';
import { type Notice, type NoticeKind, noticeBodies, noticePayload } from '../../src/protocols/notice/notice.ts';
import { alive, claim, launch } from './launcher.ts';

const obeyedMs = 2_000;
const cluster = await launch();
const restarted: ChildProcess[] = [];
process.on('exit', () => {
  for (const child of restarted) child.kill('SIGKILL');
  if (alive(cluster.launcher.pid!)) process.kill(-cluster.launcher.pid!, 'SIGKILL');
});
await cluster.until('the cluster is up', () => (cluster.output().includes('runs until Ctrl-C') ? true : undefined));
const profile = await loadProfile({ flag: join(cluster.dir, 'profile.json'), env: {}, cwd: cluster.dir });
const ids = profile.nodes.map(({ id }) => id as string);
const clientsWith = (apiKey: string): Map<string, Client> =>
  new Map(
    profile.nodes.map(({ id, api }) => [id as string, createClient({ address: api, caPem: profile.caPem, apiKey })]),
  );
const dev = clientsWith(profile.apiKey);
const at = (file: string): string => join(cluster.dir, file);
const authority = unwrap(privateKeyFromPem(readFileSync(at('keys/authority.key'), 'utf8')));
const withAuthority = ['--authority-key', at('keys/authority.key')];

const codeOf = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'ok',
    (error: CaxtonError) => error.code,
  );
const documentOf = (kind: NoticeKind, generation: number, written: unknown, key = authority): string => {
  const body = unwrap(readShape<unknown>(noticeBodies[kind], written, malformed(kind)));
  const notice = { v: 1, kind, generation, clusterId: profile.clusterId, issuedAt: 0, body } as unknown as Notice;
  return signDocument('notice', key, Buffer.from(noticePayload(notice)));
};
const viewAt = async (node: string, kind: NoticeKind) =>
  (await dev.get(node)!.notices()).find((view) => view.kind === kind);
const generationsOf = (kind: NoticeKind): Promise<number[]> =>
  Promise.all(ids.map(async (node) => (await viewAt(node, kind))?.generation ?? 0));
const allHave = (kind: NoticeKind, generation: number): Promise<true> =>
  cluster.until(`all have generation ${generation} of the ${kind}`, async () =>
    (await generationsOf(kind)).every((one) => one === generation) ? true : undefined,
  );
const publish = (node: string, document: string): Promise<string> => codeOf(dev.get(node)!.publishNotice(document));
const allLinked = (): Promise<true> =>
  cluster.until('all are linked', async () =>
    (
      await Promise.all(
        ids.map((id) =>
          dev
            .get(id)!
            .links()
            .catch(() => []),
        ),
      )
    ).every(({ length }) => length === 2)
      ? true
      : undefined,
  );
const echo = 'default/echo' as AgentId;
const ask = (node: string, performative: 'request' | 'inform' = 'request', timeoutMs = 2_000, clients = dev) =>
  codeOf(clients.get(node)!.send({ to: echo, performative, content: 'hello', timeoutMs }));
const askAll = (): Promise<string[]> => Promise.all(ids.map((node) => ask(node)));
await allLinked();

// A key that one command makes counts at every node, for what its role permits.
const made = await cluster.caxton('api-key', 'create', 'ci', '--role', 'viewer', '--node', 'node-1', ...withAuthority);
claim(
  'caxton api-key create makes a key, and shows it once',
  made.code === 0 && made.stdout.startsWith('cxk_'),
  made.stderr.trim(),
);
await allHave('api-keys', 2);
let ci = clientsWith(made.stdout.trim());
const whoAll = (clients: Map<string, Client>) => Promise.all(ids.map((id) => codeOf(clients.get(id)!.whoami())));
claim(
  'it counts at all nodes',
  (await whoAll(ci)).every((code) => code === 'ok'),
);
const denied = await Promise.all(ids.map((id) => codeOf(ci.get(id)!.shutdown())));
claim(
  'what its role does not permit is refused at all nodes',
  denied.every((code) => code === 'INSUFFICIENT_PERMISSIONS'),
  denied.join(' '),
);
const why = await ci
  .get('node-2')!
  .auditRecords()
  .catch((error: CaxtonError) => error.reasons.join(' '));
claim('and says what is missing', String(why).includes('ReadAudit'), String(why));
const onRecord = await cluster.until('it is on record', async () => {
  const list = (await dev.get('node-2')!.auditRecords({ limit: 50 })) as Record<'type' | 'identity' | 'code', string>[];
  return list.find(({ type, identity }) => type === 'AccessDenied' && identity === 'apikey:ci');
});
claim('and is on record', onRecord.code === 'INSUFFICIENT_PERMISSIONS');

// A role that is bound to it counts at every node.
writeFileSync(
  at('roles.yaml'),
  'roles:\n  - { name: talker, permissions: [SendMessage] }\nbindings:\n  - { role: talker, subjects: ["apikey:ci"], resources: ["agent:default/echo"] }\n',
);
const bound = await cluster.caxton('role', 'publish', at('roles.yaml'), '--node', 'node-2', ...withAuthority);
claim('caxton role publish puts roles in force', bound.code === 0, bound.stderr.trim());
await allHave('roles', 1);
claim(
  'a role bound to a key counts at all nodes',
  (await Promise.all(ids.map((node) => ask(node, 'request', 2_000, ci)))).every((code) => code === 'ok'),
);

// The policy of all nodes, changed at one, without a restart.
claim(
  'the agent answers everybody at first',
  (await askAll()).every((code) => code === 'ok'),
);
writeFileSync(at('policy.yaml'), readFileSync(at('policy.yaml'), 'utf8').replace('[request, query-ref]', '[inform]'));
const changed = performance.now();
const policy = await cluster.caxton('policy', 'publish', at('policy.yaml'), '--node', 'node-3', ...withAuthority);
claim('caxton policy publish puts policies in force', policy.code === 0, policy.stderr.trim());
await allHave('policies', 2);
const refused = await askAll();
const took = Math.round(performance.now() - changed);
claim(
  'they are obeyed at all nodes',
  refused.every((code) => code === 'UNAUTHORIZED'),
  `${took} ms after the command began`,
);

// A key that is taken out opens nothing, and cuts what waits with it.
const waits = Promise.all(ids.map((node) => ask(node, 'inform', 60_000, ci)));
// A request waits once its agent has it: each console’s first act of this kind is on record at the agent’s node.
await cluster.until('the requests wait', async () => {
  const list = (await dev.get('node-1')!.auditRecords({ limit: 100 })) as { metadata: Record<string, unknown> }[];
  return list.filter(({ metadata }) => metadata.operation === 'inform' && metadata.receiver === echo).length === 3
    ? true
    : undefined;
});
const revoking = performance.now();
const revoked = await cluster.caxton('api-key', 'revoke', 'ci', '--node', 'node-1', ...withAuthority);
claim('caxton api-key revoke takes it out', revoked.code === 0, revoked.stderr.trim());
const cut = await waits;
const cutMs = Math.round(performance.now() - revoking);
claim(
  `requests that waited with it are cut at all nodes within ${obeyedMs} ms`,
  cut.every((code) => code === 'UNREACHABLE') && cutMs < obeyedMs,
  `${cutMs} ms after the command began; ${cut.join(' ')}`,
);
for (const client of ci.values()) client.close();
ci = clientsWith(made.stdout.trim());
claim(
  'it opens nothing at any node',
  (await whoAll(ci)).every((code) => code === 'UNAUTHENTICATED'),
);
const self = await cluster.caxton('api-key', 'revoke', 'dev', ...withAuthority);
claim(
  'the last key that may publish is not taken out by itself',
  self.code === 1 && self.stderr.includes('could publish nothing any more'),
);

// What must not be taken.
const open = { policies: [{ receiver: '*', allowed_senders: ['*'], permitted_operations: [{ performatives: '*' }] }] };
const thief = osCrypto.generateKeyPair('ed25519').privateKey;
claim(
  'a forged document is refused',
  (await publish('node-1', documentOf('policies', 3, open, thief))) === 'SIGNATURE_INVALID',
);
claim('an old generation is refused', (await publish('node-2', documentOf('policies', 1, open))) === 'REPLAYED');
claim(
  'another of this generation is refused',
  (await publish('node-2', documentOf('policies', 2, open))) === 'ALREADY_EXISTS',
);

// Away for ten generations of each kind.
const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');
async function kill(node: string): Promise<void> {
  const pid = await cluster.pidOf(node);
  process.kill(pid, 'SIGKILL');
  await cluster.until(`${node} has ended`, () => (alive(pid) ? undefined : true));
}
function start(node: string): void {
  const config = at(`nodes/${node}/node.yaml`);
  restarted.push(spawn(process.execPath, [program, 'server', 'start', '--config', config], { stdio: 'ignore' }));
}
await kill('node-3');
await cluster.until('the others know', async () =>
  (await dev.get('node-1')!.links()).length === 1 ? true : undefined,
);
const keys = (await viewAt('node-1', 'api-keys'))!.body;
for (let more = 1; more <= 10; more++)
  for (const [kind, from, body] of [
    ['policies', 2, { policies: [{ ...open.policies[0], denied_senders: [`default/away-${more}`] }] }],
    ['roles', 1, { roles: [], bindings: [] }],
    ['api-keys', 3, keys],
  ] as const) {
    const code = await publish('node-1', documentOf(kind, from + more, body));
    if (code !== 'ok') claim(`generation ${from + more} of the ${kind} is published`, false, code);
  }
start('node-3');
await allLinked();
// It says that it is ready when its first link is; what it lacked it had before.
const caughtUp = [await generationsOf('policies'), await generationsOf('roles'), await generationsOf('api-keys')];
claim(
  'a node that was away for ten generations has them when its links are up',
  JSON.stringify(caughtUp) === '[[12,12,12],[11,11,11],[13,13,13]]',
  JSON.stringify(caughtUp),
);

// Two of one generation: an authority key is misused. The second comes with the files of a node that was down.
await kill('node-3');
await publish('node-1', documentOf('policies', 13, open));
const rival = { policies: [{ ...open.policies[0], allowed_senders: ['default/console-node-1'] }] };
writeFileSync(at('notices/policies.notice'), `${documentOf('policies', 13, rival)}\n`);
claim('before, both consoles are let through', (await ask('node-1')) === 'ok' && (await ask('node-2')) === 'ok');
start('node-3');
await cluster.until('all hold both', async () =>
  (await Promise.all(ids.map((id) => viewAt(id, 'policies').catch(() => undefined)))).every(
    (view) => view?.rivals === 1,
  )
    ? true
    : undefined,
);
const forked = [await ask('node-1'), await ask('node-2')];
claim('of two of one generation both must permit', forked.join() === 'ok,UNAUTHORIZED', forked.join(' '));
const alarms = (await dev.get('node-1')!.auditRecords({ limit: 200 })) as { type: string; outcome: string }[];
claim(
  'and there is an alarm on record',
  alarms.some(({ type, outcome }) => type === 'SecurityPolicyUpdated' && outcome === 'failure'),
);
const listed = await cluster.caxton('notice', 'list');
claim(
  'caxton notice list says so, and exits with 1',
  listed.code === 1 && listed.stdout.includes('2 of one generation'),
);
claim('a higher generation ends it', (await publish('node-2', documentOf('policies', 14, open))) === 'ok');
await allHave('policies', 14);
claim('and all are let through again', (await ask('node-2')) === 'ok');

// A minority writes nothing.
await kill('node-2');
await kill('node-3');
await cluster.until('node-1 sees no quorum', async () =>
  (await dev.get('node-1')!.status()).partition === 'majority' ? undefined : true,
);
const minority = await publish('node-1', documentOf('policies', 15, open));
claim('a node without a quorum takes none', minority === 'PARTITION_MINORITY', minority);

for (const client of [...dev.values(), ...ci.values()]) client.close();
process.kill(-cluster.launcher.pid!, 'SIGINT');
await new Promise((resolve) => cluster.launcher.once('exit', resolve));
process.exit(0);
