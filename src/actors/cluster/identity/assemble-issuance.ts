import { ok, refuse } from '../../../errors.ts';
import type { NodeId } from '../../../names.ts';
import type { Urgency } from '../../../protocols/issuance/renewal-time.ts';
import { issuerFeature } from '../../../protocols/link/certificate-frame.ts';
import type { Random } from '../../kernel/ports.ts';
import type { NodeBase } from '../../node-base.ts';
import { LinkRenewal } from '../links/link-renewal.ts';
import type { Links } from '../links/links.ts';
import type { CertificateRenewal, CertRotatorEvent } from './cert-rotator.ts';
import { CertificateIssuer, type IssuanceRecord } from './certificate-issuer.ts';
import { type CertificateSource, createCertificateRenewal } from './certificate-renewal.ts';
import { CertificateRequests } from './certificate-requests.ts';
import { CertificateService } from './certificate-service.ts';
import { sourcesAgain } from './ended-certificate.ts';
import { type HeldCertificate, IssuedCertificates } from './issued-certificates.ts';
import { readLocalCa } from './local-ca.ts';
import { askToEnrolAgain } from './re-enrolment-call.ts';

/** Where the rotator lives in the tree. */
const rotatorPath = '/node/pki/cert-rotator';

/** This node’s certificate and, on a CA node, those of others: asked for and issued over links. */
export function assembleIssuance(
  base: NodeBase,
  links: Links,
): {
  readonly renewal: CertificateRenewal;
  readonly issuer: CertificateIssuer | undefined;
  /** What this node has issued to others; empty on one that is no CA node. */
  readonly issued: IssuedCertificates;
} {
  const { config, ports, files, kernel } = base;
  const { clock, random } = ports;
  const isRevoked = (held: HeldCertificate, nodeId: NodeId) =>
    base.revocations.ofCertificate({ nodeId, ...held }) !== undefined;
  const issued = new IssuedCertificates(clock, ports.store, config.node.ca?.reenrolmentWindowMs ?? 0, isRevoked);
  const issuer = createIssuer(base, issued);
  if (files.authority && issuer) serveRequests(base, links, issuer);
  const requests = new CertificateRequests({
    clock,
    send: (peer, { header, content }) =>
      links.get(peer)?.send('certificate-request', header, content) ??
      refuse('UNREACHABLE', `The link to ${peer} is down.`),
  });
  links.onFrame('certificate-answer', (link, frame) => {
    const taken = requests.take(link.nodeId, frame);
    if (!taken.ok) link.violated(taken.refusal.reasons[0]);
  });
  links.onClosed((link) => requests.lost(link.nodeId));
  const rotator = kernel.ref<CertRotatorEvent>(rotatorPath);
  links.onReady((link) => {
    if (link.hello.features.includes(issuerFeature)) rotator.tell({ type: 'cert.issuer' }, 'control');
  });
  const linkRenewal = new LinkRenewal({ clock, random, links });
  files.identity.onInstalled(() => linkRenewal.renewed());
  const renewal = createRenewal(base, () => [
    ...(issuer ? [ownSource(base, issuer)] : []),
    ...shuffled(links.all(), random)
      .filter((link) => link.hello.features.includes(issuerFeature))
      .map(({ nodeId }) => ({ name: nodeId, issue: (request: Uint8Array) => requests.ask(nodeId, request) })),
    ...endedSources(base),
  ]);
  // Development’s key signs for its own node alone.
  return { renewal, issued, issuer: files.authority && issuer };
}

/** Undefined on a node without a CA key. */
function createIssuer(
  { config, ports, files, audit, revocations, nodeId }: NodeBase,
  issued: IssuedCertificates,
): CertificateIssuer | undefined {
  const { clock, crypto, disk } = ports;
  const { authority, identity } = files;
  const { caKeyPath } = config.node.rotation;
  if (!authority && caKeyPath === undefined) return undefined;
  return new CertificateIssuer({
    clock,
    crypto,
    trustDomain: config.cluster.trustDomain,
    authority: async () =>
      authority ? ok(authority) : readLocalCa(disk, caKeyPath ?? '', identity.tls.caPem, identity.tls.certPem),
    caPem: () => identity.tls.caPem,
    revoked: (of) => revocations.ofCertificate(of),
    // Development’s key signs for its own node alone, and nobody enrols with it.
    keep: async (svid) => (authority ? issued.keep(svid) : ok(undefined)),
    forget: async (svid) => (authority ? issued.forget(svid) : undefined),
    record: ({ spiffeId, sourceIp, serial, notAfter, replaces }: IssuanceRecord) =>
      audit.record({
        type: 'CertificateIssued',
        identity: spiffeId,
        sourceIp,
        outcome: 'success',
        reasons: [],
        certificateSerial: serial,
        metadata: { ...(replaces && { replaces }), notAfter: new Date(notAfter).toISOString(), by: nodeId },
      }),
  });
}

/** Answers other nodes’ requests. What is refused is audited like every other denial. */
function serveRequests({ ports, audit, fault }: NodeBase, links: Links, issuer: CertificateIssuer): void {
  const service = new CertificateService({
    clock: ports.clock,
    issuer,
    fault,
    refused: (link, { code, reasons }) =>
      audit.note({
        type: 'AccessDenied',
        identity: link.svid.spiffeId,
        sourceIp: link.channel.remote.host,
        outcome: 'refused',
        code,
        reasons: ['A request for a certificate was refused.'],
        certificateSerial: link.svid.serial,
        metadata: { operation: 'certificate-request', detail: reasons.join(' ') },
      }),
  });
  links.onFrame('certificate-request', (link, frame) => {
    const taken = service.take(link, frame);
    if (!taken.ok) link.violated(taken.refusal.reasons[0]);
  });
}

/** This node’s own key signs for itself by the same rules as for others. */
const ownSource = ({ files, nodeId }: NodeBase, issuer: CertificateIssuer): CertificateSource => ({
  name: `${nodeId} itself`,
  async issue(request) {
    const issued = await issuer.renew(request, files.identity.svid, '');
    return issued.ok ? ok(issued.value.chainPem) : issued;
  },
});

/** Without links, as a node is whose certificate has ended, the APIs of CA nodes are left. */
function endedSources({ config, files, ports }: NodeBase): readonly CertificateSource[] {
  const { tls, svid } = files.identity;
  if (ports.clock.now() <= svid.notAfter) return [];
  return sourcesAgain({ ...tls, svid, clusterId: config.cluster.id }, config.node.rotation.caNodes, askToEnrolAgain);
}

function createRenewal(base: NodeBase, sources: () => readonly CertificateSource[]): CertificateRenewal {
  const { config, ports, files, audit, events, nodeId, fault } = base;
  const { node } = config;
  const { identity } = files;
  const record = (outcome: 'success' | 'failure', reasons: readonly string[]) =>
    audit.record({
      type: 'CertificateRotated',
      identity: identity.svid.spiffeId,
      sourceIp: '',
      outcome,
      reasons,
      certificateSerial: identity.svid.serial,
      metadata: { notAfter: new Date(identity.svid.notAfter).toISOString() },
    });
  return createCertificateRenewal({
    identity,
    clock: ports.clock,
    crypto: ports.crypto,
    disk: ports.disk,
    renewalThresholdMs: node.rotation.renewalThresholdMs,
    certificatePath: node.certificatePath,
    privateKeyPath: node.privateKeyPath,
    jitter: () => ports.random.uint32() / 0x1_0000_0000,
    mayEnrolAgain: node.rotation.caNodes.length > 0,
    sources,
    record,
    rotated: () => {
      const { serial, notAfter } = identity.svid;
      events.emit({ type: 'certificate.rotated', nodeId, serial, notAfter: new Date(notAfter).toISOString() });
    },
    warn: (urgency, leftMs) => {
      fault(warnings[urgency], undefined);
      void record('failure', [warnings[urgency]]);
      events.emit({ type: 'certificate.expiring', nodeId, leftMs: Math.max(0, leftMs) });
    },
  });
}

const warnings: Readonly<Record<Urgency, string>> = {
  none: 'The certificate could not be renewed yet.',
  half: 'The certificate could not be renewed, and half of the time for it is gone.',
  tenth:
    'The certificate could not be renewed, and a tenth of the time for it is left: see that a CA node is reachable.',
  over: 'The certificate has reached its end: no peer accepts this node until it enrols again (node.rotation.ca_nodes) or is given another (caxton security gen-cert).',
};

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  return items
    .map((item) => ({ item, place: random.uint32() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
