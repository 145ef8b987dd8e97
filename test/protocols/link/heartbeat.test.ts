import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { heartbeat, nextLookMs } from '../../../src/protocols/link/heartbeat.ts';

const config = { heartbeatMs: 5_000, silenceMsMax: 15_000 };

test.each([0, 1, 1_249, 1_250, 1_251, 2_499, 2_500.4, 7_777.7])(
  'links that came up at different times look at the same moments (from %f)',
  (upAt) => {
    const first = nextLookMs(upAt, 5_000);
    expect(first).toBeGreaterThanOrEqual(1_250);
    expect(first).toBeLessThanOrEqual(3_750);
    // Node counts whole milliseconds.
    const lookedAt = upAt + first;
    expect((lookedAt % 2_500) % 2_499).toBeLessThanOrEqual(1);
    expect(nextLookMs(lookedAt, 5_000)).toBeGreaterThanOrEqual(2_499);
    expect(nextLookMs(lookedAt, 5_000)).toBeLessThanOrEqual(2_500);
  },
);

describe('heartbeat', () => {
  test.each([
    ['nothing on a busy link', 0, 0, 4_999, 'nothing'],
    ['a ping when nothing was sent, so that the peer hears something', 5_000, 0, 5_000, 'ping'],
    ['a ping when nothing was heard, so that the peer says something', 0, 5_000, 5_000, 'ping'],
    ['a ping on an idle link', 0, 0, 5_000, 'ping'],
    ['a ping until just before the silence is too long', 0, 14_998, 14_999, 'ping'],
    ['the end when nothing was heard for too long', 0, 0, 15_000, 'close'],
    ['the end although something was just sent', 0, 15_000, 15_000, 'close'],
    ['a ping, not the end, when only this side was silent', 15_000, 0, 15_000, 'ping'],
    ['nothing when both were just now', 15_000, 15_000, 15_000, 'nothing'],
  ] as const)('%s', (_, lastHeardAt, lastSentAt, now, act) => {
    expect(heartbeat(lastHeardAt, lastSentAt, now, config)).toBe(act);
  });

  test('two idle ends that look as often as a link session does keep each other alive', () => {
    const ends = { a: { heard: 0, sent: 0 }, b: { heard: 0, sent: 0 } };
    const limitsConfig = { heartbeatMs: limits.linkHeartbeatMs, silenceMsMax: limits.linkSilenceMsMax };
    let pings = 0;
    for (let now = 0; now < 600_000; now += limits.linkHeartbeatMs / 2)
      for (const [self, peer] of [
        [ends.a, ends.b],
        [ends.b, ends.a],
      ] as const) {
        const act = heartbeat(self.heard, self.sent, now, limitsConfig);
        expect(act).not.toBe('close');
        if (act !== 'ping') continue;
        pings++;
        // The ping, and the pong to it.
        self.sent = self.heard = peer.heard = peer.sent = now;
      }
    expect(pings).toBe(119);
  });
});
