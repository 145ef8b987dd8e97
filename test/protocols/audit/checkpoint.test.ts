import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signNote } from '../../../src/crypto/note.ts';
import {
  checkpointText,
  decodeCheckpoint,
  logOrigin,
  verifyCheckpoint,
  witnessName,
} from '../../../src/protocols/audit/checkpoint.ts';
import { cosignatureBytes } from '../../../src/protocols/audit/cosignature.ts';
import { decodeNote, encodeNote, noteKeyId, signaturesOf } from '../../../src/protocols/audit/signed-note.ts';
import { fromBase64 } from '../../../src/protocols/base64.ts';
import { utf8 } from './fixtures.ts';
import { checkpointNote, cosigned, crypto, signed, signer } from './note-lab.ts';

const log = signer(logOrigin('caxton.test', 'node-1'), 'ed25519', 1);
const witness = signer(witnessName('caxton.test', 'node-2'), 'cosignature', 2);
const second = signer(witnessName('caxton.test', 'node-3'), 'cosignature', 3);
const keys = { log: log.key, witnesses: [witness.key, second.key] };
const head = { size: 1_234, root: new Uint8Array(32).fill(7) };
const text = checkpointText({ origin: log.key.name, extensions: [], ...head });
const note = checkpointNote(log, head, [witness, second]);

const judged = (input: string, with_ = keys) => {
  const decoded = decodeCheckpoint(input);
  return decoded.ok ? verifyCheckpoint(decoded.value, with_, crypto) : decoded;
};

describe('a signed note', () => {
  // The example of c2sp.org/signed-note.
  const example =
    'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n';
  const vkey = fromBase64('AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k')!;
  const key = { name: 'example.com/foo', type: 'ed25519', publicKey: vkey.slice(1) } as const;

  it('of the specification is verified with the specification’s key, and written as it was', () => {
    expect(Buffer.from(noteKeyId(key, crypto)).toString('hex')).toBe('530d903a');
    const decoded = decodeNote(example);
    if (!decoded.ok) throw new Error('not read');
    const read = decoded.value.unverified;
    const [signature] = signaturesOf(read, key, crypto);
    expect(crypto.verify(key.publicKey, utf8.encode(read.text), signature!.signature)).toBe(true);
    expect(encodeNote(read)).toBe(example);
  });

  it('may have empty lines and a signature of a key that nobody knows', () => {
    const salvatore =
      'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n';
    expect(decodeNote(salvatore)).toMatchObject({
      ok: true,
      value: { unverified: { signatures: [{ name: 'quasimodo.example/salvatore' }] } },
    });
  });

  it.each([
    ['nothing', ''],
    ['no signature', 'text\n\n'],
    ['no empty line', 'text\n— a AAAAAAA=\n'],
    ['no line break at the end', 'text\n\n— a AAAAAAA='],
    ['a carriage return', 'text\r\n\n— a AAAAAAA=\n'],
    ['a zero byte', 'te\0xt\n\n— a AAAAAAA=\n'],
    ['half a surrogate pair', 'te\ud800xt\n\n— a AAAAAAA=\n'],
    ['a hyphen for the dash', 'text\n\n- a AAAAAAA=\n'],
    ['a name with a plus', 'text\n\n— a+b AAAAAAA=\n'],
    ['a name with a hard space', 'text\n\n— a\u00a0b AAAAAAA=\n'],
    ['two spaces', 'text\n\n— a  AAAAAAA=\n'],
    ['more behind the signature', 'text\n\n— a AAAAAAA= x\n'],
    ['a signature without bytes', 'text\n\n— a AAAAAA==\n'],
    ['base64 without padding', 'text\n\n— a AAAAAAA\n'],
    ['other text among the signatures', 'text\n\n— a AAAAAAA=\nx\n'],
  ])('with %s is refused', (_, input) => {
    expect(decodeNote(input)).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
  });

  it('is bounded in length and signatures', () => {
    expect(decodeNote(`${'x'.repeat(20_000)}\n\n— a AAAAAAA=\n`)).toMatchObject({
      refusal: { code: 'LIMIT_EXCEEDED' },
    });
    const lines = (count: number) => `x\n\n${'— a AAAAAAA=\n'.repeat(count)}`;
    expect(decodeNote(lines(32)).ok).toBe(true);
    expect(decodeNote(lines(33))).toMatchObject({ refusal: { code: 'LIMIT_EXCEEDED' } });
  });

  it('is never signed with a zero byte in it, which all else that is signed has', () => {
    expect(() => signNote(log.privateKey, Uint8Array.of(65, 0))).toThrow(TypeError);
    expect(crypto.verify(log.key.publicKey, Uint8Array.of(65, 0), new Uint8Array(64))).toBe(false);
    expect(crypto.verify(new Uint8Array(32), Uint8Array.of(65), new Uint8Array(64))).toBe(false);
  });
});

describe('a checkpoint', () => {
  it('is believed with its log’s key and counts the witnesses that are known', () => {
    expect(judged(note)).toMatchObject({
      ok: true,
      value: {
        ...head,
        origin: log.key.name,
        cosignatures: [
          { name: witness.key.name, timeSeconds: 1_700_000_000 },
          { name: second.key.name, timeSeconds: 1_700_000_001 },
        ],
      },
    });
    expect(judged(note, { ...keys, witnesses: [] })).toMatchObject({ ok: true, value: { cosignatures: [] } });
  });

  it('of the specification is read', () => {
    const example =
      'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n';
    expect(decodeCheckpoint(example)).toMatchObject({
      ok: true,
      value: { unverified: { origin: 'example.com/behind-the-sofa', size: 20_852_163 } },
    });
  });

  it('counts a witness once, with its latest word', () => {
    const signatures = [
      signed(log, text),
      cosigned(witness, text, 20),
      cosigned(witness, text, 30),
      cosigned(witness, text, 10),
    ];
    expect(judged(encodeNote({ text, signatures }))).toMatchObject({
      value: { cosignatures: [{ name: witness.key.name, timeSeconds: 30 }] },
    });
  });

  it('is refused after any change of one character', () => {
    fc.assert(
      fc.property(fc.nat(note.length - 1), fc.constantFrom(...'0A+/=\n —z'), (at, letter) => {
        const changed = `${note.slice(0, at)}${letter}${note.slice(at + 1)}`;
        const result = judged(changed);
        // A changed name or id makes a signature one of nobody known: the log’s is needed, a witness’s then counts no more.
        if (changed !== note && result.ok) expect(result.value.cosignatures.length).toBeLessThan(2);
        if (changed !== note && at < text.length) expect(result.ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('is refused with a signature of another key, another log’s or none', () => {
    const thief = { ...log, privateKey: second.privateKey };
    expect(judged(checkpointNote(thief, head))).toMatchObject({ refusal: { code: 'SIGNATURE_INVALID' } });
    const other = signer(logOrigin('caxton.test', 'node-9'), 'ed25519', 1);
    expect(judged(checkpointNote(other, head))).toMatchObject({ refusal: { code: 'SIGNATURE_INVALID' } });
    const onlyWitness = encodeNote({ text, signatures: [cosigned(witness, text, 1)] });
    expect(judged(onlyWitness)).toMatchObject({ refusal: { code: 'SIGNATURE_INVALID' } });
  });

  it('is refused with a false cosignature of a known witness', () => {
    const falseOne = { ...cosigned(witness, text, 5), signature: cosigned(witness, text, 6).signature.with(0, 9) };
    expect(judged(encodeNote({ text, signatures: [signed(log, text), falseOne] }))).toMatchObject({
      refusal: { code: 'SIGNATURE_INVALID' },
    });
    // A plain signature in the place of a timed one, and the other way round.
    const plain = { ...cosigned(witness, text, 5), signature: signNote(witness.privateKey, utf8.encode(text)) };
    expect(judged(encodeNote({ text, signatures: [signed(log, text), plain] })).ok).toBe(false);
  });

  it.each([
    ['two lines', 'a\n1\n'],
    ['an empty line', `a\n1\n${'A'.repeat(43)}=\n\nx\n`],
    ['a size with a zero before it', `a\n01\n${'A'.repeat(43)}=\n`],
    ['a negative size', `a\n-1\n${'A'.repeat(43)}=\n`],
    ['a size past the safe integers', `a\n9007199254740992\n${'A'.repeat(43)}=\n`],
    ['a size in other digits', `a\n１\n${'A'.repeat(43)}=\n`],
    ['a root of 31 bytes', `a\n1\n${'A'.repeat(40)}AA==\n`],
  ])('with %s is refused', (_, body) => {
    expect(decodeCheckpoint(`${body}\n— a AAAAAAA=\n`)).toMatchObject({ refusal: { code: 'MALFORMED' } });
  });

  it('is never written so that it could be read as another', () => {
    for (const origin of ['', 'a\n5', 'a\0'])
      expect(() => checkpointText({ origin, extensions: [], ...head })).toThrow(TypeError);
    expect(() => checkpointText({ origin: 'a', extensions: [''], ...head })).toThrow(TypeError);
    expect(() => checkpointText({ origin: 'a', extensions: [], ...head, size: -1 })).toThrow(TypeError);
    expect(() => cosignatureBytes(0, new Uint8Array(64))).toThrow(RangeError);
  });

  it('survives any text', () => {
    fc.assert(fc.property(fc.string({ maxLength: 300 }), (noise) => void judged(noise)));
    fc.assert(
      fc.property(fc.nat(note.length), fc.nat(note.length), fc.string({ maxLength: 9 }), (a, b, noise) => {
        void judged(note.slice(0, a) + noise + note.slice(b));
      }),
    );
  });
});
