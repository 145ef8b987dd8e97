import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  caKeyHashOf,
  type JoinToken,
  joinSecretHash,
  joinTokenText,
  readJoinToken,
} from '../../src/crypto/join-token.ts';
import { unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import type { NodeId } from '../../src/names.ts';
import { domain, makeCa, nodeOne, now, refusalOf } from './fixtures.ts';

const ca = makeCa();
const token: JoinToken = {
  id: 'ab'.repeat(16),
  secret: Buffer.alloc(32, 7).toString('base64url'),
  nodeId: nodeOne,
  issuer: 'node-2' as NodeId,
  trustDomain: domain,
  clusterId: 'cluster-1',
  enrolment: '127.0.0.1:7801',
  link: '127.0.0.1:7701',
  caKeyHash: unwrap(caKeyHashOf(ca.certPem)),
  dns: ['a.test'],
  ip: ['127.0.0.1'],
  expiresAt: now,
};
const textOf = (value: unknown) => `caxton-join-1.${Buffer.from(JSON.stringify(value)).toString('base64url')}`;

describe('a join token', () => {
  it('is read from its one line, whatever is around it', () => {
    expect(unwrap(readJoinToken(`  ${joinTokenText(token)}\n`))).toEqual(token);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a number', 7],
    ['null', null],
    ['a list', []],
    ['a field less', { ...token, secret: undefined }],
    ['a field more', { ...token, admin: true }],
    ['another kind of id', { ...token, nodeId: 'Node 1' }],
    ['a short secret', { ...token, secret: 'abc' }],
    ['a short hash', { ...token, caKeyHash: 'abc' }],
    ['a domain that is none', { ...token, trustDomain: 'A B' }],
    ['names that are none', { ...token, dns: [7] }],
    ['too many names', { ...token, ip: Array.from({ length: limits.altNamesMax + 1 }, () => '::1') }],
    ['a time that is none', { ...token, expiresAt: 'soon' }],
  ])('of %s is refused, unquoted', (_, value) => {
    const { code, text } = refusalOf(readJoinToken(textOf(value ?? '')));
    expect([code, text.includes(token.secret)]).toEqual(['MALFORMED', false]);
  });

  it('of any text is refused and never thrown at', () => {
    fc.assert(
      fc.property(fc.string(), (text) => !readJoinToken(text).ok && !readJoinToken(`caxton-join-1.${text}`).ok),
    );
    expect(readJoinToken(`caxton-join-1.${'A'.repeat(limits.joinTokenCharsMax)}`).ok).toBe(false);
  });

  it('pins the key of the CA and not its certificate, and its secret is kept as a hash', () => {
    expect(token.caKeyHash).toMatch(/^[\w-]{43}$/);
    expect(unwrap(caKeyHashOf(makeCa().certPem))).not.toBe(token.caKeyHash);
    expect(refusalOf(caKeyHashOf('nothing')).code).toBe('MALFORMED');
    expect(joinSecretHash('a')).not.toEqual(joinSecretHash('b'));
  });
});
