import type { NodeConfig } from '../config.ts';
import { type Crypto, osCrypto } from '../crypto/port.ts';
import { unwrap } from '../errors.ts';
import { renewEnded } from './cluster/identity/ended-certificate.ts';
import { askToEnrolAgain } from './cluster/identity/re-enrolment-call.ts';
import type { Clock, Disk } from './kernel/ports.ts';
import { type NodeFiles, readNodeFiles, renewsItself } from './node-files.ts';

/**
 * What a node reads at its start. A certificate that has ended is renewed first, by a CA node’s API: without one there
 * are no links over which it could be. Throws as `readNodeFiles`; CERTIFICATE_REFUSED with what each CA node said.
 */
export async function filesAtStart(
  config: NodeConfig,
  disk: Disk,
  clock: Clock,
  crypto: Crypto = osCrypto,
): Promise<NodeFiles> {
  const { node, cluster } = config;
  const { enabled, caNodes } = node.rotation;
  const again = await renewEnded({
    ...{ clock, disk, crypto, ask: askToEnrolAgain },
    ...{ nodeId: node.id, trustDomain: cluster.trustDomain, clusterId: cluster.id },
    certificatePath: node.certificatePath,
    privateKeyPath: node.privateKeyPath,
    caCertificatePath: node.caCertificatePath,
    addresses: enabled ? caNodes : [],
    renewsItself: renewsItself(config),
  });
  return readNodeFiles(config, disk, clock.now(), again && unwrap(again));
}
