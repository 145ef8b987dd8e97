import type { KeyObject } from 'node:crypto';
import { bindClaimKey } from '../../../crypto/identity.ts';
import { rawPublicKey } from '../../../crypto/keys.ts';
import { signNote } from '../../../crypto/note.ts';
import { signWith } from '../../../crypto/signature.ts';
import { type NodeSvid, verifyNodeSvid } from '../../../crypto/svid.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import type { NodeId, TrustDomain } from '../../../names.ts';
import type { Disk, TlsIdentity } from '../../kernel/ports.ts';
import { type CertificatePair, type PairPaths, pairAtStart } from './certificate-pair.ts';
import { certificatePeriod, keyMatches, readPrivateKey, shownChain } from './pem.ts';

/** Who this node is: the certificate it shows now, and the claim key that stays when certificates rotate. */
export interface NodeIdentity {
  readonly nodeId: NodeId;
  readonly trustDomain: TrustDomain;
  readonly tls: TlsIdentity;
  readonly svid: NodeSvid;
  /** Raw Ed25519 public key. */
  readonly claimKey: Uint8Array;
  /** The statement that binds the claim key to the current certificate. */
  readonly binding: Uint8Array;
  /** Signs a gossip claim. */
  signClaim(bytes: Uint8Array): Uint8Array;
  /** Signs a note, such as a checkpoint of the audit log, with the claim key. */
  signNote(bytes: Uint8Array): Uint8Array;
  /** What `install` would take; changes nothing. CERTIFICATE_REFUSED, MALFORMED. */
  accepts(certPem: string, keyPem: string, now: number): Result<NodeSvid>;
  /** Takes a renewed certificate: checked like a peer’s before anything changes. Calls the listeners. */
  install(certPem: string, keyPem: string, now: number): Result<void>;
  onInstalled(listener: () => void): void;
  /** Signs that this node has taken a bundle of roots, with the claim key. */
  signAcknowledgement(bytes: Uint8Array): Uint8Array;
  /**
   * Believes these roots from now on. CERTIFICATE_REFUSED when this node’s own certificate stands under none of them: they are
   * believed all the same, and its peers, who do the same, accept it no more. Calls the listeners.
   */
  believe(caPem: string, now: number): Result<void>;
  onBelieved(listener: () => void): void;
}

export interface NodeIdentityFiles {
  readonly nodeId: NodeId;
  readonly trustDomain: TrustDomain;
  readonly certPem: string;
  readonly keyPem: string;
  readonly caPem: string;
  readonly claimKey: KeyObject;
}

/** CERTIFICATE_REFUSED with every reason when our own files would not be accepted by a peer. */
export function createNodeIdentity(files: NodeIdentityFiles, now: number): Result<NodeIdentity> {
  let { caPem } = files;
  const judge = (certPem: string, keyPem: string, at: number): Result<Held> => {
    const key = readPrivateKey(keyPem);
    if (!key.ok) return key;
    const chain = shownChain(certPem);
    if (!chain.ok) return chain;
    const svid = verifyNodeSvid(chain.value, {
      caPem,
      trustDomain: files.trustDomain,
      nodeId: files.nodeId,
      now: at,
    });
    if (!svid.ok) return svid;
    if (!keyMatches(key.value, svid.value.publicKey))
      return refuse('CERTIFICATE_REFUSED', 'The private key does not belong to the certificate.');
    const binding = bindClaimKey(key.value, rawPublicKey(files.claimKey), svid.value);
    return ok({ tls: { certPem, keyPem, caPem }, svid: svid.value, binding });
  };
  const first = judge(files.certPem, files.keyPem, now);
  if (!first.ok) return first;
  let held = first.value;
  const listeners: (() => void)[] = [];
  const believers: (() => void)[] = [];
  return ok({
    nodeId: files.nodeId,
    trustDomain: files.trustDomain,
    claimKey: rawPublicKey(files.claimKey),
    get tls() {
      return held.tls;
    },
    get svid() {
      return held.svid;
    },
    get binding() {
      return held.binding;
    },
    signClaim: (bytes) => signWith(files.claimKey, 'caxton gossip claim v1', bytes),
    signAcknowledgement: (bytes) => signWith(files.claimKey, 'caxton roots acknowledgement v1', bytes),
    signNote: (bytes) => signNote(files.claimKey, bytes),
    accepts(certPem, keyPem, at) {
      const judged = judge(certPem, keyPem, at);
      return judged.ok ? ok(judged.value.svid) : judged;
    },
    install(certPem, keyPem, at) {
      const judged = judge(certPem, keyPem, at);
      if (!judged.ok) return judged;
      held = judged.value;
      for (const listener of listeners) listener();
      return ok(undefined);
    },
    onInstalled: (listener) => void listeners.push(listener),
    believe(roots, at) {
      caPem = roots;
      const { tls, binding } = held;
      const judged = judge(tls.certPem, tls.keyPem, at);
      // The same certificate has the same binding, though it could be signed anew.
      held = judged.ok ? { ...judged.value, binding } : { ...held, tls: { ...tls, caPem } };
      for (const listener of believers) listener();
      return judged.ok ? ok(undefined) : judged;
    },
    onBelieved: (listener) => void believers.push(listener),
  });
}

interface Held {
  readonly tls: TlsIdentity;
  readonly svid: NodeSvid;
  readonly binding: Uint8Array;
}

export interface StartingIdentity {
  readonly identity: NodeIdentity;
  /** The files were not a pair, and were replaced with the last that was. */
  readonly mended: boolean;
}

/**
 * As `createNodeIdentity`, at a start: when the two files do not belong together, with the pair that the last renewal
 * left, which is put in their places. What the disk rejects with is passed on.
 *
 * @param orEnded judges a certificate that has ended as on its last day: it is renewed before anybody is shown it.
 */
export async function readNodeIdentity(
  disk: Disk,
  paths: PairPaths,
  files: NodeIdentityFiles,
  now: number,
  orEnded = false,
): Promise<Result<StartingIdentity>> {
  const judged = (pair: CertificatePair) => {
    const { notAfter } = certificatePeriod(pair.certPem);
    return createNodeIdentity({ ...files, ...pair }, orEnded ? Math.min(now, notAfter) : now);
  };
  const pair = await pairAtStart(disk, paths, files, (one) => judged(one).ok);
  const identity = judged(pair);
  return identity.ok ? ok({ identity: identity.value, mended: pair.mended }) : identity;
}
