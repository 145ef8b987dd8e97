import { afterEach, describe, expect, it } from 'vitest';
import { setup } from 'xstate';
import type { AgentHandler, ReceivedMessage } from '../../../src/actors/agents/behaviour.ts';
import { ComposedMessage } from '../../../src/actors/messaging/composed-message.ts';
import { Content } from '../../../src/actors/messaging/content.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import { settle } from '../../../src/testing/manual-clock.ts';
import { refusalOf } from '../../crypto/fixtures.ts';
import { messageHeader } from '../messaging/fixtures.ts';
import { hosting } from './agent-lab.ts';

const bob = 'default/bob' as AgentId;
const message = (content = 'hi', receiver = bob): ReceivedMessage =>
  new ComposedMessage(messageHeader({ receiver }), unwrap(Content.fromValue(content)));
const quiet = { kind: 'handler', handler: () => {} } as const;

let labs: Awaited<ReturnType<typeof hosting>>[] = [];
async function lab() {
  const made = await hosting();
  labs.push(made);
  return made;
}
afterEach(async () => {
  for (const { kernel, clock } of labs) {
    const stopped = kernel.stop();
    // A handler that never ends is cut off by the clock.
    await clock.advanceAsync(10_000);
    await stopped;
  }
  labs = [];
});

describe('the host of agents', () => {
  it('starts an agent under its tenant’s supervisor and hands it messages', async () => {
    const { host, kernel, modes } = await lab();
    const seen: unknown[] = [];
    unwrap(await host.start(bob, { kind: 'handler', handler: ({ content }) => void seen.push(content) }, undefined));
    expect(kernel.tree().map(({ path }) => path)).toContain('/node/agents/default/bob');
    expect(host.deliver(message()).ok).toBe(true);
    await settle();
    expect([seen, host.size, host.modeOf(bob)]).toEqual([['hi'], 1, 'running']);
    expect(modes.map(({ mode }) => mode)).toEqual(['starting', 'running']);
  });

  it('takes one name once, also while the first is still starting', async () => {
    const { host } = await lab();
    const [first, second] = await Promise.all([host.start(bob, quiet, undefined), host.start(bob, quiet, undefined)]);
    expect(first.ok).toBe(true);
    expect(refusalOf(second!).code).toBe('ALREADY_EXISTS');
  });

  it('starts many agents of one tenant at once under one supervisor', async () => {
    const { host, kernel } = await lab();
    const names = Array.from({ length: 20 }, (_, i) => `default/a${i}` as AgentId);
    const started = await Promise.all(names.map((name) => host.start(name, quiet, undefined)));
    expect(started.every(({ ok }) => ok)).toBe(true);
    expect(kernel.tree().filter(({ path }) => path === '/node/agents/default')).toHaveLength(1);
  });

  it('forgets an agent that could not start', async () => {
    const { host } = await lab();
    const chart = setup({}).createMachine({
      context: () => {
        throw new Error('no context');
      },
    });
    expect(refusalOf(await host.start(bob, { kind: 'chart', chart }, undefined)).code).toBe('SUPERVISION');
    expect(host.size).toBe(0);
    expect((await host.start(bob, quiet, undefined)).ok).toBe(true);
  });

  it('stops an agent, after which its name is free', async () => {
    const { host } = await lab();
    expect(refusalOf(await host.stop(bob)).code).toBe('UNKNOWN_AGENT');
    await host.start(bob, quiet, undefined);
    expect((await host.stop(bob)).ok).toBe(true);
    expect(refusalOf(host.deliver(message())).code).toBe('UNKNOWN_AGENT');
    expect((await host.start(bob, quiet, undefined)).ok).toBe(true);
  });

  it('leaves of messages that waited for an agent which is gone only who wrote them', async () => {
    const { host, kernel } = await lab();
    await host.start(bob, quiet, undefined);
    host.deliver(message());
    kernel.kill('/node/agents/default');
    host.deliver(message());
    await kernel.stop();
    const letters = kernel.deadLetters.recent().map((letter) => letter.message);
    expect(letters.length).toBeGreaterThan(0);
    for (const letter of letters) expect(letter).toEqual({ from: message().header.sender });
  });

  it.each(['/node/agents', '/node/agents/default', '/node/agents/default/bob'])(
    'stops an agent at once that waits because %s is suspended, and hands it nothing more',
    async (suspended) => {
      const { host, kernel } = await lab();
      const seen: unknown[] = [];
      unwrap(await host.start(bob, { kind: 'handler', handler: ({ content }) => void seen.push(content) }, undefined));
      kernel.suspend(suspended);
      expect(host.deliver(message()).ok).toBe(true);
      await settle();
      // No time goes by.
      unwrap(await host.stop(bob));
      expect([seen, kernel.deadLetters.count]).toEqual([[], 1]);
    },
  );

  it.each(['handler', 'chart'] as const)(
    'that is suspended while it works off its inbox ends as it would have: the order to stop was there first (%s)',
    async (kind) => {
      const { host, kernel } = await lab();
      let seen = 0;
      const see = (): void => {
        seen += 1;
        if (host.modeOf(bob) === 'stopping') kernel.suspend('/node/agents');
      };
      const chart = setup({}).createMachine({ on: { 'acl.request': { actions: see } } });
      unwrap(await host.start(bob, kind === 'chart' ? { kind, chart } : { kind, handler: see }, undefined));
      const stopped = host.stop(bob);
      const waiting = 2 * limits.turnMessagesMax;
      for (let at = 0; at < waiting; at += 1) unwrap(host.deliver(message()));
      // No time goes by.
      unwrap(await stopped);
      expect([seen, kernel.deadLetters.count, kernel.suspensions()]).toEqual([waiting, 0, ['/node/agents']]);
    },
  );

  it('refuses messages for an agent whose chart has ended', async () => {
    const { host } = await lab();
    const chart = setup({}).createMachine({
      initial: 'living',
      states: { living: { on: { 'acl.request': 'gone' } }, gone: { type: 'final' } },
    });
    await host.start(bob, { kind: 'chart', chart }, undefined);
    host.deliver(message());
    await settle();
    expect(refusalOf(host.deliver(message())).code).toBe('STOPPED');
  });

  it('counts what waits for a busy handler against the inbox', async () => {
    const { host } = await lab();
    await host.start(bob, { kind: 'handler', handler: () => new Promise(() => {}) }, undefined);
    let taken = 0;
    for (let round = 0; round < 80; round++) {
      for (let i = 0; i < 64; i++) if (host.deliver(message()).ok) taken++;
      await settle(1);
    }
    expect(refusalOf(host.deliver(message())).code).toBe('INBOX_FULL');
    expect(taken).toBeLessThanOrEqual(limits.inboxMessagesMax + 2 * 64);
  });

  describe.each(['/node/agents', '/node/agents/default'])('after the end of %s', (path) => {
    const seen: unknown[] = [];
    const noting = { kind: 'handler', handler: ({ content }: ReceivedMessage) => void seen.push(content) } as const;
    const other = 'other/carol' as AgentId;
    afterEach(() => void seen.splice(0));

    it('has all its agents back, those of other tenants too', async () => {
      const { host, kernel } = await lab();
      unwrap(await host.start(bob, noting, undefined));
      unwrap(await host.start(other, noting, undefined));
      kernel.kill(path);
      await settle();
      for (const receiver of [bob, other]) unwrap(host.deliver(message(receiver, receiver)));
      await settle();
      expect([seen, host.size, host.modeOf(bob)]).toEqual([[bob, other], 2, 'running']);
      expect((await host.stop(bob)).ok).toBe(true);
      expect(refusalOf(host.deliver(message())).code).toBe('UNKNOWN_AGENT');
      expect((await host.start(bob, quiet, undefined)).ok).toBe(true);
    });

    it('does not bring back one that is stopped just then, nor one that had ended', async () => {
      const { host, kernel } = await lab();
      const chart = setup({}).createMachine({ initial: 'gone', states: { gone: { type: 'final' } } });
      unwrap(await host.start(bob, noting, undefined));
      await host.start(other, { kind: 'chart', chart }, undefined);
      await settle();
      expect(host.modeOf(other)).toBe('stopped');
      kernel.kill(path);
      await host.stop(bob);
      await settle();
      const agents = kernel.tree().filter(({ path: at, kind }) => kind === 'worker' && at.startsWith('/node/agents'));
      expect([agents, host.size]).toEqual([[], 1]);
    });

    it('has the others back when one cannot start any more', async () => {
      const { host, kernel } = await lab();
      let starts = 0;
      const chart = setup({}).createMachine({
        context: () => {
          starts += 1;
          if (starts > 1) throw new Error('only once');
          return {};
        },
      });
      unwrap(await host.start('default/aged' as AgentId, { kind: 'chart', chart }, undefined));
      unwrap(await host.start(bob, noting, undefined));
      kernel.kill(path);
      await settle();
      unwrap(host.deliver(message('still here')));
      await settle();
      expect([seen, host.modeOf('default/aged' as AgentId)]).toEqual([['still here'], 'stopped']);
    });
  });

  it('answers a message once: what a life that was killed still does is not heard', async () => {
    const { host, kernel, said } = await lab();
    const goOn = Promise.withResolvers<void>();
    const late: unknown[] = [];
    const handler: AgentHandler = async (received, agent) => {
      await goOn.promise;
      late.push(agent.reply(received, { performative: 'inform', content: 'done' }));
    };
    unwrap(await host.start(bob, { kind: 'handler', handler }, undefined));
    host.deliver(
      new ComposedMessage(messageHeader({ receiver: bob, replyWith: 'q1' }), unwrap(Content.fromValue('x'))),
    );
    await settle();
    kernel.kill('/node/agents/default/bob');
    await settle();
    goOn.resolve();
    await settle();
    expect(said.map(({ draft }) => draft)).toMatchObject([{ performative: 'failure', inReplyTo: 'q1' }]);
    expect(late).toMatchObject([{ refusal: { code: 'STOPPED' } }]);
  });

  it.each([
    ['inform', ['inform']],
    ['agree', ['agree', 'failure']],
  ] as const)('that is killed after it has said %s says', async (performative, expected) => {
    const { host, kernel, said } = await lab();
    const handler: AgentHandler = (received, agent) => {
      agent.reply(received, { performative, content: '' });
      return new Promise(() => {});
    };
    unwrap(await host.start(bob, { kind: 'handler', handler }, undefined));
    host.deliver(
      new ComposedMessage(messageHeader({ receiver: bob, replyWith: 'q1' }), unwrap(Content.fromValue('x'))),
    );
    await settle();
    kernel.kill('/node/agents/default/bob');
    await settle();
    expect(said.map(({ draft }) => (draft as { performative: string }).performative)).toEqual(expected);
  });

  it('stops agents together: those that never end cost one shutdown time, and not one each', async () => {
    const { host, kernel, clock } = await lab();
    const names = ['default/a', 'default/b', 'other/c', 'other/d'] as AgentId[];
    for (const name of names) {
      unwrap(await host.start(name, { kind: 'handler', handler: () => new Promise(() => {}) }, undefined));
      unwrap(host.deliver(message('stay', name)));
    }
    await settle();
    let stopped = false;
    void kernel.stop().then(() => {
      stopped = true;
    });
    await clock.advanceAsync(4_900);
    expect(stopped).toBe(false);
    await clock.advanceAsync(200);
    await settle();
    expect(stopped).toBe(true);
  });

  it('keeps a crashing agent from its neighbours', async () => {
    const { host, kernel } = await lab();
    const carol = 'default/carol' as AgentId;
    const seen: unknown[] = [];
    const bad = () => {
      throw new Error('always');
    };
    await host.start(bob, { kind: 'handler', handler: bad }, undefined);
    await host.start(carol, { kind: 'handler', handler: ({ content }) => void seen.push(content) }, undefined);
    for (let i = 0; i < 20; i++) {
      host.deliver(message());
      await settle();
    }
    expect([host.modeOf(bob), host.modeOf(carol)]).toEqual(['suspended', 'running']);
    host.deliver(message('hi', carol));
    await settle();
    expect(seen).toEqual(['hi']);
    expect(kernel.tree().find(({ path }) => path === '/node/agents/default')?.restarts).toBe(0);
  });

  it('lets agents speak in their own name only, in the conversation that they answer', async () => {
    const { host, said } = await lab();
    await host.start(bob, quiet, undefined);
    const agent = host.contextOf(bob)!;
    const asked = message();
    agent.reply(asked, { performative: 'inform', content: 'yes' });
    expect(said).toMatchObject([
      { sender: bob, draft: { to: asked.sender, conversationId: asked.conversationId, inReplyTo: asked.id } },
    ]);
    expect(agent.find('echo')).toEqual(['default/echo']);
  });

  it('has the key of the agent that was given one, and of nobody else', async () => {
    const { host } = await lab();
    const keys = osCrypto.generateKeyPair('ed25519');
    await host.start(bob, quiet, keys.privateKey);
    expect(host.keyOf(bob)).toBe(keys.privateKey);
    expect(host.keyOf('default/other' as AgentId)).toBeUndefined();
  });
});
