import { limits } from '../limits.ts';
import { gossipMember } from './cluster/gossip/gossip-member.ts';
import { keyRotator } from './cluster/gossip/key-rotator.ts';
import { apiCertificateWatch } from './cluster/identity/api-certificate-watch.ts';
import { certRotator } from './cluster/identity/cert-rotator.ts';
import { linkListener } from './cluster/links/link-listener.ts';
import type { SupervisorSpec, WorkerSpec } from './kernel/spec.ts';
import { messageRouter } from './messaging/message-router.ts';
import { rateLimiterChart, rateLimiterInput } from './messaging/rate-limiter.ts';
import type { NodeParts } from './node-parts.ts';
import { auditKeeper } from './operations/audit/audit-keeper.ts';
import { auditNotary } from './operations/audit/audit-notary.ts';
import { auditWriter, auditWriterInput } from './operations/audit/audit-writer.ts';
import { managementApi } from './operations/management-api.ts';

const leaveMs = 300;
const drainMs = 2_000;

const inState =
  (...values: string[]): NonNullable<WorkerSpec['startedWhen']> =>
  (snapshot) =>
    values.some((value) => snapshot.matches(value));

/**
 * The supervision tree. Started left to right and stopped right to left: the API closes first, agents and messages
 * drain while links still stand, and the audit log is the last to close.
 */
export function nodeTree(parts: NodeParts): SupervisorSpec {
  const { config, audit } = parts;
  const { gossip, keys, renewal, apiCertificate, port } = parts.cluster;
  const { routing, asks, limiter } = parts.messaging;
  const { rotation } = config.node;
  const apiRenewal = apiCertificate.renewal;
  const jitter = (): number => parts.ports.random.uint32() / 0x1_0000_0000;
  const departs = (): boolean => parts.kernel.stopping;
  return {
    kind: 'supervisor',
    id: 'node',
    strategy: 'one-for-one',
    intensity: 5,
    periodMs: 10_000,
    children: [
      worker('audit-writer', auditWriter, auditWriterInput(audit), { startedWhen: inState('writing') }),
      worker('audit-keeper', auditKeeper, { upkeep: parts.auditUpkeep }),
      supervisor('pki', 'one-for-one', [
        worker(
          'cert-rotator',
          certRotator,
          { enabled: rotation.enabled, renewal, checkIntervalMs: rotation.checkIntervalMs, jitter },
          // What this node’s own CA can give is there before the first link is; others may be asked too, and be silent.
          { startedWhen: inState('idle', 'backing-off'), startTimeoutMs: limits.ownCertificateStartMs },
        ),
        ...(apiRenewal
          ? [
              worker('api-cert-rotator', certRotator, {
                enabled: rotation.enabled,
                renewal: apiRenewal,
                checkIntervalMs: rotation.checkIntervalMs,
                jitter,
              }),
            ]
          : []),
      ]),
      supervisor('cluster', 'rest-for-one', [
        // Left of the listener, whose channels need it; and the end of the listener costs no link.
        { kind: 'supervisor', id: 'links', strategy: 'one-for-one', intensity: 100, periodMs: 5_000, children: [] },
        worker('link-listener', linkListener, { port }, { startedWhen: inState('listening') }),
        worker(
          'gossip-member',
          gossipMember,
          { gossip, leaveMs, departs },
          { startedWhen: inState('joining', 'active') },
        ),
        worker('key-rotator', keyRotator, { rotation: keys }),
      ]),
      supervisor('messaging', 'rest-for-one', [
        worker('rate-limiter', rateLimiterChart, rateLimiterInput(limiter)),
        worker(
          'message-router',
          messageRouter,
          { routing, asks, drainMs, departs },
          { startedWhen: inState('routing') },
        ),
      ]),
      {
        kind: 'supervisor',
        id: 'agents',
        strategy: 'one-for-one',
        intensity: 100,
        periodMs: 5_000,
        stopTogether: true,
        children: [],
        onStarted: (life) => parts.host.started(life),
      },
      {
        kind: 'supervisor',
        id: 'program',
        strategy: 'one-for-one',
        intensity: 100,
        periodMs: 5_000,
        children: parts.actors,
      },
      supervisor('operations', 'one-for-one', [
        ...(parts.siem.workers.length === 0 ? [] : [supervisor('siem', 'one-for-one', parts.siem.workers)]),
        worker('audit-notary', auditNotary, parts.witness),
        ...(apiRenewal ? [worker('api-certificate', apiCertificateWatch, { certificate: apiCertificate })] : []),
        worker('management-api', managementApi, { api: parts.api.api }, { startedWhen: inState('serving') }),
      ]),
    ],
  };
}

function worker(id: string, logic: WorkerSpec['logic'], input: unknown, more: Partial<WorkerSpec> = {}): WorkerSpec {
  return { kind: 'worker', id, logic, input, ...more };
}

function supervisor(
  id: string,
  strategy: SupervisorSpec['strategy'],
  children: SupervisorSpec['children'],
): SupervisorSpec {
  return { kind: 'supervisor', id, strategy, intensity: 5, periodMs: 10_000, children };
}
