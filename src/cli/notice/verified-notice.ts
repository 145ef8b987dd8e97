import type { KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { utf8 } from '../../actors/kernel/utf8.ts';
import { signedNotice } from '../../actors/messaging/trust.ts';
import { openFault } from '../../config/key-file.ts';
import { ed25519PublicKey, keyId, publicKeyFromText } from '../../crypto/keys.ts';
import { decodeDocument, verifyDocument } from '../../crypto/signed-document.ts';
import { CaxtonError, ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { PublicKeyText } from '../../protocols/authorization/public-key.ts';
import { readNotice } from '../../protocols/notice/notice.ts';
import {
  emptyNotices,
  type NoticesState,
  type SignedNotice,
  takeNotice,
  trustInForce,
} from '../../protocols/notice/reconciliation.ts';
import type { Invocation } from '../command.ts';

/** The public keys whose notices are believed, by their ids. */
export type AuthorityKeys = ReadonlyMap<string, KeyObject>;

/** A notice that one of these keys signed. SIGNATURE_INVALID, MALFORMED, LIMIT_EXCEEDED. */
export function verifiedNotice(text: string, keys: AuthorityKeys): Result<SignedNotice> {
  const decoded = decodeDocument('notice', text, limits.noticeBytesMax);
  if (!decoded.ok) return decoded;
  const verified = verifyDocument('notice', decoded.value, (id) => keys.get(id));
  return verified.ok ? noticeOf(verified.value.payload, text) : verified;
}

/** What a notice says that nobody has verified: only for finding out whom to believe. */
export function claimedNotice(text: string): Result<SignedNotice> {
  const decoded = decodeDocument('notice', text, limits.noticeBytesMax);
  return decoded.ok ? noticeOf(decoded.value.unverified.payload, text) : decoded;
}

function noticeOf(payload: Uint8Array, text: string): Result<SignedNotice> {
  let content: string;
  try {
    content = utf8.decode(payload);
  } catch {
    return refuse('MALFORMED', 'The payload of the notice is not UTF-8.');
  }
  const notice = readNotice(content);
  return notice.ok ? ok(signedNotice(notice.value, text)) : notice;
}

/** What documents come to, and whose signatures count by them. */
export interface VerifiedNotices {
  readonly state: NoticesState;
  readonly keys: AuthorityKeys;
}

/**
 * What documents from anywhere come to for whoever believes these authorities: those that an anchor signed, and those of
 * the authorities that the trust bundle so found names. Nothing else counts, and no key that an anchor has revoked.
 */
export function verifiedNotices(clusterId: string, anchors: AuthorityKeys, texts: readonly string[]): VerifiedNotices {
  const verifiedBy = (keys: AuthorityKeys): readonly SignedNotice[] =>
    [...new Set(texts)]
      .flatMap((text) => {
        const document = verifiedNotice(text, keys);
        return document.ok && document.value.notice.clusterId === clusterId ? [document.value] : [];
      })
      .sort((a, b) => a.notice.generation - b.notice.generation);
  const revokedKeys = new Set(
    verifiedBy(anchors).flatMap(({ notice }) =>
      notice.kind === 'revocations'
        ? notice.body.revocations.flatMap(({ kind, id }) => (kind === 'key' ? [id] : []))
        : [],
    ),
  );
  let keys = anchors;
  for (;;) {
    const state = verifiedBy(keys).reduce(
      (held, document) => takeNotice(held, document).state,
      emptyNotices(clusterId),
    );
    const named = [...authorityKeys(trustInForce(state)?.authorities ?? [])].filter(([id]) => !revokedKeys.has(id));
    const more = new Map([...named, ...keys]);
    if (more.size === keys.size) return { state, keys };
    keys = more;
  }
}

/** Keys of a trust bundle. What is no key on the curve signs nothing, so it is left out. */
export const authorityKeys = (texts: readonly PublicKeyText[]): AuthorityKeys =>
  new Map(
    texts.flatMap((text) => {
      const key = authorityKeyIn(text);
      return key.ok ? [key.value] : [];
    }),
  );

function authorityKeyIn(text: string): Result<readonly [id: string, key: KeyObject]> {
  const raw = publicKeyFromText(text);
  if (!raw.ok) return raw;
  const key = ed25519PublicKey(raw.value);
  return key.ok ? ok([keyId(raw.value), key.value]) : key;
}

/** The authorities that the operator names with `--authority FILE`: `authority.pub`, one key a line. */
export const givenAuthorities = (invocation: Invocation): Promise<AuthorityKeys> =>
  givenKeys(invocation, 'authority', 'the authority’s');

/** The public keys in the files that an option names, one a line; `whose` is for messages. FILE_UNREADABLE, MALFORMED. */
export async function givenKeys({ list, terminal }: Invocation, option: string, whose: string): Promise<AuthorityKeys> {
  const given = new Map<string, KeyObject>();
  for (const word of list(option)) {
    const path = resolve(terminal.cwd, word);
    const content = await readFile(path, 'utf8').catch((error: unknown) => {
      throw new CaxtonError('FILE_UNREADABLE', openFault(path, error));
    });
    for (const line of content.trim().split(/\r?\n/).slice(0, limits.trustKeysMax)) {
      const key = authorityKeyIn(line.trim());
      if (!key.ok)
        throw new CaxtonError(key.refusal.code, `${path}: ${key.refusal.reasons[0]} It is ${whose} public key.`);
      given.set(...key.value);
    }
  }
  return given;
}
