import { createPrivateKey, type KeyObject } from 'node:crypto';
import { rawPublicKey } from '../../../src/crypto/keys.ts';
import { signNote, verifyNoteSignature } from '../../../src/crypto/note.ts';
import { sha256 } from '../../../src/crypto/port.ts';
import { type Checkpoint, checkpointText } from '../../../src/protocols/audit/checkpoint.ts';
import { cosignatureBytes, cosignedText } from '../../../src/protocols/audit/cosignature.ts';
import {
  encodeNote,
  type NoteCrypto,
  type NoteKey,
  type NoteSignature,
  noteKeyId,
} from '../../../src/protocols/audit/signed-note.ts';
import { utf8 } from './fixtures.ts';

export const crypto: NoteCrypto = { sha256, utf8, verify: verifyNoteSignature };

export interface Signer {
  readonly key: NoteKey;
  readonly privateKey: KeyObject;
}

/** A key pair from one byte, so that tests give the same every time. */
export function signer(name: string, type: NoteKey['type'], byte: number): Signer {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  const der = Buffer.concat([prefix, Buffer.alloc(32, byte)]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return { key: { name, type, publicKey: rawPublicKey(privateKey) }, privateKey };
}

export const signed = ({ key, privateKey }: Signer, text: string): NoteSignature => ({
  name: key.name,
  keyId: noteKeyId(key, crypto),
  signature: signNote(privateKey, utf8.encode(text)),
});

export const cosigned = ({ key, privateKey }: Signer, text: string, timeSeconds: number): NoteSignature => ({
  name: key.name,
  keyId: noteKeyId(key, crypto),
  signature: cosignatureBytes(timeSeconds, signNote(privateKey, utf8.encode(cosignedText(text, timeSeconds)))),
});

export function checkpointNote(log: Signer, head: Omit<Checkpoint, 'origin' | 'extensions'>, witnesses: Signer[] = []) {
  const text = checkpointText({ origin: log.key.name, extensions: [], ...head });
  const signatures = [signed(log, text), ...witnesses.map((witness, i) => cosigned(witness, text, 1_700_000_000 + i))];
  return encodeNote({ text, signatures });
}
