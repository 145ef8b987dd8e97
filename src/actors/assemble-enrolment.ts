import { ok, type Result, refuse } from '../errors.ts';
import type { NodeId } from '../names.ts';
import { addressText } from './address.ts';
import type { ClusterParts } from './cluster/assemble.ts';
import { Enrolment, type RecordEnrolment } from './cluster/identity/enrolment.ts';
import { enrolmentAttempts } from './cluster/identity/enrolment-attempts.ts';
import { type HeldCertificate, heldOf } from './cluster/identity/issued-certificates.ts';
import { JoinTokens } from './cluster/identity/join-tokens.ts';
import { oneByOne } from './cluster/identity/one-by-one.ts';
import { ReEnrolment } from './cluster/identity/re-enrolment.ts';
import type { Address } from './kernel/ports.ts';
import type { NodeBase } from './node-base.ts';
import { rateSource } from './operations/api/source.ts';
import type { EnrolmentControl, HeldCertificateView } from './operations/enrolment-control.ts';

/** `apiAddress` is asked when a token is made. */
export function assembleEnrolment(base: NodeBase, cluster: ClusterParts, apiAddress: () => Address): EnrolmentControl {
  const { ports, files, revocations } = base;
  const { identity } = files;
  const known = (node: NodeId) => knownCertificates(base, cluster, node);
  const certificatesOf = async (node: NodeId): Promise<readonly HeldCertificateView[]> =>
    (await known(node)).filter(({ notAfter }) => notAfter > ports.clock.now()).map((held) => viewOf(node, held));
  const viewOf = (node: NodeId, held: HeldCertificate): HeldCertificateView => ({
    serial: held.serial,
    notAfter: iso(held.notAfter),
    revoked: revocations.ofCertificate({ nodeId: node, ...held })?.code === 'REVOKED',
    certificate: held.chainPem,
  });
  const made = createEnrolment(base, cluster, known, apiAddress);
  if (!made)
    return {
      joinToken: async () => notHere,
      joinTokens: async () => notHere,
      cancelJoinToken: async () => notHere,
      enrol: async () => notHere,
      enrolAgain: async () => notHere,
      enrolmentCa: () => notHere,
      certificatesOf,
    };
  const { enrolment, reEnrolment } = made;
  const answered = (result: Result<string>) =>
    result.ok ? ok({ certificate: result.value, ca: identity.tls.caPem }) : result;
  return {
    async joinToken(request, caller) {
      const issued = await enrolment.issueToken(request, caller);
      return issued.ok ? ok({ ...issued.value, expiresAt: iso(issued.value.expiresAt) }) : issued;
    },
    async joinTokens() {
      const open = await enrolment.tokens();
      return ok(
        open.map(({ serial, expiresAt, ...token }) => ({
          ...{ ...token, expiresAt: iso(expiresAt) },
          ...(serial !== undefined && { serial }),
        })),
      );
    },
    async cancelJoinToken(id, caller) {
      const cancelled = await enrolment.cancelToken(id, caller);
      if (!cancelled.ok) return cancelled;
      const { nodeId, serial } = cancelled.value;
      return ok({ nodeId, ...(serial !== undefined && { serial }) });
    },
    enrol: async (request, caller) => answered(await enrolment.enrol(request, caller)),
    enrolAgain: async (request, caller) => answered(await reEnrolment.renew(request, caller)),
    enrolmentCa: (): Result<string> => ok(identity.tls.caPem),
    certificatesOf,
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();
const notHere = refuse('NOT_SUPPORTED', 'This node is no CA node (node.ca): only those let newcomers in.');

function createEnrolment(
  base: NodeBase,
  cluster: ClusterParts,
  known: (node: NodeId) => Promise<readonly HeldCertificate[]>,
  apiAddress: () => Address,
): { readonly enrolment: Enrolment; readonly reEnrolment: ReEnrolment } | undefined {
  const { config, ports, files, nodeId, revocations, fault } = base;
  const { issuer, apiCertificate } = cluster;
  if (!issuer) return undefined;
  const { clock, crypto, store } = ports;
  const { trustDomain, id: clusterId, advertise } = config.cluster;
  const at = (port: number): string => addressText({ host: advertise.host, port });
  const isUp = (node: NodeId) => upNow(base, cluster, node);
  const shared = {
    ...{ clock, trustDomain, clusterId, issuer },
    caPem: () => files.identity.tls.caPem,
    revoked: revocations.ofCertificate.bind(revocations),
    attempt: enrolmentAttempts(clock, rateSource),
    inTurn: oneByOne(),
    record: recorder(base),
  };
  const enrolment = new Enrolment({
    ...shared,
    ...{ crypto, nodeId, fault },
    tokens: new JoinTokens(store, clock),
    apiCertPem: () => apiCertificate.tls.certPem,
    addresses: () => ({ api: at(apiAddress().port), link: addressText(advertise) }),
    holding: async (node) => ({
      up: isUp(node),
      certificates: (await known(node)).filter((held) => held.notAfter > clock.now() && stands(base, held)),
    }),
  });
  const windowMs = config.node.ca?.reenrolmentWindowMs;
  return { enrolment, reEnrolment: new ReEnrolment({ ...shared, windowMs, known, isUp }) };
}

/** Of what this node issued, and of what it sees on its link and in the directory, which another CA node may have issued. */
async function knownCertificates(
  { ports, nodeId, files }: NodeBase,
  { links, directory, issued }: ClusterParts,
  node: NodeId,
): Promise<readonly HeldCertificate[]> {
  const seen = [
    node === nodeId ? files.identity.svid : links.get(node)?.svid,
    directory.svidOf(node, ports.clock.now()),
  ].flatMap((svid) => (svid ? [heldOf(svid)] : []));
  return [...new Map([...seen, ...(await issued.of(node))].map((held) => [held.serial, held])).values()];
}

/** Whoever was locked out when a root was dropped holds its place no more: nobody can show what stands under that root. */
const stands = ({ roots }: NodeBase, { issuerSerials }: HeldCertificate): boolean =>
  roots.inForce === undefined || roots.rootOf(issuerSerials) !== undefined;

/** Linked, or alive in gossip under a certificate that counts; this node itself always is. */
const upNow = ({ nodeId }: NodeBase, { links, gossip, directory }: ClusterParts, node: NodeId): boolean =>
  node === nodeId ||
  links.get(node) !== undefined ||
  (gossip.member(node)?.status === 'alive' && !directory.isCut(node));

function recorder({ audit }: NodeBase): RecordEnrolment {
  return (fact, { identity, sourceIp, requestId }, reason, metadata) =>
    audit.record({
      type: fact === 'refused' ? 'LoginFailure' : 'NodeEnrolled',
      identity: fact === 'token' || fact === 'cancelled' ? identity : 'enrolment',
      sourceIp,
      outcome: fact === 'refused' ? 'refused' : 'success',
      reasons: [reason],
      requestId,
      metadata,
    });
}
