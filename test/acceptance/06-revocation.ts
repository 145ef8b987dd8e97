/**
 * Issue 6, “Build” 6: three real processes; one node is suspended and resumed, and comes back by itself; one node is revoked from the command line, and it is measured how long it
 * takes until its links are gone everywhere; that it knows, stays out and is quiet; and that openssl accepts the CRL.
 * `06-revocation.ts`.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { loadProfile } from '../../src/cli/profile.ts';
import { createClient } from '../../src/client.ts';
import { alive, claim, launch } from './launcher.ts';

const goalMs = 2_000;
const cluster = await launch();
process.on('exit', () => alive(cluster.launcher.pid!) && process.kill(-cluster.launcher.pid!, 'SIGKILL'));
await cluster.until('the cluster is up', () => (cluster.output().includes('runs until Ctrl-C') ? true : undefined));
const profile = await loadProfile({ flag: join(cluster.dir, 'profile.json'), env: {}, cwd: cluster.dir });
const clients = new Map(
  profile.nodes.map(({ id, api }) => [
    id as string,
    createClient({ address: api, caPem: profile.caPem, apiKey: profile.apiKey }),
  ]),
);
const linksOf = async (id: string): Promise<string[]> => (await clients.get(id)!.links()).map(({ peer }) => peer);
await cluster.until('all are linked', async () =>
  (await Promise.all([...clients.keys()].map(linksOf))).every(({ length }) => length === 2) ? true : undefined,
);

// Suspended, and resumed.
const authority = ['--authority-key', join(cluster.dir, 'keys', 'authority.key')];
const statusOf = async (id: string): Promise<string | undefined> =>
  (await clients.get('node-1')!.members()).find(({ nodeId }) => nodeId === id)?.status;
const suspended = await cluster.caxton('security', 'suspend', 'node-2', ...authority);
claim('caxton security suspend puts it in force', suspended.code === 0, suspended.stderr.trim());
await cluster.until('it has no links', async () => ((await linksOf('node-2')).length === 0 ? true : undefined));
const itself = await clients.get('node-2')!.status();
claim('the suspended node says so', itself.suspended?.by === 'notice', itself.suspended?.reason);
claim('the others show it', (await statusOf('node-2')) === 'suspended', await statusOf('node-2'));
const resuming = performance.now();
const resumed = await cluster.caxton('security', 'resume', 'node-2', ...authority);
claim('caxton security resume ends it', resumed.code === 0, resumed.stderr.trim());
await cluster.until('it is linked to both and alive', async () =>
  (await linksOf('node-2')).length === 2 && (await statusOf('node-2')) === 'alive' ? true : undefined,
);
claim('and it is back by itself', true, `${Math.round(performance.now() - resuming)} ms after the command began`);

// The moment in which the links are gone is taken by polling as fast as the nodes answer; asking costs about 2 ms.
const gone = async (): Promise<boolean> => {
  const [one, two, three] = await Promise.all(['node-1', 'node-2', 'node-3'].map(linksOf));
  return !one!.includes('node-3') && !two!.includes('node-3') && three!.length === 0;
};
const begun = performance.now();
const watching = (async () => {
  while (!(await gone())) if (performance.now() - begun > 60_000) throw new Error('the links are still there');
  return performance.now();
})();
const ran = await cluster.caxton('security', 'revoke', '--node', 'node-3', '--reason', 'keyCompromise', ...authority);
const answered = performance.now();
if (ran.code !== 0) throw new Error(`caxton security revoke failed: ${ran.stderr}`);
const done = await watching;
const notice = (await clients.get('node-1')!.notices()).find(({ kind }) => kind === 'revocations');
const records = (await clients.get('node-1')!.auditRecords({ limit: 100 })) as { type: string; time: string }[];
const publishedAt = Date.parse(records.findLast(({ type }) => type === 'SecurityPolicyUpdated')!.time);
const bite = Math.max(0, Math.round(performance.timeOrigin + done - publishedAt));
const whole = `${Math.round(done - begun)} ms after the command began, which took ${Math.round(answered - begun)} ms itself`;
claim(`all links of a revoked node are gone within ${goalMs} ms of the notice`, bite <= goalMs, `${bite} ms; ${whole}`);
claim('it is the first generation of the revocations', notice?.generation === 1);
const status = await clients.get('node-3')!.status();
claim('the revoked node says so', status.revoked !== undefined, JSON.stringify(status.revoked));
const members = await clients.get('node-1')!.members();
const seen = members.find(({ nodeId }) => nodeId === 'node-3')?.status;
claim('the others do not count it any more', seen === 'revoked', seen);
const listed = await cluster.caxton('notice', 'list', '--output', 'json');
const kinds = (JSON.parse(listed.stdout).items as { kind: string }[]).map(({ kind }) => kind).join(' ');
claim('caxton notice list shows all documents', kinds === 'trust revocations suspensions policies api-keys', kinds);
const ca = (name: string) => join(cluster.dir, 'ca', name);
const crl = join(cluster.dir, 'cluster.crl');
const words = ['security', 'export-crl', '--ca-cert', ca('ca.crt'), '--ca-key', ca('ca.key'), '--out', crl];
const exported = await cluster.caxton(...words);
claim('caxton security export-crl writes a CRL', exported.code === 0, exported.stderr.trim());
const openssl = spawnSync('openssl', ['crl', '-in', crl, '-CAfile', ca('ca.crt'), '-verify', '-noout', '-text'], {
  encoding: 'utf8',
});
const revocations = notice?.body.revocations as { kind: string; id: string }[] | undefined;
const serial = revocations?.find(({ kind }) => kind === 'serial')?.id ?? 'none';
claim(
  'openssl verifies it, with the certificate of the revoked node in it',
  openssl.stderr.includes('verify OK') && openssl.stdout.includes(`Serial Number: ${serial}`),
  openssl.stderr.trim(),
);

// Longer would show no more than this: it neither comes back nor knocks without end.
const knocks = async (): Promise<number> => {
  const list = (await clients.get('node-1')!.auditRecords({ limit: 1_000 })) as { type: string }[];
  return list.filter(({ type }) => type === 'LinkRefused').length;
};
const before = await knocks();
await new Promise((resolve) => setTimeout(resolve, 10_000));
claim('it does not come back', await gone());
const more = (await knocks()) - before;
claim('and it does not knock without end', more <= 3, `${more} refused connections in 10 s`);
for (const client of clients.values()) client.close();
process.kill(-cluster.launcher.pid!, 'SIGINT');
await new Promise((resolve) => cluster.launcher.once('exit', resolve));
