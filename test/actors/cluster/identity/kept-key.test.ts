import { describe, expect, it } from 'vitest';
import { dropKeptKey, keptKey } from '../../../../src/actors/cluster/identity/kept-key.ts';
import { privateKeyToPem } from '../../../../src/crypto/keys.ts';
import { MemoryDisk } from '../../../../src/testing/memory-disk.ts';
import { crypto } from '../../../crypto/fixtures.ts';

const paths = { privateKeyPath: 'node.key' };

describe('the key that a node keeps while it asks', () => {
  it('is the same until it is in its place, and never one that is in use', async () => {
    const disk = new MemoryDisk();
    const first = await keptKey(disk, paths, crypto, 'none');
    const again = await keptKey(disk, paths, crypto, 'none');
    expect(again.publicKey.equals(first.publicKey)).toBe(true);
    // A crash between the replacement and the removal.
    const next = await keptKey(disk, paths, crypto, privateKeyToPem(first.privateKey));
    expect(next.publicKey.equals(first.publicKey)).toBe(false);
  });

  it('is made anew when what lies there is no key, can be read by others, or was dropped', async () => {
    const disk = new MemoryDisk();
    const first = await keptKey(disk, paths, crypto, 'none');
    const pem = privateKeyToPem(first.privateKey);
    const isOther = async (): Promise<boolean> =>
      !(await keptKey(disk, paths, crypto, 'none')).publicKey.equals(first.publicKey);
    disk.put('node.key.again', pem, 0o644);
    expect(await isOther()).toBe(true);
    expect((await disk.stat('node.key.again'))?.mode).toBe(0o600);
    disk.put('node.key.again', pem.slice(0, 60), 0o600);
    expect(await isOther()).toBe(true);
    disk.put('node.key.again', pem, 0o600);
    await dropKeptKey(disk, paths);
    expect(await isOther()).toBe(true);
  });
});
