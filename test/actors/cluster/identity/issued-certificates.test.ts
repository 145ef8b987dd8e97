import { describe, expect, it } from 'vitest';
import { IssuedCertificates, judgedAtItsEnd } from '../../../../src/actors/cluster/identity/issued-certificates.ts';
import type { NodeSvid } from '../../../../src/crypto/svid.ts';
import { unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';
import { dayMs, domain, now, refusalOf } from '../../../crypto/fixtures.ts';
import { ca, lab as enrolmentLab, nine, operator, shown } from './enrolment-lab.ts';

const made = enrolmentLab();
const pem = unwrap(await made.enrolment.enrol(shown(await made.tokenFor()), operator));
const svid = unwrap(judgedAtItsEnd(pem, { caPem: ca.certPem, trustDomain: domain }, nine));
const numbered = (number: number): NodeSvid => ({
  ...svid,
  serial: number.toString(16).padStart(4, '0').toUpperCase(),
});

function lab(revoked = new Set<string>(), store = new MemoryStore()) {
  const clock = new ManualClock(now);
  const issued = new IssuedCertificates(clock, store, dayMs, ({ serial }) => revoked.has(serial));
  return { clock, store, issued, revoked };
}

describe('what a CA node has issued', () => {
  it('is known after a restart, and until so long after its end', async () => {
    const { clock, store, issued } = lab();
    unwrap(await issued.keep(svid));
    const [held] = await lab(undefined, store).issued.of(nine);
    expect(held).toMatchObject({ serial: svid.serial, keyId: svid.keyId, notAfter: svid.notAfter });
    expect(unwrap(judgedAtItsEnd(held!.chainPem, { caPem: ca.certPem, trustDomain: domain })).serial).toBe(svid.serial);
    clock.advance(svid.notAfter - now + dayMs - 1);
    expect(await issued.of(nine)).toHaveLength(1);
    clock.advance(2);
    expect(await issued.of(nine)).toEqual([]);
  });

  it('is never forgotten before that: a node with too many gets no more, until some are revoked', async () => {
    const { issued, revoked } = lab();
    for (let number = 0; number < limits.issuedCertificatesMax; number += 1)
      unwrap(await issued.keep(numbered(number)));
    expect(refusalOf(await issued.keep(numbered(999))).code).toBe('LIMIT_EXCEEDED');
    for (const { serial } of await issued.of(nine)) revoked.add(serial);
    expect((await issued.keep(numbered(999))).ok).toBe(true);
    expect(await issued.of(nine)).toHaveLength(limits.issuedCertificatesMax + 1);
  });

  it('has beside it the last that another CA node issued and this one saw, over restarts too', async () => {
    const { store, issued } = lab();
    unwrap(await issued.keep(svid));
    const later = (serial: number, hours: number): NodeSvid => ({
      ...numbered(serial),
      notAfter: svid.notAfter + hours * 3_600_000,
    });
    for (const seen of [svid, later(1, 1), later(2, 3), later(3, 2)]) await issued.see(seen);
    const known = await lab(undefined, store).issued.of(nine);
    expect(known.map(({ serial }) => serial)).toEqual(['0002', svid.serial]);
    // Not what this CA node gave: it neither fills its list nor is forgotten with it.
    await issued.forget({ nodeId: nine, serial: '0002' });
    expect(await issued.of(nine)).toHaveLength(2);
  });

  it('is all kept when several are issued at once', async () => {
    const { issued } = lab();
    await Promise.all([1, 2, 3].map((number) => issued.keep(numbered(number))));
    expect(await issued.of(nine)).toHaveLength(3);
  });
});
