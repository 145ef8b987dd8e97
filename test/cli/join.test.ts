import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinTokenText } from '../../src/crypto/join-token.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import type { NodeId, TrustDomain } from '../../src/names.ts';
import { profileFolder, run } from './cli-lab.ts';

const token = joinTokenText({
  id: '0'.repeat(32),
  secret: Buffer.alloc(32, 1).toString('base64url'),
  nodeId: 'node-9' as NodeId,
  issuer: 'node-1' as NodeId,
  trustDomain: 'example.org' as TrustDomain,
  clusterId: 'c0ffee',
  // Nobody listens there.
  enrolment: '127.0.0.1:1',
  link: '127.0.0.1:1',
  caKeyHash: Buffer.alloc(32, 2).toString('base64url'),
  dns: [],
  ip: [],
  expiresAt: Date.now() + 60_000,
});

let folder: Awaited<ReturnType<typeof profileFolder>>;
beforeEach(async () => {
  folder = await profileFolder({ nodes: [], caPem: '', apiKey: '' });
  await writeFile(join(folder.root, 'node-9.token'), token, { mode: 0o600 });
  await mkdir(join(folder.root, 'node-9'), { mode: 0o700 });
});
afterEach(() => folder.remove());

const joining = () =>
  run('server join --token-file node-9.token --dir node-9 --bind 127.0.0.1:7709 --api-bind 127.0.0.1:7809'.split(' '), {
    cwd: folder.root,
  });
const key = () => join(folder.root, 'node-9', 'node.key');

describe('caxton server join with a key that lies there already', () => {
  it.each<[string, RegExp, () => Promise<unknown>]>([
    ['is open to others', /FILE_UNREADABLE.*node\.key is open to others/, () => writeKey(0o644)],
    ['is a device', /FILE_UNREADABLE.*node\.key is a pipe or a device/, () => symlink('/dev/zero', key())],
    ['is a folder', /FILE_UNREADABLE.*node\.key is a folder/, () => mkdir(key())],
    ['is no key', /MALFORMED.*node\.key/, () => writeFile(key(), 'no key', { mode: 0o600 })],
  ])('that %s asks nobody for anything, and says which file it is', async (_, reason, make) => {
    await make();
    const { code, err } = await joining();
    expect([code, err]).toEqual([1, expect.stringMatching(reason)]);
    expect(await readdir(join(folder.root, 'node-9'))).toEqual(['node.key']);
  });

  it('goes on with it when it is this node’s alone', async () => {
    await writeKey(0o600);
    const { code, err } = await joining();
    expect([code, err]).toEqual([1, expect.stringMatching(/^UNREACHABLE/)]);
  });
});

async function writeKey(mode: number): Promise<void> {
  await writeFile(key(), privateKeyToPem(osCrypto.generateKeyPair('p256').privateKey));
  await chmod(key(), mode);
}
