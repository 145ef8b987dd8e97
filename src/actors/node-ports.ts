import { join } from 'node:path';
import type { NodeConfig } from '../config.ts';
import { osCrypto } from '../crypto/port.ts';
import { createNodeNetwork } from './cluster/links/node-network.ts';
import { createMetrics } from './kernel/metrics-registry.ts';
import { nodeClock } from './kernel/node-clock.ts';
import { nodeRandom } from './kernel/node-random.ts';
import type { Ports } from './kernel/ports.ts';
import { lockFolder } from './operations/audit/folder-lock.ts';
import { nodeDisk } from './operations/node-disk.ts';
import { openNodeStore } from './operations/node-store.ts';

/**
 * The real world for a node, with whatever the caller replaces; `close` closes what was opened here. The audit folder is
 * unlocked once `written` has settled: who still writes while another begins would cut off its records. If it never does
 * the lock ends with the process.
 */
export async function nodePorts(
  config: NodeConfig,
  replaced: Partial<Ports>,
): Promise<{ readonly ports: Ports; readonly close: (written?: Promise<unknown>) => Promise<void> }> {
  const clock = replaced.clock ?? nodeClock;
  const disk = replaced.disk ?? nodeDisk;
  await disk.makeFolder(config.node.dataPath, 0o700);
  const store = replaced.store ?? (await openNodeStore(join(config.node.dataPath, 'state.db')));
  const closeStore = async (): Promise<void> => (replaced.store ? undefined : store.close());
  let unlock = (): void => {};
  try {
    const { logPath } = config.security.audit;
    await disk.makeFolder(logPath, 0o700);
    if (disk === nodeDisk) unlock = lockFolder(logPath);
  } catch (error) {
    await closeStore();
    throw error;
  }
  const ports: Ports = {
    clock,
    random: replaced.random ?? nodeRandom,
    crypto: replaced.crypto ?? osCrypto,
    network: replaced.network ?? createNodeNetwork({ clock, tls: config.security.mtls }),
    disk,
    store,
    metrics: replaced.metrics ?? createMetrics(),
    managementApi: replaced.managementApi,
    tap: replaced.tap,
    faults: replaced.faults,
  };
  return {
    ports,
    async close(written) {
      if (written) void written.then(unlock, unlock);
      else unlock();
      await closeStore();
    },
  };
}
