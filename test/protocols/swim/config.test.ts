import { describe, expect, test } from 'vitest';
import { checkSwimConfig, type SwimConfig, swimProfiles } from '../../../src/protocols/swim/config.ts';

describe('checkSwimConfig', () => {
  test.each(Object.entries(swimProfiles))('accepts the %s profile', (_name, profile) => {
    expect(checkSwimConfig(profile)).toEqual({ ok: true, value: profile });
  });

  const broken: readonly [string, Partial<SwimConfig>, RegExp][] = [
    ['a timeout as long as the interval', { probeTimeoutMs: 500 }, /less than probeIntervalMs/],
    ['a timeout that leaves no time for nacks', { probeTimeoutMs: 300 }, /indirect reports/],
    ['gossip slower than probes', { gossipIntervalMs: 501 }, /gossipIntervalMs/],
    ['a suspicion too short to refute', { suspicionFloorMs: 200 }, /time to refute/],
    ['no time at all', { probeIntervalMs: 0 }, /probeIntervalMs must be/],
    ['a broken number', { indirectChecks: 1.5 }, /indirectChecks must be/],
    ['a count without bound', { retransmitMult: 65 }, /retransmitMult must be/],
  ];
  test.each(broken)('refuses %s', (_name, change, reason) => {
    const result = checkSwimConfig({ ...swimProfiles.local, ...change });
    expect(result.ok ? '' : result.refusal.reasons.join(' ')).toMatch(reason);
  });

  test('gives every reason at once', () => {
    const result = checkSwimConfig({ ...swimProfiles.local, indirectChecks: -1, gossipIntervalMs: 501 });
    expect(result).toMatchObject({ ok: false, refusal: { code: 'CONFIG_INVALID' } });
    expect(result.ok ? 0 : result.refusal.reasons.length).toBe(2);
  });
});
