/**
 * `caxton-runtime/crypto`: what a program outside a node needs to make and check Caxton’s signed things: a deployer’s
 * tool, a certificate authority of one’s own, an auditor. Text and bytes in, text and bytes out; no files, no sockets.
 */
export { type ApiKey, createApiKey, readApiKey } from './api-key.ts';
export {
  type AltNames,
  type IntermediateRequest,
  type IssuedCertificate,
  issueCa,
  issueIntermediateCa,
  issueNodeCertificate,
  issueServerCertificate,
  type LeafRequest,
  type NodeCertificateRequest,
  type ServerCertificateRequest,
  type Validity,
} from './certificate.ts';
export { chainFromPem } from './certificate-chain.ts';
export {
  type CertificateFinding,
  type CertificateReason,
  type CertificateRefusal,
  certificateReasons,
} from './certificate-reason.ts';
export {
  createKeyring,
  type GossipKey,
  type GossipKeyFacts,
  type GossipKeyName,
  gossipKey,
  Keyring,
  keyringFromText,
  keyringToText,
} from './keyring.ts';
export {
  ed25519PublicKey,
  keyId,
  privateKeyFromPem,
  privateKeyToPem,
  publicKeyFromText,
  publicKeyToText,
  rawPublicKey,
} from './keys.ts';
export { signNote, verifyNoteSignature } from './note.ts';
export { type Crypto, type KeyPair, type KeyType, osCrypto, sha256 } from './port.ts';
export {
  bytesToSign,
  type DocumentKind,
  decodeDocument,
  type SignedDocument,
  signDocument,
  signedElsewhere,
  type VerifiedDocument,
  verifyDocument,
} from './signed-document.ts';
export { type NodeSvid, type SvidExpectation, verifyNodeSvid } from './svid.ts';
