import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { nodeClock } from '../../src/actors/kernel/node-clock.ts';
import type { AuditDraft } from '../../src/actors/operations/audit/audit-draft.ts';
import { AuditLog } from '../../src/actors/operations/audit/audit-log.ts';
import type { AuditLogOptions } from '../../src/actors/operations/audit/audit-log-options.ts';
import { nodeDisk } from '../../src/actors/operations/node-disk.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { createVaultRing } from '../../src/crypto/vault.ts';

const ring = createVaultRing(osCrypto);

/** An act of class A as a node records it: some 300 bytes. */
export const deployed: AuditDraft = {
  type: 'AgentDeployed',
  identity: 'default/worker-a',
  sourceIp: '127.0.0.1',
  outcome: 'success',
  reasons: [],
  requestId: '0190f3a2-7c1e-7d2b-9f00-5f1f6f0c2a11',
  metadata: { generation: 1, kind: 'embedded', by: 'apikey:dev' },
};

/** A folder on the disk of the work tree, not in memory: that is where the waiting is. */
export function folder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(import.meta.dirname, '.run-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export const logIn = (path: string, more: Partial<AuditLogOptions> = {}): AuditLog =>
  new AuditLog({
    disk: nodeDisk,
    clock: nodeClock,
    crypto: osCrypto,
    nodeId: 'node-1',
    origin: 'bench/node/node-1/audit',
    vault: () => ring,
    folder: path,
    ...more,
  });

/** Writes as the node’s writer does; returns the function that ends it and closes the log. */
export async function writing(log: AuditLog): Promise<() => Promise<void>> {
  await log.open();
  log.setMode('writing');
  const stop = new AbortController();
  const written = (async () => {
    while (!stop.signal.aborted) {
      await log.write(stop.signal);
      if (!stop.signal.aborted) await log.rotate();
    }
  })();
  return async () => {
    stop.abort();
    await written;
    await log.close();
  };
}
