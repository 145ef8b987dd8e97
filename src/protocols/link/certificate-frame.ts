import { type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Unverified } from '../../unverified.ts';
import { MalformedBytes, Reader } from '../msgpack/reader.ts';
import { strictly } from '../msgpack/strictly.ts';
import { type Utf8, Writer } from '../msgpack/writer.ts';
import { readRefusal, writeRefusal } from './refusal-frame.ts';

/** A node that says this in its hello has a CA’s key and answers requests for certificates. */
export const issuerFeature = 'issuer/1';
/** A node that says this understands a `renewed` frame: the peer shows another certificate now, so dial it again. */
export const renewalFeature = 'renewal/1';

/** A node’s request for a certificate, to a CA node. */
export interface CertificateRequest {
  /** Comes back with the answer. */
  readonly id: number;
  /** PKCS #10, DER. */
  readonly request: Uint8Array;
}

/** What the CA node answers: the certificate and those between it and the root, DER; or why not. */
export type CertificateAnswer =
  | { readonly id: number; readonly chain: readonly Uint8Array[] }
  | { readonly id: number; readonly refusal: Refusal };

const formatVersion = 1;
const headerBytes = 1_024;

export interface CertificateFrame {
  readonly header: Uint8Array;
  readonly content: Uint8Array;
}

const noBytes = new Uint8Array(0);

/** Header `[version, id]`; the content is the request. */
export const encodeCertificateRequest = (utf8: Utf8, { id, request }: CertificateRequest): CertificateFrame => ({
  header: new Writer(utf8, 16).array(2).uint(formatVersion).uint(id).finish(),
  content: request,
});

/** Strict; MALFORMED, LIMIT_EXCEEDED. The request in it is not read. */
export function decodeCertificateRequest(
  utf8: Utf8,
  { header, content }: CertificateFrame,
): Result<Unverified<CertificateRequest>> {
  if (content.length > limits.signingRequestBytesMax)
    return refuse('LIMIT_EXCEEDED', `A request for a certificate has at most ${limits.signingRequestBytesMax} bytes.`);
  return strictly('request for a certificate', () => {
    const reader = new Reader(utf8, header);
    reader.arrayOf(2);
    readVersion(reader);
    const id = reader.uint();
    reader.end();
    return { id, request: content.slice() };
  });
}

/** Header `[version, id, issued]`, then the refusal if there is one; the content is the array of certificates. */
export function encodeCertificateAnswer(utf8: Utf8, answer: CertificateAnswer): CertificateFrame {
  const issued = 'chain' in answer;
  const header = new Writer(utf8, headerBytes)
    .array(issued ? 3 : 6)
    .uint(formatVersion)
    .uint(answer.id);
  if (!issued) {
    writeRefusal(header.uint(0), answer.refusal);
    return { header: header.finish(), content: noBytes };
  }
  const content = new Writer(utf8).array(answer.chain.length);
  for (const certificate of answer.chain) content.bin(certificate);
  return { header: header.uint(1).finish(), content: content.finish() };
}

/** Strict; MALFORMED. */
export function decodeCertificateAnswer(
  utf8: Utf8,
  { header, content }: CertificateFrame,
): Result<Unverified<CertificateAnswer>> {
  return strictly<CertificateAnswer>('answer to a request for a certificate', () => {
    const reader = new Reader(utf8, header);
    const parts = reader.array(6);
    readVersion(reader);
    const id = reader.uint();
    const issued = reader.uint(1) === 1;
    if (parts !== (issued ? 3 : 6)) throw new MalformedBytes('another number of parts');
    if (!issued) {
      const refusal = readRefusal(reader);
      reader.end();
      if (content.length > 0) throw new MalformedBytes('content behind a refusal');
      return { id, refusal };
    }
    reader.end();
    return { id, chain: readChain(utf8, content) };
  });
}

function readChain(utf8: Utf8, content: Uint8Array): readonly Uint8Array[] {
  const reader = new Reader(utf8, content);
  const chain: Uint8Array[] = [];
  for (let left = reader.array(limits.chainCertificatesMax); left > 0; left--)
    chain.push(reader.bin(limits.certificateBytesMax).slice());
  reader.end();
  if (chain.length === 0) throw new MalformedBytes('no certificate');
  return chain;
}

function readVersion(reader: Reader): void {
  if (reader.uint() !== formatVersion) throw new MalformedBytes('unknown version');
}
