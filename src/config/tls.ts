import { z } from 'zod';
import { editDistance } from './nearest.ts';
import { listOf, text } from './values.ts';

/** What a listener or dialer of TLS offers and accepts: `security.cluster.mtls` and `security.api.tls` of node.yaml. */
export interface TlsSettings {
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** As OpenSSL takes them, best first. */
  readonly ciphers: string;
  readonly groups: string;
}

/** The suites of TLS 1.3 (RFC 8446 §B.4) that are worth having: all with authenticated encryption, none truncated. */
const suites13 = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'] as const;

/** Those of TLS 1.2 with forward secrecy and authenticated encryption (RFC 9325 §4.2), by OpenSSL’s names. */
const suites12: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
};

/** Key exchange, the post-quantum hybrids first: what is recorded today stays closed to a quantum computer. */
const hybrids = ['X25519MLKEM768', 'SecP256r1MLKEM768', 'SecP384r1MLKEM1024'] as const;
const groupNames = [...hybrids, 'X25519', 'P-256', 'P-384'] as const;
const groupDefaults = ['X25519MLKEM768', 'X25519', 'P-256', 'P-384'] as const;

const names = (what: string) => listOf(text(`the name of a ${what}`, 80), `${what}s`, 1, 16);

/** The keys of the two blocks that say how TLS is spoken. */
export const tlsKeys = {
  min_version: z.enum(['1.3', '1.2'], { error: 'expected "1.3" (in quotes)' }).default('1.3'),
  cipher_suites: names('cipher suite').optional(),
  groups: names('group').default([...groupDefaults]),
};

/** A block of node.yaml with those keys. */
export interface TlsBlock {
  readonly min_version: '1.2' | '1.3';
  readonly cipher_suites?: readonly string[] | undefined;
  readonly groups: readonly string[];
}

const isOld = (suite: string): boolean => Object.hasOwn(suites12, suite) || Object.values(suites12).includes(suite);
const isNew = (suite: string): boolean => (suites13 as readonly string[]).includes(suite);

/** What a block asks for and may not have; `place` names its key with file and line. */
export function tlsFaults(block: TlsBlock, place: (key: string) => string): string[] {
  const faults: string[] = [];
  const old = block.min_version === '1.2';
  const allowed: readonly string[] = old ? [...suites13, ...Object.keys(suites12)] : suites13;
  for (const suite of block.cipher_suites ?? []) {
    if (isNew(suite) || (old && isOld(suite))) continue;
    const why = isOld(suite) ? 'belongs to TLS 1.2, and min_version is "1.3"' : weakness(suite);
    faults.push(
      `${place('cipher_suites')}: ${suite} ${why}; the nearest that is allowed is ${nearestOf(suite, allowed)}.`,
    );
  }
  if (block.cipher_suites && faults.length === 0 && !block.cipher_suites.some(isNew))
    faults.push(`${place('cipher_suites')}: at least one suite of TLS 1.3 is needed: ${suites13.join(', ')}.`);
  for (const group of block.groups)
    if (!(groupNames as readonly string[]).includes(group))
      faults.push(
        `${place('groups')}: ${group} is not allowed; the nearest that is, is ${nearestOf(group, groupNames)}.`,
      );
  return faults;
}

/** Why a suite is none that is allowed, as far as its name tells (RFC 9325 §4.1, RFC 9155). */
function weakness(suite: string): string {
  if (/NULL/i.test(suite)) return 'encrypts nothing';
  if (/anon|ADH|AECDH/i.test(suite)) return 'authenticates nobody';
  if (/EXP(ORT)?[-_\d]/i.test(suite)) return 'is of export strength';
  if (/RC4|RC2|(^|[-_])3?DES|IDEA|SEED/i.test(suite)) return 'has a broken cipher';
  if (/MD5/i.test(suite)) return 'has a broken hash';
  if (/CBC|SHA$|(AES|CAMELLIA|ARIA)\d+-SHA/i.test(suite)) return 'has no authenticated encryption (CBC)';
  if (/CCM_8|CCM8/i.test(suite)) return 'has a tag of 64 bits';
  if (/^TLS_RSA_WITH|^AES\d+-/i.test(suite)) return 'has no forward secrecy';
  return 'is not one that is allowed';
}

const nearestOf = (word: string, known: readonly string[]): string =>
  known.reduce((best, candidate) => (editDistance(word, candidate) < editDistance(word, best) ? candidate : best));

/** What is allowed and should be known at the start; `path` names the block. */
export function tlsWarnings(block: TlsBlock, path: string): string[] {
  const warnings: string[] = [];
  if (block.min_version === '1.2')
    warnings.push(
      `${path}.min_version is "1.2": clients may speak TLS 1.2, which shows certificates to whoever listens. Go back to "1.3" as soon as the last old client is gone.`,
    );
  if (!(hybrids as readonly string[]).includes(block.groups[0] ?? ''))
    warnings.push(
      `${path}.groups does not begin with a post-quantum hybrid: whoever records this traffic may read it later. Put X25519MLKEM768 first.`,
    );
  return warnings;
}

/** A block that was judged, as OpenSSL takes it. */
export function tlsSettings(block: TlsBlock): TlsSettings {
  const old = block.min_version === '1.2';
  const suites = block.cipher_suites ?? [];
  const chosen = suites.length > 0 ? suites : suites13;
  const chosen12 = chosen.filter(isOld).map((suite) => suites12[suite] ?? suite);
  const legacy = chosen12.length > 0 ? chosen12 : Object.values(suites12);
  return {
    minVersion: old ? 'TLSv1.2' : 'TLSv1.3',
    ciphers: [...chosen.filter(isNew), ...(old ? legacy : [])].join(':'),
    groups: block.groups.join(':'),
  };
}
