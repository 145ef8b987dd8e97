import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { nodeDisk } from '../../src/actors/operations/node-disk.ts';
import { MemoryDisk } from '../../src/testing/memory-disk.ts';
import { diskContract } from './disk-contract.ts';

diskContract('on the real disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'caxton-disk-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return { disk: nodeDisk, folder };
});

diskContract('in memory', () => ({ disk: new MemoryDisk(), folder: '/' }));
