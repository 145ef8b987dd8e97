import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { keyIdOf, privateKeyToPem } from '../../../src/crypto/keys.ts';
import { CaxtonError, unwrap } from '../../../src/errors.ts';
import { createTestCluster, type TestCluster } from '../../../src/testing/test-cluster.ts';
import { authorityOf, clusterIdOf, operator, signNotice, textOfKey } from '../notice-lab.ts';

const open: TestCluster[] = [];
afterEach(async () => {
  for (const cluster of open.splice(0)) await cluster.close();
});

const path = '/cluster/keys/issuer.key';

/** A cluster of one, whose configuration names a file of an issuer’s key; `start` starts it. */
async function named(pem: string | undefined, mode = 0o600) {
  const cluster = await createTestCluster({ nodes: 1 });
  open.push(cluster);
  const { disk, configPath } = cluster.machine('node-1');
  const text = Buffer.from(disk.peek(configPath)!).toString();
  const key = `    capability_enforcement: strict\n    issuer_key_path: ${path}`;
  disk.put(configPath, Buffer.from(text.replace('    capability_enforcement: strict', key)));
  if (pem !== undefined) disk.put(path, Buffer.from(pem), mode);
  return { cluster, start: () => cluster.restart('node-1') };
}

const ed25519 = (): KeyObject => generateKeyPairSync('ed25519').privateKey;

describe('the file of an issuer’s key', () => {
  it('has the node sign and renew capabilities with it, once the cluster trusts it', async () => {
    const issuer = ed25519();
    const { cluster, start } = await named(privateKeyToPem(issuer));
    const node = await start();
    const deploy = () => cluster.deploy('node-1', 'default/talker', () => {}, { actions: ['request agent:default/*'] });
    const untrusted = await deploy().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(untrusted).toMatchObject({ code: 'DEPLOYMENT_REFUSED' });
    const { body, generation } = node.control.notices().find(({ kind }) => kind === 'trust')! as never as {
      body: { deployers: string[]; issuers: string[]; authorities: string[] };
      generation: number;
    };
    const notice = signNotice(await authorityOf(cluster), {
      ...{ kind: 'trust', generation: generation + 1, clusterId: clusterIdOf(cluster) },
      body: { ...body, issuers: [textOfKey(issuer)] },
    });
    unwrap(await cluster.settled(node.control.publishNotice(notice, operator)));
    await deploy();
    const view = node.control.agents().find(({ agentId }) => agentId === 'default/talker')!;
    expect(view.tokenRenewed).toBe(true);
    expect(view.deployer).not.toBe(keyIdOf(issuer));
  });

  it.each<[string, string | undefined, number, string]>([
    ['is not there', undefined, 0o600, 'FILE_UNREADABLE'],
    ['can be read by others', privateKeyToPem(ed25519()), 0o640, 'FILE_UNREADABLE'],
    ['is no key', 'a key', 0o600, 'MALFORMED'],
    [
      'is one of another type',
      privateKeyToPem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
      0o600,
      'MALFORMED',
    ],
  ])('keeps the node from its start, by name, when it %s', async (_, pem, mode, code) => {
    const { start } = await named(pem, mode);
    const error = await start().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(CaxtonError);
    expect(error).toMatchObject({ code, message: expect.stringContaining('security.agents.issuer_key_path') });
    expect((error as Error).message).toContain(path);
  });
});
