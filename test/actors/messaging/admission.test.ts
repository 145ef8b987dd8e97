import { describe, expect, it } from 'vitest';
import { Admission } from '../../../src/actors/messaging/admission.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { refusalOf } from '../../crypto/fixtures.ts';
import { fakeLink, three, two } from './messaging-lab.ts';

const rate = { count: 10, periodMs: 1_000, burst: 5 };

describe('admission of a peer’s messages', () => {
  it('holds each link to its own rate and says when to come back', () => {
    const clock = new ManualClock();
    const admission = new Admission(clock, rate);
    const { link } = fakeLink(two);
    for (let counter = 1; counter <= 5; counter++) expect(admission.admit(link, 1, counter).ok).toBe(true);
    const refused = admission.admit(link, 1, 6);
    expect(refused).toMatchObject({ refusal: { code: 'RATE_LIMIT_EXCEEDED', retryAfterMs: 100 } });
    expect(admission.admit(fakeLink(three).link, 1, 1).ok).toBe(true);
    clock.advance(100);
    expect(admission.admit(link, 1, 6).ok).toBe(true);
  });

  it('takes no message of another boot than the link’s', () => {
    const admission = new Admission(new ManualClock(), rate);
    expect(refusalOf(admission.admit(fakeLink(two, 7).link, 6, 1)).code).toBe('UNAUTHORIZED');
    expect(refusalOf(admission.admit(fakeLink(two, 7).link, 8, 1)).code).toBe('UNAUTHORIZED');
  });

  it('remembers a counter once it was committed, and not before', () => {
    const admission = new Admission(new ManualClock(), rate);
    const { link } = fakeLink(two);
    expect(admission.admit(link, 1, 1).ok).toBe(true);
    expect(admission.admit(link, 1, 1).ok).toBe(true);
    expect(admission.commit(link, 1, 1).ok).toBe(true);
    expect(refusalOf(admission.commit(link, 1, 1)).code).toBe('REPLAYED');
    expect(refusalOf(admission.admit(link, 1, 1)).code).toBe('REPLAYED');
  });

  it('remembers across links of one boot, starts over with the next, and never goes back', () => {
    const admission = new Admission(new ManualClock(), rate);
    admission.commit(fakeLink(two, 1).link, 1, 1);
    expect(refusalOf(admission.admit(fakeLink(two, 1).link, 1, 1)).code).toBe('REPLAYED');
    expect(admission.commit(fakeLink(two, 2).link, 2, 1).ok).toBe(true);
    expect(refusalOf(admission.admit(fakeLink(two, 1).link, 1, 2)).code).toBe('REPLAYED');
  });
});
