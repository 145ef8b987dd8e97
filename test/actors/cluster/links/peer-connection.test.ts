import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import type { LinkSession } from '../../../../src/actors/cluster/links/link-session.ts';
import {
  type DialTarget,
  type PeerConnectionEvent,
  type PeerConnectionInput,
  type PeerConnectionWork,
  peerConnection,
} from '../../../../src/actors/cluster/links/peer-connection.ts';
import type { LinkChannel } from '../../../../src/actors/kernel/ports.ts';
import { CaxtonError } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import { linkBackoff } from '../../../../src/protocols/link/backoff.ts';
import { ManualClock, settle } from '../../../../src/testing/manual-clock.ts';

const target: DialTarget = { address: { host: '127.0.0.1', port: 7_701 } };
/** The chart only passes them on. */
const channel = { side: 'dialer' } as LinkChannel;
const session = { side: 'dialer' } as unknown as LinkSession;

/** The chart with its work written down; every pause is the longest that its attempt may take. */
function stage(more: Partial<PeerConnectionInput>, over: Partial<PeerConnectionWork> = {}) {
  const clock = new ManualClock();
  const done: string[] = [];
  const work: PeerConnectionWork = {
    occupy: () => void done.push('occupy'),
    dial: async () => {
      done.push('dial');
      return channel;
    },
    begin: () => {
      done.push('begin');
      return session;
    },
    dialFailed: () => void done.push('dial failed'),
    wanted: () => true,
    isRevoked: () => false,
    random: () => 0xffff_ffff,
    leave: () => void done.push('leave'),
    release: () => void done.push('release'),
    gone: () => void done.push('gone'),
    ...over,
  };
  const actor = createActor(peerConnection, { clock, input: { work, notify() {}, ...more } });
  actor.start();
  const send = (event: PeerConnectionEvent): void => actor.send(event);
  const lost = (reason: 'lost' | 'duplicate' | 'self' | 'goodbye' = 'lost') =>
    send({ type: 'link.closed', end: { reason, text: reason } });
  return { clock, done, actor, send, lost, state: () => actor.getSnapshot().value };
}

const dialled = async (over: Partial<PeerConnectionWork> = {}) => {
  const on = stage({ target }, over);
  await settle();
  return on;
};

describe('a peer-connection that dials', () => {
  it('goes from dialing over greeting to ready, and follows congestion', async () => {
    const { state, send } = await dialled();
    expect(state()).toBe('greeting');
    send({ type: 'link.ready' });
    expect(state()).toEqual({ ready: 'flowing' });
    send({ type: 'link.congested' });
    expect(state()).toEqual({ ready: 'congested' });
    send({ type: 'link.flowing' });
    expect(state()).toEqual({ ready: 'flowing' });
  });

  it('dials again after a pause that doubles with each failure', async () => {
    const { clock, done, state } = await dialled({
      dial: async () => {
        done.push('dial');
        throw new CaxtonError('UNREACHABLE', 'nobody is there');
      },
    });
    for (const pause of [100, 200, 400]) {
      expect(state()).toBe('backing-off');
      const before = done.length;
      await clock.advanceAsync(pause - 10);
      expect(done.length).toBe(before);
      await clock.advanceAsync(10);
      expect(done.slice(before)).toEqual(['dial', 'dial failed']);
    }
  });

  it('backs off from a peer whose certificate is not accepted', async () => {
    const { state } = await dialled({ begin: () => undefined });
    expect(state()).toBe('backing-off');
  });

  it('waits long when either side is revoked: nothing but an operator can change that', async () => {
    const { clock, done, lost, state } = await dialled({ isRevoked: () => true });
    lost();
    const before = done.length;
    await clock.advanceAsync(limits.revokedRedialMs - 10);
    expect([state(), done.length]).toEqual(['backing-off', before]);
    await clock.advanceAsync(10);
    expect(done.slice(before)).toEqual(['dial', 'begin']);
  });

  it('forgets the pauses only of a link that has held, so that one which comes and goes is not dialled in a loop', async () => {
    const { clock, done, send, lost } = await dialled();
    const pauseAfterLoss = async (): Promise<number> => {
      lost();
      const dials = () => done.filter((what) => what === 'dial').length;
      const before = dials();
      let waited = 0;
      for (; dials() === before && waited < 20_000; waited += 50) await clock.advanceAsync(50);
      send({ type: 'link.ready' });
      return waited;
    };
    send({ type: 'link.ready' });
    expect([await pauseAfterLoss(), await pauseAfterLoss(), await pauseAfterLoss()]).toEqual([100, 200, 400]);
    await clock.advanceAsync(linkBackoff.maxMs);
    expect(await pauseAfterLoss()).toBe(100);
  });

  it('asks after its pause whether the peer is still wanted, and ends when it is not', async () => {
    let wanted = true;
    const { clock, done, actor, lost } = await dialled({ wanted: () => wanted });
    lost();
    wanted = false;
    await clock.advanceAsync(100);
    expect(actor.getSnapshot().status).toBe('done');
    expect(done.filter((what) => what === 'dial')).toHaveLength(1);
    expect(done).toContain('gone');
  });

  it('looks again after a pause when another link was kept, for that one may be lost as well', async () => {
    const { clock, done, state, lost } = await dialled();
    lost('duplicate');
    expect(state()).toBe('backing-off');
    await clock.advanceAsync(100);
    expect(done.filter((what) => what === 'dial')).toHaveLength(2);
  });

  it('ends for good when the peer is this node', async () => {
    const { actor, lost } = await dialled();
    lost('self');
    expect(actor.getSnapshot().status).toBe('done');
  });

  it('takes leave and ends when told to shut down, in whatever state', async () => {
    const dialing = stage({ target }, { dial: () => new Promise(() => {}) });
    const greeting = await dialled();
    const ready = await dialled();
    ready.send({ type: 'link.ready' });
    const waiting = await dialled();
    waiting.lost();
    for (const { actor, done, send } of [dialing, greeting, ready, waiting]) {
      send({ type: 'kernel.shutdown' });
      expect(actor.getSnapshot().status).toBe('done');
      expect(done.filter((what) => ['leave', 'release', 'gone'].includes(what)).toSorted()).toEqual([
        'gone',
        'leave',
        'release',
      ]);
    }
  });

  it('aborts its dial when it is stopped', () => {
    let aborted = false;
    const { actor } = stage(
      { target },
      {
        dial: (_, signal) => {
          signal.addEventListener('abort', () => {
            aborted = true;
          });
          return new Promise(() => {});
        },
      },
    );
    actor.stop();
    expect(aborted).toBe(true);
  });

  it('releases the connection when it is stopped as it is', async () => {
    const { actor, done } = await dialled();
    actor.stop();
    expect(done).toContain('release');
    expect(done).not.toContain('gone');
  });
});

describe('a peer-connection that was accepted', () => {
  it('greets at once and never dials', async () => {
    const { clock, done, actor, state, send, lost } = stage({ channel });
    expect(state()).toBe('greeting');
    send({ type: 'link.ready' });
    lost();
    await clock.advanceAsync(60_000);
    expect(actor.getSnapshot().status).toBe('done');
    expect(done).not.toContain('dial');
    expect(done.filter((what) => what === 'gone')).toHaveLength(1);
  });

  it('is gone at once when the certificate is not accepted', () => {
    const { actor, done } = stage({ channel }, { begin: () => undefined });
    expect(actor.getSnapshot().status).toBe('done');
    expect(done).toContain('gone');
  });
});
