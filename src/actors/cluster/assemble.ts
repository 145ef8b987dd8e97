import { sealReady } from '../../crypto/seal.ts';
import { CaxtonError } from '../../errors.ts';
import { issuerFeature, renewalFeature } from '../../protocols/link/certificate-frame.ts';
import { type Hello, linkVersions } from '../../protocols/link/hello.ts';
import { gossipKeysFeature } from '../../protocols/link/key-frame.ts';
import { noticesFeature } from '../../protocols/link/notice-frame.ts';
import { acknowledgementFeature } from '../../protocols/notice/acknowledgement.ts';
import { registryFeature } from '../../protocols/registry/record.ts';
import type { Member } from '../../protocols/swim/member.ts';
import { type Hearers, hearers } from '../hearers.ts';
import type { Address } from '../kernel/ports.ts';
import type { NodeBase } from '../node-base.ts';
import { Directory } from './directory.ts';
import { createGossip } from './gossip/assemble-gossip.ts';
import { assembleKeys } from './gossip/assemble-keys.ts';
import type { Gossip } from './gossip/gossip.ts';
import { gossipFeature } from './gossip/gossip-datagram.ts';
import type { KeyRotation } from './gossip/key-rotation.ts';
import type { ApiCertificate } from './identity/api-certificate.ts';
import { assembleIssuance } from './identity/assemble-issuance.ts';
import { assembleRoots, type RootsParts } from './identity/assemble-roots.ts';
import type { CertificateRenewal } from './identity/cert-rotator.ts';
import type { CertificateIssuer } from './identity/certificate-issuer.ts';
import type { IssuedCertificates } from './identity/issued-certificates.ts';
import { tellNewcomers } from './identity/join-teller.ts';
import type { NodeIdentity } from './identity/node-identity.ts';
import { LinkPort } from './links/link-listener.ts';
import { actorsFeature, type Denial } from './links/link-transport.ts';
import { linkView } from './links/link-view.ts';
import { Links, linksPath } from './links/links.ts';
import { NoticeExchange } from './notices/notice-exchange.ts';

export interface ClusterParts {
  readonly identity: NodeIdentity;
  readonly links: Links;
  readonly gossip: Gossip;
  /** Hears of each member that has changed. */
  readonly onMember: Hearers<Member>['add'];
  /** The keys that the gossip is sealed with. */
  readonly keys: KeyRotation;
  readonly directory: Directory;
  readonly exchange: NoticeExchange;
  readonly renewal: CertificateRenewal;
  /** Signs for others: a CA node’s. */
  readonly issuer: CertificateIssuer | undefined;
  /** What this node has issued; empty on one that is no CA node. */
  readonly issued: IssuedCertificates;
  readonly apiCertificate: ApiCertificate;
  readonly roots: RootsParts;
  readonly port: LinkPort;
  addresses(): { readonly link: Address; readonly gossip: Address };
}

/** Identity, links and gossip of a node, wired to its events and its audit log. */
export async function assembleCluster(base: NodeBase): Promise<ClusterParts> {
  await sealReady();
  const { config, ports, files, kernel } = base;
  const { identity } = files;
  const { revocations } = base;
  const exchange = createExchange(base);
  const links = new Links({
    clock: ports.clock,
    random: ports.random,
    network: ports.network,
    metrics: ports.metrics,
    trustDomain: config.cluster.trustDomain,
    clusterId: config.cluster.id,
    identity: () => identity.tls,
    hello: () => helloOf(base),
    notices: (peer) => exchange.greeting(peer),
    revoked: (svid) => revocations.ofCertificate(svid),
    ownSvid: () => identity.svid,
    spawn: (spec) => kernel.startChild(linksPath, spec),
    stop: (id) => void kernel.stopChild(linksPath, id),
  });
  exchange.listen(links);
  watchLinks(base, links);
  const issuance = assembleIssuance(base, links);
  let opened = false;
  const port = new LinkPort(async () => {
    // Once it has been up, it goes on whatever becomes of its certificate: peers refuse that, and it may be renewed.
    const ended = opened ? undefined : issuance.renewal.ended();
    if (ended) throw CaxtonError.from(ended);
    opened = true;
    const { tls } = identity;
    const server = await ports.network.listenLinks({
      address: config.cluster.bind,
      identity: tls,
      onChannel: (channel) => links.accept(channel),
      onRefused: (remote, reason, shown) => links.refusedByTls(remote, reason, shown),
    });
    // It may have been renewed while the port was being bound.
    if (identity.tls !== tls) server.setIdentity(identity.tls);
    return server;
  });
  identity.onInstalled(() => port.server?.setIdentity(identity.tls));
  identity.onBelieved(() => port.server?.setIdentity(identity.tls));
  const { trustDomain } = config.cluster;
  const believed = {
    trustDomain,
    get caPem() {
      return identity.tls.caPem;
    },
  };
  // Another CA node may have issued it.
  const directory = new Directory(believed, revocations, (svid) => {
    if (!issuance.issuer) return;
    issuance.issued.see(svid).catch((error: unknown) => base.fault('a certificate could not be remembered', error));
  });
  let made: Gossip | undefined;
  const keys = await assembleKeys({ base, links, exchange, gossip: () => made });
  const members = hearers<Member>();
  const gossip = createGossip({ base, links, directory, exchange, keys, members });
  made = gossip;
  const roots = await assembleRoots(base, links, directory, issuance, () => gossip.members());
  if (issuance.issuer) tellNewcomers(base, links, gossip, keys);
  base.transport.connect({
    links,
    member: (node) => gossip.member(node),
    onDenied: (denial) => noteDenial(base, denial),
  });
  return {
    identity,
    links,
    gossip,
    onMember: members.add,
    keys,
    directory,
    exchange,
    ...issuance,
    roots,
    port,
    addresses: () => ({
      link: port.server?.address ?? config.cluster.bind,
      gossip: gossip.address ?? config.cluster.bind,
    }),
  };
}

function createExchange({ ports, notices, audit, fault }: NodeBase): NoticeExchange {
  return new NoticeExchange({
    board: notices,
    clock: ports.clock,
    metrics: ports.metrics,
    onRefused: (peer, refusal) => {
      // An authority signed it, and nobody in their right mind signs such a one.
      if ('why' in refusal && (refusal.why === 'leap' || refusal.why === 'overflow')) {
        ports.metrics.count('notice_alarms', { kind: refusal.kind, alarm: refusal.why });
        fault(`A NOTICE OF ${peer} IS REFUSED, AND AN AUTHORITY SIGNED IT: ${refusal.reasons.join(' ')}`, undefined);
      }
      audit.note({
        type: 'AccessDenied',
        identity: peer,
        sourceIp: '',
        outcome: 'refused',
        code: refusal.code,
        reasons: refusal.reasons,
        metadata: { operation: 'give a notice' },
      });
    },
  });
}

function helloOf({ config, files, notices, bootEpoch }: NodeBase): Hello {
  return {
    versions: linkVersions,
    nodeId: config.node.id,
    trustDomain: config.cluster.trustDomain,
    clusterId: config.cluster.id,
    bootEpoch,
    dial: 0,
    features: [
      actorsFeature,
      noticesFeature,
      renewalFeature,
      gossipKeysFeature,
      acknowledgementFeature,
      gossipFeature,
      registryFeature,
      ...(files.authority ? [issuerFeature] : []),
    ],
    addresses: [config.cluster.advertise],
    group: '',
    notices: notices.marks,
  };
}

function watchLinks({ audit, events, nodeId }: NodeBase, links: Links): void {
  links.onReady((link) => {
    const view = linkView(link);
    events.emit({ type: 'link.ready', nodeId, link: view });
    audit.note({
      type: 'LinkEstablished',
      identity: view.spiffeId,
      sourceIp: link.channel.remote.host,
      outcome: 'success',
      reasons: [],
      certificateSerial: view.serial,
      metadata: { side: view.side, tls: view.tlsProtocol, group: view.keyExchange },
    });
  });
  links.onClosed((link, reason) => {
    events.emit({ type: 'link.closed', nodeId, peer: link.nodeId, reason });
    audit.note({
      type: 'LinkClosed',
      identity: link.svid.spiffeId,
      sourceIp: link.channel.remote.host,
      outcome: 'success',
      reasons: [reason],
      certificateSerial: link.svid.serial,
      metadata: {},
    });
  });
  links.onRefused(({ remote, refusal }) => {
    events.emit({ type: 'link.refused', nodeId, remote, refusal });
    audit.note({
      type: 'LinkRefused',
      identity: 'unknown',
      // An IPv6 address stands in brackets before its port, and without them in the log.
      sourceIp: remote.slice(0, remote.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1'),
      outcome: 'refused',
      code: refusal.code,
      reasons: refusal.reasons,
      metadata: {},
    });
  });
}

/** What a node may not do to actors here. Its words stay out of the reason, by which denials are counted together. */
function noteDenial({ audit }: NodeBase, { link, packet, refusal }: Denial): void {
  audit.note({
    type: 'AccessDenied',
    identity: link.svid.spiffeId,
    sourceIp: link.channel.remote.host,
    outcome: 'refused',
    code: refusal.code,
    reasons: [`An actor’s ${packet.kind} from another node was refused.`],
    metadata: {
      operation: packet.kind,
      ...('path' in packet ? { path: packet.path } : {}),
      detail: refusal.reasons.join(' '),
    },
  });
}
