import { ok, type Result, refuse } from '../errors.ts';
import { addressText } from './address.ts';
import type { ClusterParts } from './cluster/assemble.ts';
import { Enrolment } from './cluster/identity/enrolment.ts';
import type { Address } from './kernel/ports.ts';
import type { NodeBase } from './node-base.ts';
import { rateSource } from './operations/api/source.ts';
import type { EnrolmentControl } from './operations/enrolment-control.ts';

/** `apiAddress` is asked when a token is made. */
export function assembleEnrolment(
  base: NodeBase,
  { links, gossip, issuer, apiCertificate }: ClusterParts,
  apiAddress: () => Address,
): EnrolmentControl {
  const { config, ports, files, audit, nodeId } = base;
  const { cluster } = config;
  const { identity } = files;
  if (!issuer)
    return {
      joinToken: async () => notHere,
      enrol: async () => notHere,
      enrolmentCa: () => notHere,
    };
  const at = (port: number): string => addressText({ host: cluster.advertise.host, port });
  const enrolment = new Enrolment({
    clock: ports.clock,
    crypto: ports.crypto,
    store: ports.store,
    nodeId,
    trustDomain: cluster.trustDomain,
    clusterId: cluster.id,
    issuer,
    caPem: () => identity.tls.caPem,
    apiCertPem: () => apiCertificate.tls.certPem,
    addresses: () => ({ api: at(apiAddress().port), link: addressText(cluster.advertise) }),
    isLive: (node) => links.get(node) !== undefined || gossip.member(node)?.status === 'alive',
    sourceOf: rateSource,
    record: (fact, { identity: who, sourceIp, requestId }, reason, metadata) =>
      audit.record({
        type: fact === 'refused' ? 'LoginFailure' : 'NodeEnrolled',
        identity: fact === 'token' ? who : 'enrolment',
        sourceIp,
        outcome: fact === 'refused' ? 'refused' : 'success',
        reasons: [reason],
        requestId,
        metadata,
      }),
  });
  return {
    async joinToken(request, caller) {
      const issued = await enrolment.issueToken(request, caller);
      return issued.ok ? ok({ ...issued.value, expiresAt: new Date(issued.value.expiresAt).toISOString() }) : issued;
    },
    async enrol(request, caller) {
      const enrolled = await enrolment.enrol(request, caller);
      return enrolled.ok ? ok({ certificate: enrolled.value, ca: identity.tls.caPem }) : enrolled;
    },
    enrolmentCa: (): Result<string> => ok(identity.tls.caPem),
  };
}

const notHere = refuse('NOT_SUPPORTED', 'This node is no CA node (node.ca): only those let newcomers in.');
