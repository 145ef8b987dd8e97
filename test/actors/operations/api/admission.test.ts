import { describe, expect, it } from 'vitest';
import { type Arrival, createAdmission } from '../../../../src/actors/operations/api/admission.ts';
import { createAuthenticate } from '../../../../src/actors/operations/api/authentication.ts';
import { createLoginRecord } from '../../../../src/actors/operations/api/login-record.ts';
import { createPermits } from '../../../../src/actors/operations/api/permit.ts';
import type { NodeControl } from '../../../../src/actors/operations/control.ts';
import { createApiKey, readApiKey } from '../../../../src/crypto/api-key.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { type Result, refuse } from '../../../../src/errors.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { accessOf, fakeControl } from './api-lab.ts';

const right = createApiKey(osCrypto);
const strange = createApiKey(osCrypto);

function desk(over: Partial<NodeControl> = {}, rateLimit?: { count: number; periodMs: number }) {
  const clock = new ManualClock();
  const control = fakeControl(over);
  const access = accessOf({ dev: right.hash }, ['operator']);
  const admit = createAdmission({
    authenticate: createAuthenticate(access, clock, readApiKey),
    permitOf: createPermits(access, control, clock),
    logins: createLoginRecord(control, clock, (secret) => `hmac:${secret.length}`),
    clock,
    rateLimit,
  });
  let count = 0;
  const come = (
    authorization: string | undefined,
    { ip = '192.0.2.1', access: how = 'authenticated' as Arrival['access'], needs = [] as Arrival['needs'] } = {},
  ) => admit({ requestId: `r${++count}`, sourceIp: ip, authorization, access: how, needs });
  return { clock, control, come };
}

const codeOf = (result: Result<unknown>) => (result.ok ? 'admitted' : result.refusal.code);
const bearer = `Bearer ${right.key}`;

describe('authentication', () => {
  it('knows a key by its name', async () => {
    const { come, control } = desk();
    expect(await come(bearer)).toMatchObject({
      ok: true,
      value: {
        caller: { identity: 'apikey:dev', sourceIp: '192.0.2.1', requestId: 'r1' },
        identity: { subject: 'apikey:dev', keyHash: right.hash },
      },
    });
    expect(control.audited.map(({ type, caller }) => [type, caller.identity])).toEqual([
      ['LoginSuccess', 'apikey:dev'],
    ]);
  });

  const wrong: [string, string | undefined][] = [
    ['no credential', undefined],
    ['an empty header', ''],
    ['another scheme', `Basic ${right.key}`],
    ['a key without a scheme', right.key],
    ['an unknown key', `Bearer ${strange.key}`],
    ['a mistyped key', `Bearer ${right.key.slice(0, -1)}!`],
    ['the hash of the key', `Bearer ${right.hash}`],
    ['two keys', `Bearer ${right.key} ${right.key}`],
    ['an endless key', `Bearer ${'c'.repeat(10_000)}`],
  ];
  it.each(wrong)('refuses %s with one and the same text, and records why', async (_, authorization) => {
    const { come, control } = desk();
    expect(await come(authorization)).toEqual(refuse('UNAUTHENTICATED', 'No valid API key was given.'));
    expect(control.audited).toHaveLength(1);
    expect(control.audited[0]).toMatchObject({ type: 'LoginFailure', caller: { identity: 'anonymous' } });
    expect(control.audited[0]!.reasons.length).toBeGreaterThan(0);
    expect(JSON.stringify(control.audited)).not.toContain(right.key.slice(4, 20));
  });

  it('tells whoever lacks what a path needs before anything is read, and records it', async () => {
    const { come, control } = desk();
    expect((await come(bearer, { needs: ['DeployAgent'] })).ok).toBe(true);
    const denied = await come(bearer, { needs: ['ManageSecurity'] });
    expect(denied).toEqual(
      refuse('INSUFFICIENT_PERMISSIONS', 'apikey:dev has no role with the permission ManageSecurity.'),
    );
    expect(control.audited.at(-1)).toMatchObject({ type: 'AccessDenied', caller: { identity: 'apikey:dev' } });
    expect((await come(bearer, { needs: ['ManageSecurity', 'ReadAudit'] })).ok).toBe(true);
  });
});

describe('the record of logins', () => {
  it('holds one success per identity and source in a minute', async () => {
    const { come, control, clock } = desk();
    await Promise.all([come(bearer), come(bearer)]);
    await come(bearer);
    expect(control.audited).toHaveLength(1);
    await come(bearer, { ip: '192.0.2.2' });
    expect(control.audited).toHaveLength(2);
    clock.advance(59_999);
    await come(bearer);
    expect(control.audited).toHaveLength(2);
    clock.advance(1);
    await come(bearer);
    expect(control.audited).toHaveLength(3);
  });

  it('mentions a credential that was refused by its stand-in, and never itself', async () => {
    const { come, control } = desk();
    await come('Bearer cxk_wrong');
    await come(undefined);
    expect(control.audited).toMatchObject([{ type: 'LoginFailure', credential: 'hmac:16' }, { type: 'LoginFailure' }]);
    expect(control.audited[1]).not.toHaveProperty('credential');
    expect(JSON.stringify(control.audited)).not.toContain('cxk_wrong');
  });

  it('lets nobody in and nobody know while the audit log is blocked', async () => {
    let blocked = true;
    const { come } = desk({
      audit: async () => (blocked ? refuse('AUDIT_BLOCKED', 'The disk is full.') : { ok: true, value: undefined }),
    });
    expect(codeOf(await come(bearer))).toBe('AUDIT_BLOCKED');
    expect(codeOf(await come(undefined))).toBe('AUDIT_BLOCKED');
    // Not remembered as a login: once the log recovers, the next request is recorded.
    blocked = false;
    expect(codeOf(await come(bearer))).toBe('admitted');
  });

  it('takes an audit that throws for one that is blocked', async () => {
    const { come } = desk({
      audit: async () => {
        throw new Error('disk');
      },
    });
    expect(codeOf(await come(bearer))).toBe('AUDIT_BLOCKED');
    expect(codeOf(await come('Bearer x'))).toBe('AUDIT_BLOCKED');
  });

  it('never keeps a protective act waiting, but only for whoever has a key', async () => {
    const { come } = desk({ audit: () => new Promise(() => {}) });
    expect(codeOf(await come(bearer, { access: 'protective' }))).toBe('admitted');
    const { come: comeBlocked } = desk({ audit: async () => refuse('AUDIT_BLOCKED', 'The disk is full.') });
    expect(codeOf(await comeBlocked(bearer, { access: 'protective' }))).toBe('admitted');
    expect(codeOf(await comeBlocked(`Bearer ${strange.key}`, { access: 'protective' }))).not.toBe('admitted');
  });
});

describe('the budget of requests', () => {
  const limit = { count: 2, periodMs: 1_000 };

  it('is one per source and identity', async () => {
    const { come, clock } = desk({}, limit);
    expect([codeOf(await come(bearer)), codeOf(await come(bearer))]).toEqual(['admitted', 'admitted']);
    expect(await come(bearer)).toMatchObject({ refusal: { code: 'RATE_LIMIT_EXCEEDED', retryAfterMs: 500 } });
    expect(codeOf(await come(bearer, { ip: '192.0.2.2' }))).toBe('admitted');
    clock.advance(500);
    expect(codeOf(await come(bearer))).toBe('admitted');
  });

  it('ends guessing before it fills the audit log, and leaves the key’s owner alone', async () => {
    const { come, control } = desk({}, limit);
    const codes = [];
    for (let at = 0; at < 10; at++) codes.push(codeOf(await come(`Bearer ${strange.key}`)));
    expect(new Set(codes.slice(2))).toEqual(new Set(['RATE_LIMIT_EXCEEDED']));
    expect(control.audited).toHaveLength(2);
    expect(codeOf(await come(bearer))).toBe('admitted');
  });

  it('is not escaped by changing the address within an IPv6 network', async () => {
    const { come } = desk({}, limit);
    const codes = [];
    for (let at = 1; at <= 4; at++) codes.push(codeOf(await come(undefined, { ip: `2001:db8:0:1::${at}` })));
    expect(codes).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED', 'RATE_LIMIT_EXCEEDED', 'RATE_LIMIT_EXCEEDED']);
    expect(codeOf(await come(undefined, { ip: '2001:db8:0:2::1' }))).toBe('UNAUTHENTICATED');
  });

  it('holds for health too, apart from that of logins', async () => {
    const { come } = desk({}, limit);
    const codes = [];
    for (let at = 0; at < 3; at++) codes.push(codeOf(await come(undefined, { access: 'open' })));
    expect(codes).toEqual(['admitted', 'admitted', 'RATE_LIMIT_EXCEEDED']);
    expect(codeOf(await come(undefined))).toBe('UNAUTHENTICATED');
  });
});
