import { splitChain } from '../../../crypto/certificate-chain.ts';
import { rootAbove } from '../../../crypto/root-bundle.ts';
import type { Refusal } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import { issuerFeature } from '../../../protocols/link/certificate-frame.ts';
import { type RotationState, rotationStage } from '../../../protocols/notice/root-rotation.ts';
import type { Member } from '../../../protocols/swim/member.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { NodeBase } from '../../node-base.ts';
import type { RootsView } from '../../operations/roots-view.ts';
import type { Directory } from '../directory.ts';
import { cutUntrusted } from '../links/link-cuts.ts';
import type { LinkSession } from '../links/link-session.ts';
import type { Links } from '../links/links.ts';
import type { IssuanceParts } from './assemble-issuance.ts';
import { certificatePem } from './pem.ts';
import { RootAcknowledgements } from './root-acknowledgements.ts';
import { type RosterEntry, rosterOf, rotationOf } from './rotation-roster.ts';

/** Where the rotators of the node’s certificates live in the tree. */
export const rotatorPaths = {
  node: '/node/pki/cert-rotator',
  api: '/node/pki/api-cert-rotator',
} as const;

/** What a node does about the roots of the cluster. */
export interface RootsParts {
  /** Carries out a bundle that is in force: links, files, certificates, and the word to the others. */
  changed(): void;
  /** What a rotation has come to, as far as members’ own words show it here; undefined while there is no bundle. */
  rotation(): RotationState | undefined;
  /** For operators, who verify what they see. */
  view(): Promise<RootsView>;
  /** Why this node has no links: its certificate stands under no root that the cluster believes. */
  lockedOut(): string | undefined;
}

const remedy =
  'Have a new token made on a CA node (caxton security join-token) and enrol again (caxton server join), or issue a certificate by hand (caxton security gen-cert).';

/** Wires the bundle of roots to all that hangs on it. */
export async function assembleRoots(
  base: NodeBase,
  links: Links,
  directory: Directory,
  { authorities, tellRotators }: Pick<IssuanceParts, 'authorities' | 'tellRotators'>,
  members: () => readonly Pick<Member, 'nodeId' | 'status'>[],
): Promise<RootsParts> {
  const { config, ports, files, roots, notices, fault, events, nodeId } = base;
  const { clock } = ports;
  const { identity } = files;
  const acknowledgements = new RootAcknowledgements({
    clock,
    store: ports.store,
    clusterId: config.cluster.id,
    trustDomain: config.cluster.trustDomain,
    identity,
    roots,
    saved: () => notices.saved(),
    links: () => links.all(),
    onTaken: (link, { said }) => {
      // A CA node may have been behind when it was asked.
      const knowsNow = said.generation === roots.inForce?.generation;
      if (knowsNow && link.hello.features.includes(issuerFeature)) tellRotators({ type: 'cert.issuer' });
    },
    onSaid: (generation) => noteStage(base, `This node has acknowledged generation ${generation} of the roots.`),
    onRefused: (link, refusal) => noteRefused(base, link, refusal),
    fault,
  });
  await acknowledgements.load();
  acknowledgements.listen(links);
  identity.onInstalled(() => acknowledgements.say());
  const refusedPeers = watchOtherRoots(base, links);
  const isOut = (): boolean => roots.inForce !== undefined && !roots.rootOf(identity.svid.issuerSerials);
  const lockedOut = (): string | undefined => {
    if (isOut()) return `This node’s certificate stands under no root of the cluster any more. ${remedy}`;
    const isAlone = base.seeds.length === 0 && members().length < 2;
    // Who is revoked or suspended has no links either, and is told so.
    const isOutOtherwise = base.revocations.ofCertificate(identity.svid) !== undefined;
    if (links.all().length > 0 || isAlone || isOutOtherwise) return undefined;
    return refusedPeers() ?? missedRotation(base);
  };
  // One after the other, or an older bundle could be the last that is written.
  let kept: Promise<void> = Promise.resolve();
  const obey = (): void => {
    cutUntrusted(links.sessions(), {
      clock,
      trustDomain: config.cluster.trustDomain,
      identity: () => identity.tls,
      revoked: (svid) => base.revocations.ofCertificate(svid),
    });
    directory.dropUntrusted(clock.now());
    kept = kept
      .then(() => keepFile(base))
      .catch((error: unknown) =>
        fault(
          `${config.node.caCertificatePath} could not be brought up to date: replace it before the next start`,
          error,
        ),
      );
    if (isOut()) fault(lockedOut()!, undefined);
    void authorities?.settle();
  };
  // What was kept from an earlier boot: peers are told when they are linked, and rotators look when they start.
  if (roots.inForce) obey();
  const changed = (): void => {
    if (!roots.inForce) return;
    obey();
    acknowledgements.say();
    // Each looks whether its certificate stands under another root than the one that signs now.
    clock.setTimeout(() => tellRotators({ type: 'cert.check' }), limits.rootRenewalDelayMs);
    const { body, generation } = roots.inForce;
    events.emit({ type: 'roots.changed', nodeId, generation, stage: rotationStage(body), roots: body.roots.length });
  };
  const known = (): readonly RosterEntry[] => rosterOf(base, directory, acknowledgements, members());
  return {
    rotation: () => rotationOf(base, known()),
    view: async () => viewOf(base, known(), await (authorities?.rootsHeld() ?? []), oldLinks(base, links)),
    changed,
    lockedOut,
  };
}

/** The file says at the next start whom to believe until the store is open, and to other programs of this machine. */
async function keepFile({ config, ports, roots, notices }: NodeBase): Promise<void> {
  await notices.saved();
  const path = config.node.caCertificatePath;
  const bytes = utf8.encode(roots.caPem);
  const found = await ports.disk.readFile(path);
  if (found && Buffer.compare(found, bytes) === 0) return;
  const status = await ports.disk.stat(path);
  await ports.disk.writeFileAtomic(path, bytes, status ? status.mode & 0o777 : 0o644);
}

/** Who is refused by TLS is not told why: it looks as if nobody answered. */
function missedRotation({ roots }: NodeBase): string | undefined {
  const { inForce } = roots;
  if (!inForce || rotationStage(inForce.body) === 'settled') return undefined;
  return `No peer is linked, and a rotation of the root was under way when this node heard of one last (generation ${inForce.generation}). If it has ended without this node: ${remedy}`;
}

/**
 * A node that was away while the root was rotated hears nothing but refusals, on either side: it cannot be told, so it
 * says itself what may have happened and what to do.
 */
function watchOtherRoots({ fault, ports, roots }: NodeBase, links: Links): () => string | undefined {
  let said = Number.NEGATIVE_INFINITY;
  let found: string | undefined;
  links.onReady(() => {
    found = undefined;
  });
  const tell = (text: string): void => {
    found = text;
    const now = ports.clock.monotonic();
    if (now - said < limits.revokedRedialMs || links.all().length > 0) return;
    said = now;
    fault(text, undefined);
  };
  links.onClosed(({ nodeId, svid }, text, reason) => {
    // When it is the peer’s certificate that is over, it is for the peer to do something.
    if (reason === 'certificateRefused' && roots.rootOf(svid.issuerSerials))
      tell(`The link with ${nodeId} ended, since a certificate is not accepted any more: ${text} ${remedy}`);
  });
  links.onRefused(({ remote, refusal }) => {
    if (!refusal.reasons.some((reason) => /OTHER_CA|UNKNOWN_CA/.test(reason))) return;
    tell(
      `${remote} stands under another root than this node, or does not accept this node’s. If the cluster has rotated its root while this node was away: ${remedy}`,
    );
  });
  return () => found;
}

/** Whoever drops a root while a link stands on a certificate under it cuts that link, though another is on its way. */
const oldLinks = (base: NodeBase, links: Links): readonly NodeId[] => [
  ...new Set([...links.sessions()].filter((link) => standsOnOld(base, link)).map(({ nodeId }) => nodeId)),
];

/** What was judged when the link came up may have known the old root alone, and have gone over the cross-signed one. */
function standsOnOld({ roots }: NodeBase, { svid }: LinkSession): boolean {
  if (roots.isCurrent(svid.issuerSerials)) return false;
  const chain = splitChain(svid.der);
  return (
    !chain.ok || rootAbove(chain.value.map(certificatePem).join(''), roots.caPem) !== roots.inForce?.issuing.serial
  );
}

function viewOf(
  { roots, files }: NodeBase,
  roster: readonly RosterEntry[],
  held: readonly string[],
  old: readonly NodeId[],
): RootsView {
  const { inForce, body } = roots;
  return {
    generation: inForce?.generation ?? 0,
    roots: body?.roots ?? [],
    issuing: body?.issuing ?? 0,
    held,
    current: roots.isCurrent(files.identity.svid.issuerSerials),
    oldLinks: old,
    members: roster.map(({ nodeId, status, acknowledgement, certificate }) => ({
      nodeId,
      status,
      ...(acknowledgement === undefined ? {} : { acknowledgement }),
      ...(certificate ? { certificate: Buffer.from(certificate).toString('base64') } : {}),
    })),
  };
}

function noteStage({ audit, nodeId, roots }: NodeBase, reason: string): void {
  const { inForce } = roots;
  if (!inForce) return;
  audit.note({
    type: 'TrustChanged',
    identity: nodeId,
    sourceIp: '',
    outcome: 'success',
    reasons: [reason],
    metadata: { what: 'roots', generation: inForce.generation, stage: rotationStage(inForce.body) },
  });
}

/** Somebody says for another member what only that member can say. */
function noteRefused({ audit, ports }: NodeBase, link: LinkSession, { code, reasons }: Refusal): void {
  ports.metrics.count('acknowledgements_refused', { code });
  audit.note({
    type: 'AccessDenied',
    identity: link.svid.spiffeId,
    sourceIp: link.channel.remote.host,
    outcome: 'refused',
    code,
    reasons: ['An acknowledgement of the roots was refused.'],
    certificateSerial: link.svid.serial,
    metadata: { operation: 'acknowledge roots', detail: reasons.join(' ') },
  });
}
