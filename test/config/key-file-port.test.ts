import { expect, it } from 'vitest';
import { readKeyFileOn } from '../../src/config/key-file-port.ts';
import { limits } from '../../src/limits.ts';
import { MemoryDisk } from '../../src/testing/memory-disk.ts';

it('a key file on a disk behind the port is read when it is for its owner alone', async () => {
  const disk = new MemoryDisk();
  disk.put('/keys/node.key', 'secret');
  expect(await readKeyFileOn(disk, '/keys/node.key')).toEqual({ ok: true, value: new TextEncoder().encode('secret') });
});

it.each<[string, string, number]>([
  ['open to its group', 'secret', 0o640],
  ['open to others', 'secret', 0o604],
  ['empty', '', 0o600],
  ['too long', 'x'.repeat(limits.pemBytesMax + 1), 0o600],
])('one that is %s is refused with its name', async (_, content, mode) => {
  const disk = new MemoryDisk();
  disk.put('/keys/node.key', content, mode);
  expect(await readKeyFileOn(disk, '/keys/node.key')).toMatchObject({
    ok: false,
    refusal: { code: 'FILE_UNREADABLE', reasons: [expect.stringContaining('/keys/node.key')] },
  });
  expect(await readKeyFileOn(disk, '/keys/other.key')).toMatchObject({ refusal: { code: 'FILE_UNREADABLE' } });
});
