import { afterEach, describe, expect, it } from 'vitest';
import type { ReceivedMessage } from '../../../src/actors/agents/behaviour.ts';
import { ComposedMessage } from '../../../src/actors/messaging/composed-message.ts';
import { Content } from '../../../src/actors/messaging/content.ts';
import { unwrap } from '../../../src/errors.ts';
import type { AgentId } from '../../../src/names.ts';
import { messageHeader } from '../messaging/fixtures.ts';
import { hosting } from './agent-lab.ts';

const message = (receiver: AgentId): ReceivedMessage =>
  new ComposedMessage(messageHeader({ receiver }), unwrap(Content.fromValue('work')));

let stop: () => Promise<void> = async () => {};
afterEach(() => stop());

/**
 * `busy` agents of one tenant that always have something to do, and one of another that is asked one question after the
 * other: how many turns of the busy ones pass while it waits for each.
 */
async function waits({ busy, quiet }: { busy: string; quiet: string }): Promise<readonly number[]> {
  const { host, kernel } = await hosting();
  const crowd = Array.from({ length: 1_000 }, (_, i) => `${busy}/worker-${i}` as AgentId);
  const single = `${quiet}/single` as AgentId;
  let turns = 0;
  let over = false;
  stop = async () => {
    over = true;
    await kernel.stop();
  };
  for (const name of crowd) {
    // Each gives itself more to do once its turn is over: one message in every turn.
    const handler = (): void => {
      turns += 1;
      if (!over) queueMicrotask(() => host.deliver(message(name)));
    };
    unwrap(await host.start(name, { kind: 'handler', handler }, undefined));
  }
  const found: number[] = [];
  const done = Promise.withResolvers<void>();
  let askedAt = 0;
  const answer = (): void => {
    found.push(turns - askedAt);
    if (found.length === 20) done.resolve();
    else ask();
  };
  // Asked in between other turns, as what comes from the network is.
  const ask = (): void => {
    setImmediate(() => {
      askedAt = turns;
      host.deliver(message(single));
    });
  };
  unwrap(await host.start(single, { kind: 'handler', handler: answer }, undefined));
  for (const name of crowd) unwrap(host.deliver(message(name)));
  ask();
  await done.promise;
  return found;
}

describe('turns', () => {
  it('are shared between tenants: a thousand busy agents of one do not keep the agent of another waiting', async () => {
    const found = await waits({ busy: 'big', quiet: 'small' });
    expect(Math.max(...found)).toBeLessThanOrEqual(2);
  });

  it('are shared within a tenant as well, so that there it waits for all the others', async () => {
    const found = await waits({ busy: 'big', quiet: 'big' });
    expect(Math.min(...found)).toBeGreaterThan(500);
  });
});
