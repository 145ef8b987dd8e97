import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { validatePath } from '../../actors/cluster/identity/path-validation.ts';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { certificatesFromPem, isSelfIssued, joinChain, orderedChain } from '../../crypto/certificate-chain.ts';
import { readCertificateList } from '../../crypto/certificate-list.ts';
import { type CertificateFinding, findingText, withTlsFinding } from '../../crypto/certificate-reason.ts';
import { osCrypto } from '../../crypto/port.ts';
import { type JudgedCertificate, type NodeSvid, verifyNodeSvid } from '../../crypto/svid.ts';
import { unwrap } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isNodeId, isTrustDomain, type TrustDomain } from '../../names.ts';
import { type FindRevocation, revocationOf } from '../../protocols/notice/revocation.ts';
import { printable } from '../../protocols/printable.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { type GivenRevocations, givenRevocations } from '../notice/given-revocations.ts';
import { writeJson } from '../output.ts';
import { about, readPem, trustDomainOf } from './held-ca.ts';
import { derBlocks } from './pem-blocks.ts';

/** The judgement that a link makes of a peer, for a file. Exit code 1 with the reason’s code on the first line. */
export async function verify(invocation: Invocation): Promise<ExitCode> {
  const { text, list, terminal } = invocation;
  const read = (path: string) => readPem(resolve(terminal.cwd, path));
  const caPath = text('ca-cert')!;
  const caPem = await read(caPath);
  const anchors = about(caPath, certificatesFromPem(caPem));
  const certPath = text('cert')!;
  const shown = about(certPath, derBlocks(await read(certPath), 'CERTIFICATE'));
  const [leaf, ...behind] = shown as [Uint8Array, ...Uint8Array[]];
  if (!isReadable(leaf)) return refused(invocation, [malformed]);
  const intermediates = behind.filter(isReadable);
  for (const path of list('chain')) intermediates.push(...about(path, certificatesFromPem(await read(path))));
  const crls: Uint8Array[] = [];
  for (const path of list('crl')) crls.push(...about(path, derBlocks(await read(path), 'X509 CRL')));
  const now = nodeClock.now();
  const at = momentOf(text('at')) ?? now;
  const trustDomain = domainOf(invocation, caPem, caPath);
  const nodeId = text('expect-node');
  if (nodeId !== undefined && !isNodeId(nodeId)) throw new UsageError('--expect-node is the id of a node.');
  const revocations = await givenRevocations(invocation);
  const above = intermediates.filter((der) => !isSelfIssued(new X509Certificate(der))).slice(0, limits.poolMax);
  const judged = verifyNodeSvid(joinChain(orderedChain(leaf, above)), {
    ...{ caPem, trustDomain, now: at },
    ...(nodeId === undefined ? {} : { nodeId }),
    ...(revocations ? { revoked: revokes(revocations.find) } : {}),
  });
  const tls = await validatePath(osCrypto, { leaf, intermediates: above, anchors, crls }, now - at);
  const found = withTlsFinding(judged.ok ? [] : judged.refusal.findings, tls && namedBy(crls, leaf, tls));
  return found.length === 0 ? accepted(invocation, unwrap(judged), revocations) : refused(invocation, found);
}

const malformed: CertificateFinding = { code: 'MALFORMED', text: 'The certificate cannot be read.' };

function isReadable(der: Uint8Array): boolean {
  try {
    return new X509Certificate(der).raw.length > 0;
  } catch {
    return false;
  }
}

function refused({ terminal, json }: Invocation, found: readonly CertificateFinding[]): ExitCode {
  const [first = malformed, ...more] = found;
  if (json) writeJson(terminal, { ok: false, code: first.code, findings: found });
  else terminal.out(`${first.code}\n${[first.text, ...more.map(findingText)].map(printable).join('\n')}\n`);
  return 1;
}

function accepted({ terminal, json }: Invocation, svid: NodeSvid, revocations: GivenRevocations | undefined): ExitCode {
  const { nodeId, spiffeId, serial, notBefore, notAfter, fingerprint, keyId } = svid;
  const [begins, ends] = [new Date(notBefore).toISOString(), new Date(notAfter).toISOString()];
  const seen = revocations && { generation: revocations.generation, clusterId: revocations.clusterId };
  if (json)
    writeJson(terminal, {
      ...{ ok: true, nodeId, spiffeId, serial, notBefore: begins, notAfter: ends },
      ...{ fingerprint256: fingerprint, keyId, revocations: seen ?? null },
    });
  else {
    terminal.out(`OK\n${spiffeId}, serial ${serial}, until ${ends}\n`);
    terminal.out(
      seen
        ? `Not revoked by generation ${seen.generation} of the revocations of cluster ${seen.clusterId}.\n`
        : 'The cluster’s revocations were not looked at: nodes may refuse it as revoked. See --revocations.\n',
    );
  }
  return 0;
}

/** As links ask: by the node, the certificate and its key. */
const revokes =
  (find: FindRevocation) =>
  (certificate: JudgedCertificate): boolean =>
    (certificate.nodeId && find('node', certificate.nodeId)) !== undefined ||
    revocationOf(find, certificate) !== undefined;

/** TLS says of a revoked certificate neither which one it is; the lists do. */
function namedBy(crls: readonly Uint8Array[], leaf: Uint8Array, tls: CertificateFinding): CertificateFinding {
  if (tls.code !== 'REVOKED') return tls;
  const { serialNumber } = new X509Certificate(leaf);
  const listed = crls.some((der) => {
    const list = readCertificateList(der);
    return list.ok && list.value.revoked.some(({ serial }) => serial === serialNumber);
  });
  if (listed) return { code: 'REVOKED', text: 'The certificate is in the revocation list of its CA.' };
  return { code: 'ISSUER_REVOKED', text: 'A CA above the certificate is in a revocation list.' };
}

/** As the node’s configuration would say; else the domain that the CA names. */
function domainOf({ text }: Invocation, caPem: string, caPath: string): TrustDomain {
  const asked = text('trust-domain');
  if (asked === undefined) return trustDomainOf(caPem, caPath);
  if (isTrustDomain(asked)) return asked;
  throw new UsageError('--trust-domain is lower-case letters, digits, “.”, “-” and “_”, such as example.org.');
}

function momentOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(ms))
    throw new UsageError('--at is a time such as 2026-01-31T12:00:00Z or a day such as 2026-01-31.');
  return ms;
}
