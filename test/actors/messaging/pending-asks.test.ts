import { describe, expect, it, vi } from 'vitest';
import { ComposedMessage } from '../../../src/actors/messaging/composed-message.ts';
import { Content } from '../../../src/actors/messaging/content.ts';
import { PendingAsks } from '../../../src/actors/messaging/pending-asks.ts';
import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import type { MessageHeader } from '../../../src/protocols/acl/message.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { messageHeader } from './fixtures.ts';

const alice = 'default/alice' as AgentId;
const bob = 'default/bob' as AgentId;
const mallory = 'default/mallory' as AgentId;

const answer = (over: Partial<MessageHeader> = {}) =>
  new ComposedMessage(
    messageHeader({ performative: 'inform', sender: bob, receiver: alice, inReplyTo: 'm1', ...over }),
    unwrap(Content.fromValue('yes')),
  );

function waiting(timeoutMs = 1_000, signal?: AbortSignal) {
  const clock = new ManualClock();
  const asks = new PendingAsks(clock);
  return { clock, asks, answer: asks.wait('m1', alice, bob, timeoutMs, signal) };
}

describe('an ask', () => {
  it('ends with the answer of the agent that was asked, once', async () => {
    const { asks, answer: answered, clock } = waiting();
    expect(asks.answered(answer())).toBe(true);
    expect(asks.answered(answer())).toBe(false);
    expect(await answered).toMatchObject({ ok: true, value: { content: 'yes' } });
    expect([asks.size, clock.pending]).toEqual([0, 0]);
  });

  it.each([
    ['another agent answers', { sender: mallory }],
    ['the answer goes to another agent', { receiver: mallory }],
    ['it answers another message', { inReplyTo: 'm2' }],
    ['it answers none', { inReplyTo: '' }],
  ])('goes on when %s', (_, over) => {
    const { asks } = waiting();
    expect(asks.answered(answer(over))).toBe(false);
    expect(asks.has('m1')).toBe(true);
  });

  it('that ended without an answer knows the one that comes late, and no other message', () => {
    const { asks, clock } = waiting();
    expect(asks.isLate(answer())).toBe(false);
    clock.advance(1_000);
    expect([asks.answered(answer()), asks.isLate(answer())]).toEqual([false, true]);
    expect(
      [{ sender: mallory }, { receiver: mallory }, { inReplyTo: 'm2' }].map((over) => asks.isLate(answer(over))),
    ).toEqual([false, false, false]);
    for (let id = 0; id < 2 * limits.endedAsksKeptMin; id++) {
      void asks.wait(`n${id}`, alice, bob, 1, undefined);
      clock.advance(1);
    }
    expect(asks.isLate(answer())).toBe(false);
  });

  it('that was answered has no late answer: what comes after it is a message like any other', () => {
    const { asks } = waiting();
    asks.answered(answer());
    expect(asks.isLate(answer())).toBe(false);
  });

  it('times out, at the latest after the longest time there is', async () => {
    const { clock, asks, answer: answered } = waiting(limits.askMsMax * 10);
    clock.advance(limits.askMsMax - 1);
    expect(asks.size).toBe(1);
    clock.advance(1);
    expect(await answered).toMatchObject({ refusal: { code: 'TIMED_OUT' } });
  });

  it('is cancelled by its signal, at once or later', async () => {
    const controller = new AbortController();
    const { asks, clock, answer: answered } = waiting(1_000, controller.signal);
    controller.abort();
    expect(await answered).toMatchObject({ refusal: { code: 'CANCELLED' } });
    expect([asks.size, clock.pending]).toEqual([0, 0]);
    expect(await asks.wait('m2', alice, bob, 1_000, AbortSignal.abort())).toMatchObject({
      refusal: { code: 'CANCELLED' },
    });
    expect(asks.has('m2')).toBe(false);
  });

  it('leaves no listener on a signal that lives on', () => {
    const controller = new AbortController();
    const removed = vi.spyOn(controller.signal, 'removeEventListener');
    const { asks } = waiting(1_000, controller.signal);
    asks.answered(answer());
    expect(removed).toHaveBeenCalledWith('abort', expect.any(Function));
  });

  it('ends with a refusal of the far side, and tells whether anybody waited', async () => {
    const { asks, answer: answered } = waiting();
    expect(asks.refused('m2', { code: 'UNAUTHORIZED', reasons: ['No.'] })).toBe(false);
    expect(asks.refused('m1', { code: 'UNAUTHORIZED', reasons: ['No.'] })).toBe(true);
    expect(await answered).toMatchObject({ refusal: { code: 'UNAUTHORIZED', reasons: ['No.'] } });
  });

  it('ends when the one who should answer is gone, and only then', async () => {
    const { asks, clock, answer: answered } = waiting();
    const other = asks.wait('m2', alice, mallory, 1_000, undefined);
    asks.fail((agent) => agent === bob, { code: 'UNREACHABLE', reasons: ['Gone.'] });
    expect(await answered).toMatchObject({ refusal: { code: 'UNREACHABLE' } });
    expect(asks.size).toBe(1);
    asks.stop();
    expect(await other).toMatchObject({ refusal: { code: 'STOPPED' } });
    expect(clock.pending).toBe(0);
  });

  it('tells when the last one was settled', () => {
    const { asks } = waiting();
    const settled = vi.fn();
    asks.onSettled = settled;
    void asks.wait('m2', alice, bob, 1_000, undefined);
    asks.answered(answer());
    expect(settled).not.toHaveBeenCalled();
    asks.refused('m2', { code: 'STOPPED', reasons: ['No.'] });
    expect(settled).toHaveBeenCalledOnce();
  });

  it('is refused when too many wait, without disturbing them', async () => {
    const asks = new PendingAsks(new ManualClock());
    for (let i = 0; i < limits.pendingAsksMax; i++) void asks.wait(`m${i}`, alice, bob, 1_000, undefined);
    expect(await asks.wait('more', alice, bob, 1_000, undefined)).toMatchObject({
      refusal: { code: 'LIMIT_EXCEEDED' },
    });
    expect([asks.size, asks.has('more')]).toEqual([limits.pendingAsksMax, false]);
  });
});
