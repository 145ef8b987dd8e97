import { privateKeyToPem } from '../../../crypto/keys.ts';
import type { Crypto } from '../../../crypto/port.ts';
import { proveReEnrolment } from '../../../crypto/re-enrolment.ts';
import { createSigningRequest } from '../../../crypto/signing-request.ts';
import type { NodeSvid } from '../../../crypto/svid.ts';
import { verifyNodeSvid } from '../../../crypto/svid.ts';
import { type ErrorCode, type Refusal, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId, TrustDomain } from '../../../names.ts';
import { addressText } from '../../address.ts';
import type { Address, Clock, Disk } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import { namesOf } from './certificate-issuer.ts';
import { type CertificatePair, type PairPaths, replacePair } from './certificate-pair.ts';
import type { CertificateSource } from './certificate-renewal.ts';
import { judgedAtItsEnd } from './issued-certificates.ts';
import { dropKeptKey, keptKey } from './kept-key.ts';
import { belongTogether, readPrivateKey, shownChain } from './pem.ts';
import type { AskToEnrolAgain } from './re-enrolment-call.ts';

/** What a node has whose certificate has ended. */
export interface EndedIdentity extends CertificatePair {
  readonly caPem: string;
  readonly clusterId: string;
  readonly svid: Pick<NodeSvid, 'fingerprint'>;
}

/** The management APIs of CA nodes as whom to ask, each with a proof that the old key stands behind the request. */
export function sourcesAgain(
  ended: EndedIdentity,
  addresses: readonly Address[],
  ask: AskToEnrolAgain,
): readonly CertificateSource[] {
  const { certPem, keyPem, caPem, clusterId, svid } = ended;
  const key = readPrivateKey(keyPem);
  if (!key.ok) return [];
  return addresses.map((address) => ({
    name: `the API at ${addressText(address)}`,
    issue(request: Uint8Array) {
      const proof = proveReEnrolment(key.value, { clusterId, fingerprint: svid.fingerprint, request });
      const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
      return ask(address, caPem, { certificate: certPem, request: base64(request), proof: base64(proof) });
    },
  }));
}

export interface StartAgain extends PairPaths {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly crypto: Crypto;
  readonly ask: AskToEnrolAgain;
  readonly nodeId: NodeId;
  readonly trustDomain: TrustDomain;
  readonly clusterId: string;
  readonly caCertificatePath: string;
  readonly addresses: readonly Address[];
  /** It can renew its certificate itself, unless another CA node says who has its place, or that it is out. */
  readonly renewsItself: boolean;
}

const finalCodes: readonly ErrorCode[] = ['REVOKED', 'SUSPENDED', 'ALREADY_EXISTS'];

/**
 * At a start: when the certificate has ended, asks CA nodes for another one and puts it in its place. Undefined when there
 * is nothing to do or what there is cannot be read, which whoever reads the files next says better.
 *
 * @returns who issued it. CERTIFICATE_REFUSED with what each CA node said: the node cannot start.
 */
export async function renewEnded(options: StartAgain): Promise<Result<string> | undefined> {
  const { clock, disk, crypto, addresses, nodeId, trustDomain } = options;
  const [certPem, keyPem, caPem] = await Promise.all(
    [options.certificatePath, options.privateKeyPath, options.caCertificatePath].map((path) => textOf(disk, path)),
  );
  if (addresses.length === 0 || !certPem || !keyPem || !caPem || !belongTogether(certPem, keyPem)) return undefined;
  const old = judgedAtItsEnd(certPem, { caPem, trustDomain }, nodeId);
  if (!old.ok || clock.now() <= old.value.notAfter) return undefined;
  const key = await keptKey(disk, options, crypto, keyPem);
  const newKeyPem = privateKeyToPem(key.privateKey);
  const request = createSigningRequest({ nodeId, trustDomain, key, ...namesOf(old.value) });
  const refusals: Refusal[] = [];
  const ended = { certPem, keyPem, caPem, clusterId: options.clusterId, svid: old.value };
  for (const { name, issue } of sourcesAgain(ended, addresses, options.ask)) {
    const issued = await issue(request);
    const chain = issued.ok ? shownChain(issued.value) : issued;
    const judged = chain.ok ? verifyNodeSvid(chain.value, { caPem, trustDomain, nodeId, now: clock.now() }) : chain;
    if (issued.ok && judged.ok && belongTogether(issued.value, newKeyPem)) {
      await replacePair(disk, options, { certPem: issued.value, keyPem: newKeyPem });
      await dropKeptKey(disk, options);
      return { ok: true, value: name };
    }
    refusals.push(judged.ok ? refuse('CERTIFICATE_REFUSED', `${name} certified another key.`).refusal : judged.refusal);
  }
  if (options.renewsItself && !refusals.some(({ code }) => finalCodes.includes(code))) return undefined;
  return refuse(
    'CERTIFICATE_REFUSED',
    `The certificate of ${nodeId} ended at ${new Date(old.value.notAfter).toISOString()}, and no CA node gave it another one.`,
    ...refusals.flatMap(({ reasons }) => reasons).slice(0, limits.reasonsMax - 2),
    'See “When a certificate has ended” in docs/operations/joining.md.',
  );
}

async function textOf(disk: Disk, path: string): Promise<string | undefined> {
  try {
    const found = await disk.stat(path);
    if (!found || found.bytes === 0 || found.bytes > limits.certificateListBytesMax) return undefined;
    const bytes = await disk.readFile(path);
    return bytes && utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
