import { ok, refuse } from '../../../errors.ts';
import type { NodeId } from '../../../names.ts';
import type { Purpose } from '../../../protocols/issuance/grant.ts';
import type { Urgency } from '../../../protocols/issuance/renewal-time.ts';
import { issuerFeature } from '../../../protocols/link/certificate-frame.ts';
import type { Random } from '../../kernel/ports.ts';
import type { NodeBase } from '../../node-base.ts';
import { readApiPair } from '../../node-files.ts';
import { LinkRenewal } from '../links/link-renewal.ts';
import type { Links } from '../links/links.ts';
import { ApiCertificate } from './api-certificate.ts';
import { rotatorPaths } from './assemble-roots.ts';
import type { CertRotatorEvent } from './cert-rotator.ts';
import { CertificateIssuer, type IssuanceRecord } from './certificate-issuer.ts';
import {
  type CertificateSource,
  createCertificateRenewal,
  type NodeCertificateRenewal,
} from './certificate-renewal.ts';
import { CertificateRequests } from './certificate-requests.ts';
import { CertificateService } from './certificate-service.ts';
import { sourcesAgain } from './ended-certificate.ts';
import { type CaPlace, HeldAuthorities } from './held-authorities.ts';
import { type HeldCertificate, IssuedCertificates } from './issued-certificates.ts';
import { askToEnrolAgain } from './re-enrolment-call.ts';

const frameOf = { node: 'certificate-request', server: 'server-certificate-request' } as const;

export interface IssuanceParts {
  readonly renewal: NodeCertificateRenewal;
  /** Signs for others: a CA node’s. */
  readonly issuer: CertificateIssuer | undefined;
  /** What this node has issued to others; empty on one that is no CA node. */
  readonly issued: IssuedCertificates;
  /** The CAs whose keys this node holds, development’s included. */
  readonly authorities: HeldAuthorities | undefined;
  readonly apiCertificate: ApiCertificate;
  /** Of the node’s certificate and, where it is renewed here, of the API’s. */
  readonly tellRotators: (event: CertRotatorEvent) => void;
}

/** This node’s certificate and, on a CA node, those of others: asked for and issued over links. */
export function assembleIssuance(base: NodeBase, links: Links): IssuanceParts {
  const { config, ports, files, kernel } = base;
  const { clock, random } = ports;
  const isRevoked = (held: HeldCertificate, nodeId: NodeId) =>
    base.revocations.ofCertificate({ nodeId, ...held }) !== undefined;
  const issued = new IssuedCertificates(clock, ports.store, config.node.ca?.reenrolmentWindowMs ?? 0, isRevoked);
  const authorities = heldAuthorities(base);
  const issuer = authorities && createIssuer(base, authorities, issued);
  if (files.authority && issuer) serveRequests(base, links, issuer);
  const requests = new CertificateRequests({
    clock,
    send: (peer, { header, content }, purpose) =>
      links.get(peer)?.send(frameOf[purpose], header, content) ?? refuse('UNREACHABLE', `The link to ${peer} is down.`),
  });
  links.onFrame('certificate-answer', (link, frame) => {
    const taken = requests.take(link.nodeId, frame);
    if (!taken.ok) link.violated(taken.refusal.reasons[0]);
  });
  links.onClosed((link) => requests.lost(link.nodeId));
  const tellRotators = (event: CertRotatorEvent): void => {
    kernel.ref<CertRotatorEvent>(rotatorPaths.node).tell(event, 'control');
    if (apiCertificate.renewal) kernel.ref<CertRotatorEvent>(rotatorPaths.api).tell(event, 'control');
  };
  links.onReady((link) => {
    if (link.hello.features.includes(issuerFeature)) tellRotators({ type: 'cert.issuer' });
  });
  const linkRenewal = new LinkRenewal({ clock, random, links });
  files.identity.onInstalled(() => linkRenewal.renewed());
  const sources = (): readonly CertificateSource[] => [
    ...(issuer ? [ownSource(base, issuer)] : []),
    ...shuffled(links.all(), random)
      .filter((link) => link.hello.features.includes(issuerFeature))
      .map(({ nodeId }) => ({
        name: nodeId,
        issue: (request: Uint8Array, purpose?: Purpose) => requests.ask(nodeId, request, purpose),
      })),
  ];
  // Development’s key signs for its own node alone.
  const apiCertificate = createApiCertificate(base, sources);
  return {
    renewal: createRenewal(base, () => [...sources(), ...endedSources(base)]),
    issued,
    issuer: files.authority && issuer,
    authorities,
    apiCertificate,
    tellRotators,
  };
}

/** Undefined on a node without a CA key. */
function heldAuthorities({ config, ports, files, roots, fault, audit, nodeId }: NodeBase): HeldAuthorities | undefined {
  const { ca, rotation } = config.node;
  const place = ca ?? localCa(rotation.caKeyPath);
  if (!place) return undefined;
  return new HeldAuthorities({
    disk: ports.disk,
    trustDomain: config.cluster.trustDomain,
    place,
    roots,
    certPem: () => files.identity.tls.certPem,
    promoted: () =>
      audit.note({
        type: 'TrustChanged',
        identity: nodeId,
        sourceIp: '',
        outcome: 'success',
        reasons: ['The files of the next CA were put in the places of the old one’s, whose root is dropped.'],
        metadata: { what: 'ca', keyPath: place.keyPath },
      }),
    fault,
  });
}

/** Development’s key signs as long as the CA lives. */
const localCa = (keyPath: string | undefined): CaPlace | undefined =>
  keyPath === undefined
    ? undefined
    : { keyPath, certificatePath: undefined, passphrasePath: undefined, validityMsMax: Number.MAX_SAFE_INTEGER };

function createIssuer(
  { config, ports, files, audit, revocations, nodeId }: NodeBase,
  authorities: HeldAuthorities,
  issued: IssuedCertificates,
): CertificateIssuer {
  const { clock, crypto } = ports;
  const { authority, identity } = files;
  return new CertificateIssuer({
    clock,
    crypto,
    trustDomain: config.cluster.trustDomain,
    authority: () => authorities.present(),
    caPem: () => identity.tls.caPem,
    revoked: (of) => revocations.ofCertificate(of),
    revokedUntil: (node) => revocations.until(node),
    // Development’s key signs for its own node alone, and nobody enrols with it.
    issued: authority && issued,
    record: ({ spiffeId, sourceIp, serial, notAfter, replaces, purpose, again }: IssuanceRecord) =>
      audit.record({
        type: 'CertificateIssued',
        identity: spiffeId,
        sourceIp,
        outcome: 'success',
        reasons: again ? ['It was given once more: it was asked for again, with the same key.'] : [],
        certificateSerial: serial,
        metadata: {
          ...(replaces && { replaces }),
          notAfter: new Date(notAfter).toISOString(),
          by: nodeId,
          ...(purpose && { purpose }),
        },
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
  for (const purpose of ['node', 'server'] as const)
    links.onFrame(frameOf[purpose], (link, frame) => {
      const taken = service.take(link, frame, purpose);
      if (!taken.ok) link.violated(taken.refusal.reasons[0]);
    });
}

/** This node’s own key signs for itself by the same rules as for others. */
const ownSource = ({ files, nodeId }: NodeBase, issuer: CertificateIssuer): CertificateSource => ({
  name: `${nodeId} itself`,
  async issue(request, purpose) {
    const issued = await issuer.renew(request, files.identity.svid, '', purpose);
    return issued.ok ? ok(issued.value.chainPem) : issued;
  },
});

/** Without links, as a node is whose certificate has ended, the APIs of CA nodes are left. */
function endedSources({ config, files, ports }: NodeBase): readonly CertificateSource[] {
  const { tls, svid } = files.identity;
  if (ports.clock.now() <= svid.notAfter) return [];
  return sourcesAgain({ ...tls, svid, clusterId: config.cluster.id }, config.node.rotation.caNodes, askToEnrolAgain);
}

function createRenewal(base: NodeBase, sources: () => readonly CertificateSource[]): NodeCertificateRenewal {
  const { config, ports, files, audit, events, nodeId, fault, roots } = base;
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
    isCurrent: (serials) => roots.isCurrent(serials),
    clock: ports.clock,
    crypto: ports.crypto,
    disk: ports.disk,
    renewalThresholdMs: node.rotation.renewalThresholdMs,
    certificatePath: node.certificatePath,
    privateKeyPath: node.privateKeyPath,
    jitter: () => ports.random.uint32() / 0x1_0000_0000,
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

function createApiCertificate(base: NodeBase, sources: () => readonly CertificateSource[]): ApiCertificate {
  const { config, ports, files, audit, roots, kernel, fault } = base;
  const { node, security } = config;
  const { identity } = files;
  return new ApiCertificate({
    identity,
    roots,
    clock: ports.clock,
    crypto: ports.crypto,
    disk: ports.disk,
    pair: files.apiTls,
    read: () => readApiPair(config, ports.disk, ports.clock.now(), false),
    isNodes: security.api.certPath === node.certificatePath,
    certificatePath: security.api.certPath,
    privateKeyPath: security.api.keyPath,
    renewalThresholdMs: node.rotation.renewalThresholdMs,
    jitter: ports.random.uint32() / 0x1_0000_0000,
    sources,
    replaced: (certificateSerial) => {
      audit.note({
        type: 'CertificateRotated',
        identity: 'management-api',
        sourceIp: '',
        outcome: 'success',
        reasons: ['The files of the API’s certificate were replaced, and new connections are shown the new one.'],
        certificateSerial,
        metadata: {},
      });
      // It may be another’s now, or not due any more.
      kernel.ref<CertRotatorEvent>(rotatorPaths.api).tell({ type: 'cert.check' }, 'control');
    },
    fault,
    record: (outcome, certificateSerial, reasons) =>
      audit.record({
        type: 'CertificateRotated',
        identity: identity.svid.spiffeId,
        sourceIp: '',
        outcome,
        reasons,
        certificateSerial,
        metadata: { purpose: 'server' },
      }),
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
