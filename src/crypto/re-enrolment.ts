import type { KeyObject } from 'node:crypto';
import { sha256 } from './port.ts';
import { signWith, verifyWith } from './signature.ts';

/** What a node asks for whose certificate has ended, and of whom. */
export interface ReEnrolmentStatement {
  /** A proof for one cluster is worth nothing in another. */
  readonly clusterId: string;
  /** SHA-256 of the certificate that has ended, lower-case hex. */
  readonly fingerprint: string;
  /** PKCS #10, DER: it has the new key, so whoever repeats the proof only has the same key certified again. */
  readonly request: Uint8Array;
}

const domain = 'caxton re-enrolment v1';

/** Signed with the key of the certificate that has ended. */
export const proveReEnrolment = (key: KeyObject, statement: ReEnrolmentStatement): Uint8Array =>
  signWith(key, domain, covered(statement));

/** Whether whoever asks holds the key of the certificate that has ended. Never throws. */
export const verifyReEnrolment = (key: KeyObject, statement: ReEnrolmentStatement, proof: Uint8Array): boolean =>
  verifyWith(key, domain, covered(statement), proof);

// The cluster’s id has no line end in it, and the rest is of fixed length.
const covered = ({ clusterId, fingerprint, request }: ReEnrolmentStatement): Uint8Array =>
  Buffer.from(`${clusterId}\n${fingerprint}\n${Buffer.from(sha256(request)).toString('hex')}`);
