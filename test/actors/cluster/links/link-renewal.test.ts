import { describe, expect, it } from 'vitest';
import { LinkRenewal } from '../../../../src/actors/cluster/links/link-renewal.ts';
import type { LinkSession } from '../../../../src/actors/cluster/links/link-session.ts';
import type { Links } from '../../../../src/actors/cluster/links/links.ts';
import { ok } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import { renewalFeature } from '../../../../src/protocols/link/certificate-frame.ts';
import type { Frame } from '../../../../src/protocols/link/frame.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { seededRandom } from '../../../../src/testing/seeded-random.ts';

const noBytes = new Uint8Array(0);
const spreadMs = limits.linkRenewalSpreadMs;

/** Links that change when a test says so, and what was done about them. */
function lab() {
  const clock = new ManualClock();
  const up = new Map<string, LinkSession>();
  const done: string[] = [];
  let ready: (link: LinkSession) => void = () => {};
  let closed: (link: LinkSession) => void = () => {};
  let told: (link: LinkSession, frame: Frame) => void = () => {};
  const links = {
    get: (nodeId: string) => up.get(nodeId),
    all: () => [...up.values()],
    renew: ({ nodeId }: LinkSession) => void done.push(`dial ${nodeId} at ${clock.monotonic()}`),
    onReady: (listener: typeof ready) => {
      ready = listener;
    },
    onClosed: (listener: typeof closed) => {
      closed = listener;
    },
    onFrame: (_: string, handler: typeof told) => {
      told = handler;
    },
  } as unknown as Links;
  const renewal = new LinkRenewal({ clock, random: seededRandom(1), links });
  const link = (nodeId: string, side: 'dialer' | 'acceptor', features: readonly string[] = [renewalFeature]) => {
    const session = {
      nodeId,
      side,
      hello: { features },
      channel: { sinceMs: clock.monotonic() },
      send: (kind: string) => {
        done.push(`${kind} to ${nodeId} at ${clock.monotonic()}`);
        return ok(undefined);
      },
      violated: (text: string) => void done.push(text),
    } as unknown as LinkSession;
    up.set(nodeId, session);
    return session;
  };
  const tell = (session: LinkSession, header = noBytes) => told(session, { kind: 'renewed', header, content: noBytes });
  return {
    clock,
    up,
    done,
    renewal,
    link,
    tell,
    ready: (session: LinkSession) => ready(session),
    closed: () => closed,
  };
}

describe('after a renewal', () => {
  it('each link is replaced by who dialled it, one after the other', () => {
    const { clock, done, renewal, link } = lab();
    link('a', 'dialer');
    link('b', 'acceptor');
    link('c', 'acceptor', []);
    link('d', 'dialer');
    renewal.renewed();
    clock.advance(3 * spreadMs);
    expect(done).toEqual(['dial a at 0', `renewed to b at ${spreadMs}`, `dial d at ${3 * spreadMs}`]);
  });

  it('it is tried again until another link is there, or none', () => {
    const { clock, up, done, renewal, link, closed } = lab();
    link('a', 'dialer');
    const b = link('b', 'dialer');
    renewal.renewed();
    clock.advance(4 * limits.linkRenewalPauseMs);
    const tries = (of: string) => done.filter((line) => line.startsWith(`dial ${of}`)).length;
    expect([tries('a'), tries('b')].every((count) => count >= 2 && count <= 4)).toBe(true);
    link('a', 'dialer');
    up.delete('b');
    closed()(b);
    done.length = 0;
    clock.advance(20 * limits.linkRenewalPauseMs);
    expect([done, clock.nextInMs]).toEqual([[], undefined]);
  });

  it('a link that was under way then is replaced as soon as it is up', () => {
    const { clock, done, renewal, link, ready } = lab();
    const early = link('a', 'dialer');
    clock.advance(1);
    renewal.renewed();
    clock.advance(1);
    done.length = 0;
    ready(early);
    clock.advance(0);
    expect(done).toEqual(['dial a at 2']);
    done.length = 0;
    const late = link('a', 'dialer');
    ready(late);
    clock.advance(limits.linkRenewalPauseMs * 3);
    expect(done).toEqual([]);
  });
});

describe('a peer that says it was renewed', () => {
  it('is dialled by who dialled it, and by nobody else', () => {
    const { clock, done, link, tell } = lab();
    tell(link('a', 'dialer'));
    tell(link('b', 'acceptor'));
    clock.advance(0);
    expect(done).toEqual(['dial a at 0']);
  });

  it('cannot make this node dial without pause, whatever it says', () => {
    const { clock, done, link, tell } = lab();
    for (let ms = 0; ms < 60_000; ms += 10) {
      // Each time the link is another one, as after a dial that succeeded.
      tell(link('a', 'dialer'));
      clock.advance(10);
    }
    expect(done.length).toBeLessThanOrEqual(60_000 / limits.linkRenewalPauseMs + 1);
    expect(done.length).toBeGreaterThan(1);
  });

  it('in another form has its link closed', () => {
    const { done, link, tell } = lab();
    tell(link('a', 'dialer'), Uint8Array.of(1));
    expect(done).toEqual(['A renewed frame has neither header nor content.']);
  });
});
