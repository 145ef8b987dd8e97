import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openNodeStore } from '../../src/actors/operations/node-store.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { storeContract } from './store-contract.ts';

storeContract('on SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'caxton-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return { open: () => openNodeStore(join(folder, 'state.db')) };
});

storeContract('in memory', () => {
  let store: MemoryStore | undefined;
  return {
    open: async () => {
      store = store ? store.reopen() : new MemoryStore();
      return store;
    },
  };
});
