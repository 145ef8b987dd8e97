import { afterEach, describe, expect, it } from 'vitest';
import { assign, setup } from 'xstate';
import type { AgentContext, Behaviour, ReceivedMessage } from '../../../src/actors/agents/behaviour.ts';
import { crashBudget } from '../../../src/actors/agents/cell.ts';
import { cellOf } from '../../../src/actors/agents/cell-logic.ts';
import type { CellEvent, CellInput, Seat } from '../../../src/actors/agents/seat.ts';
import { createKernel } from '../../../src/actors/kernel/create-kernel.ts';
import type { Kernel } from '../../../src/actors/kernel/kernel.ts';
import { createMetrics } from '../../../src/actors/kernel/metrics-registry.ts';
import type { Tap } from '../../../src/actors/kernel/ports.ts';
import type { Ref } from '../../../src/actors/kernel/ref.ts';
import { limits } from '../../../src/limits.ts';
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts';
import { messageHeader } from '../messaging/fixtures.ts';

const received = (content: unknown, replyWith = ''): ReceivedMessage => {
  const header = messageHeader({ replyWith });
  return {
    header,
    id: header.id,
    performative: header.performative,
    sender: header.sender,
    protocol: header.protocol,
    conversationId: header.conversationId,
    content,
  };
};

let kernel: Kernel | undefined;
afterEach(() => kernel?.stop());

async function seated(behaviour: Behaviour) {
  const clock = new ManualClock(1_000);
  const seat: Seat = { mode: 'verifying', queue: [], crashes: [] };
  const modes: string[] = [];
  const replies: unknown[] = [];
  const context = {
    id: 'default/one',
    tell: () => ({ ok: true, value: { id: '', conversationId: '' } }),
    reply: (_to: ReceivedMessage, answer: unknown) => {
      replies.push(answer);
      return { ok: true, value: undefined };
    },
    find: () => [],
  } as unknown as AgentContext;
  const shown: unknown[] = [];
  const tap: Tap = (event) => {
    if (event.type === 'actor.transition') shown.push(event.to);
  };
  kernel = createKernel({ clock, metrics: createMetrics(), tap: () => tap });
  await kernel.start({
    kind: 'supervisor',
    id: 'agents',
    strategy: 'one-for-one',
    intensity: 100,
    children: [
      {
        kind: 'worker',
        id: 'one',
        logic: cellOf(behaviour),
        restart: 'transient',
        input: ({ self }: { self: Ref<CellEvent> }): CellInput => ({
          seat,
          behaviour,
          context,
          self,
          host: {
            monotonic: () => clock.monotonic(),
            onMode: (_, mode) => void modes.push(mode),
            keptBack: () => false,
            refOf: () => self,
          },
        }),
      },
    ],
  });
  const ref = kernel.ref<CellEvent>('/agents/one');
  return {
    clock,
    seat,
    modes,
    shown,
    replies,
    ref,
    send: (message: ReceivedMessage) => ref.tell({ type: 'agent.message', message }),
  };
}

const idle = setup({}).createMachine({ initial: 'idle', states: { idle: {} } });

describe('an agent’s cell', () => {
  it.each([
    ['handler', { kind: 'handler', handler: () => {} } as const],
    ['chart', { kind: 'chart', chart: idle } as const],
  ])('shows in the tree what an agent of kind %s is doing', async (_, behaviour) => {
    const { ref } = await seated(behaviour);
    const state = () => kernel!.tree().find(({ path }) => path === ref.path)?.state;
    const seen = [state()];
    for (const type of ['agent.suspend', 'agent.resume', 'agent.compromised'] as const) {
      ref.tell({ type }, 'control');
      await settle();
      seen.push(state());
    }
    expect(seen).toEqual(['running', 'suspended', 'running', 'compromised']);
  });

  it('shows the tap each mode of an agent without a chart', async () => {
    const { ref, shown } = await seated({ kind: 'handler', handler: () => {} });
    ref.tell({ type: 'agent.suspend' }, 'control');
    await settle();
    await kernel!.stop();
    expect(shown).toEqual(['starting', 'running', 'suspended', 'stopping', 'stopped']);
  });

  it('passes verifying and starting before it runs', async () => {
    const { modes } = await seated({ kind: 'handler', handler: () => {} });
    expect(modes).toEqual(['starting', 'running']);
    expect(kernel!.tree().at(-1)?.state).toBe('running');
  });

  it('hands messages to a handler one at a time, in order, while a promise holds the next one back', async () => {
    const log: string[] = [];
    const release: (() => void)[] = [];
    const { send, seat } = await seated({
      kind: 'handler',
      handler: async ({ content }) => {
        log.push(`begin ${content}`);
        await new Promise<void>((resolve) => release.push(resolve));
        log.push(`end ${content}`);
      },
    });
    for (const content of ['a', 'b', 'c']) send(received(content));
    await settle();
    expect(log).toEqual(['begin a']);
    expect(seat.queue?.length).toBe(2);
    for (let i = 0; i < 3; i++) {
      release.shift()!();
      await settle();
    }
    expect(log).toEqual(['begin a', 'end a', 'begin b', 'end b', 'begin c', 'end c']);
    expect(seat.queue?.length).toBe(0);
  });

  it('holds messages back while suspended and hands them on when resumed', async () => {
    const log: unknown[] = [];
    const { ref, send, seat } = await seated({ kind: 'handler', handler: ({ content }) => void log.push(content) });
    ref.tell({ type: 'agent.suspend' }, 'control');
    await settle();
    send(received('late'));
    await settle();
    expect([seat.mode, log]).toEqual(['suspended', []]);
    ref.tell({ type: 'agent.resume' }, 'control');
    await settle();
    expect([seat.mode, log]).toEqual(['running', ['late']]);
  });

  it('answers `failure` to whoever waits when the handler throws, and is restarted', async () => {
    let calls = 0;
    const { send, replies, seat } = await seated({
      kind: 'handler',
      handler: () => {
        calls++;
        if (calls === 1) throw new Error('bad day');
      },
    });
    send(received('x', 'waiting'));
    await settle();
    expect(replies).toEqual([{ performative: 'failure', content: { reason: expect.stringContaining('failed') } }]);
    send(received('y'));
    await settle();
    expect([calls, seat.mode]).toEqual([2, 'running']);
  });

  it('charges a rejected promise to the agent as a crash', async () => {
    const { send, seat } = await seated({ kind: 'handler', handler: () => Promise.reject(new Error('later')) });
    send(received('x'));
    await settle();
    expect(seat.crashes).toHaveLength(1);
    expect(seat.mode).toBe('running');
  });

  it('suspends an agent that keeps crashing instead of spending its neighbours’ restarts', async () => {
    const { send, seat } = await seated({
      kind: 'handler',
      handler: () => {
        throw new Error('always');
      },
    });
    for (let i = 0; i < crashBudget.crashesMax; i++) {
      send(received(i));
      await settle();
    }
    expect(seat.mode).toBe('suspended');
  });

  it('runs a chart as a child of the cell, whose crash is the agent’s crash', async () => {
    const chart = setup({
      types: { context: {} as { seen: number }, input: {} as { agent: AgentContext } },
    }).createMachine({
      context: { seen: 0 },
      on: {
        'acl.request': { actions: assign({ seen: ({ context }) => context.seen + 1 }) },
        'acl.inform': {
          actions: () => {
            throw new Error('chart');
          },
        },
      },
    });
    const { send, seat } = await seated({ kind: 'chart', chart });
    send(received('fine'));
    await settle();
    expect(seat.crashes).toBeUndefined();
    send({ ...received('boom'), performative: 'inform' });
    await settle();
    expect(seat.crashes).toHaveLength(1);
    expect(seat.mode).toBe('running');
  });

  it('finishes what it has before it stops', async () => {
    const log: string[] = [];
    const release: (() => void)[] = [];
    const { send, modes } = await seated({
      kind: 'handler',
      handler: async ({ content }) => {
        await new Promise<void>((resolve) => release.push(resolve));
        log.push(String(content));
      },
    });
    send(received('a'));
    send(received('b'));
    await settle();
    const stopped = kernel!.stop();
    await settle();
    release.shift()!();
    await settle();
    release.shift()!();
    await stopped;
    expect(log).toEqual(['a', 'b']);
    expect(modes.slice(-2)).toEqual(['stopping', 'stopped']);
  });

  it.each(['handler', 'chart'] as const)(
    'works off what was in its inbox when it was told to stop (%s)',
    async (kind) => {
      const log: string[] = [];
      const chart = setup({ types: { events: {} as { type: 'acl.request'; message: ReceivedMessage } } }).createMachine(
        {
          on: { 'acl.request': { actions: ({ event }) => log.push(String(event.message.content)) } },
        },
      );
      const handler = async ({ content }: ReceivedMessage): Promise<void> => {
        log.push(String(content));
      };
      const { send, modes } = await seated(kind === 'handler' ? { kind, handler } : { kind, chart });
      const all = Array.from({ length: limits.inboxMessagesMax }, (_, n) => String(n));
      for (const content of all) send(received(content));
      await kernel!.stop();
      expect(log).toEqual(all);
      expect(modes.slice(-2)).toEqual(['stopping', 'stopped']);
      expect(kernel!.deadLetters.count).toBe(0);
    },
  );

  it('hands what a life had taken out of the inbox to the next one, and loses only what was in hand', async () => {
    const log: unknown[] = [];
    const never = new Promise<void>(() => {});
    const { send, replies, seat } = await seated({
      kind: 'handler',
      handler: ({ content }) => {
        log.push(content);
        return content === 'in hand' ? never : undefined;
      },
    });
    for (const content of ['in hand', 'second', 'third']) send(received(content, 'waiting'));
    await settle();
    expect(seat.queue?.length).toBe(2);
    kernel!.kill('/agents/one');
    await settle();
    expect(log).toEqual(['in hand', 'second', 'third']);
    expect(replies).toEqual([{ performative: 'failure', content: { reason: expect.stringContaining('failed') } }]);
  });

  it.each(['suspended', 'compromised'] as const)('that is %s is so after a crash as well', async (mode) => {
    const log: unknown[] = [];
    const { ref, send, seat } = await seated({ kind: 'handler', handler: ({ content }) => void log.push(content) });
    ref.tell({ type: mode === 'suspended' ? 'agent.suspend' : 'agent.compromised' }, 'control');
    await settle();
    kernel!.kill('/agents/one');
    await settle();
    send(received('x'));
    await settle();
    expect([seat.mode, log]).toEqual([mode, []]);
  });
});
