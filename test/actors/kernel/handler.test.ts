import { expect, test } from 'vitest';
import { specFaults } from '../../../src/actors/kernel/child-spec.ts';
import { fromHandler, type HandlerLogic } from '../../../src/actors/kernel/handler.ts';
import type { Ref } from '../../../src/actors/kernel/ref.ts';
import type { WorkerSpec } from '../../../src/actors/kernel/spec.ts';
import { lab, one, settle, until, worker } from './lab.ts';

interface Order {
  readonly type: 'count' | 'throw' | 'reject' | 'finish' | 'later';
}

const counting = (log: string[]): HandlerLogic<Order, string> =>
  fromHandler<Order, string>(({ input, finish, onEnd }) => {
    let count = 0;
    log.push(`begin ${input}`);
    onEnd(() => log.push(`end at ${count}`));
    return (message) => {
      count += 1;
      if (message.type === 'throw') throw new Error('boom');
      if (message.type === 'reject') return Promise.reject(new Error('boom'));
      if (message.type === 'later') return Promise.resolve();
      if (message.type === 'finish') finish();
      return undefined;
    };
  });

async function counter(log: string[], over: Partial<WorkerSpec> = {}) {
  const world = lab();
  await world.kernel.start(one('node', [worker('a', counting(log), { input: 'x', ...over })], { intensity: 5 }));
  const ref = world.kernel.ref<Order>('/node/a');
  const tell = async (type: Order['type']): Promise<void> => {
    ref.tell({ type });
    await settle();
  };
  return { ...world, tell };
}

test('a life can be an object: it hears its start, its messages, the order to shut down and its end, whatever ended it', async () => {
  const log: string[] = [];
  const note = (what: string) => void log.push(what);
  const logic = fromHandler<Order>((self) => {
    self.onEnd(() => note('clean up'));
    return {
      start: () => note('start'),
      receive: ({ type }) => {
        note(type);
        if (type === 'throw') throw new Error('boom');
      },
      shutDown: () => {
        note('shut down');
        self.finish();
      },
      end: () => note('end'),
    };
  });
  const { kernel } = lab();
  await kernel.start(one('node', [worker('a', logic)], { intensity: 5 }));
  const ref = kernel.ref<Order>('/node/a');
  for (const type of ['count', 'throw'] as const) {
    ref.tell({ type });
    await settle();
  }
  expect(log).toEqual(['start', 'count', 'throw', 'clean up', 'end', 'start']);
  log.length = 0;
  await kernel.stop();
  expect(log).toEqual(['shut down', 'clean up', 'end']);
});

test('a life that is an object and throws while it starts has ended, and hears of it', async () => {
  const log: string[] = [];
  const logic = fromHandler(() => ({
    start: () => {
      throw new Error('boom');
    },
    receive: () => {},
    end: () => void log.push('end'),
  }));
  const { kernel } = lab();
  await expect(kernel.start(one('node', [worker('a', logic)]))).rejects.toThrow('boom');
  expect(log).toEqual(['end']);
});

test('each life has state of its own; a throw and a rejection are crashes, and each life is cleaned up after', async () => {
  const log: string[] = [];
  const { kernel, tell, log: restarts } = await counter(log);
  for (const type of ['count', 'later', 'throw', 'count', 'reject', 'count'] as const) await tell(type);
  expect(restarts).toEqual(['restart /node/a crash', 'restart /node/a crash']);
  expect(log).toEqual(['begin x', 'end at 3', 'begin x', 'end at 2', 'begin x']);
  await kernel.stop();
  expect(log.at(-1)).toBe('end at 1');
});

test('one that finishes has ended normally', async () => {
  const log: string[] = [];
  const { kernel, tell, log: restarts } = await counter(log, { restart: 'transient' });
  await tell('finish');
  expect(restarts).toEqual([]);
  expect(kernel.tree().map(({ path }) => path)).toEqual(['/node']);
  expect(log).toEqual(['begin x', 'end at 1']);
  await kernel.stop();
});

test('a rejection that comes when its life is over harms nobody', async () => {
  let reject: (error: Error) => void = () => {};
  const { kernel, metrics, log } = lab();
  const logic = fromHandler<Order>((self) => (message) => {
    if (message.type === 'finish') return self.finish();
    return new Promise((_, fail) => {
      reject = fail;
    });
  });
  await kernel.start(one('node', [worker('a', logic)]));
  const ref = kernel.ref<Order>('/node/a');
  ref.tell({ type: 'later' });
  ref.tell({ type: 'finish' });
  await until(() => log.length === 1);
  reject(new Error('too late'));
  await settle();
  expect(log).toEqual(['restart /node/a normal']);
  expect(metrics.read().find(({ name }) => name === 'caxton_late_throws_total')?.value).toBe(1);
  await kernel.stop();
});

test('the order to shut down ends it at once, or when it is ready', async () => {
  const { kernel, clock } = lab();
  const done: string[] = [];
  const logic = fromHandler(({ onShutdown, finish, onEnd }) => {
    onEnd(() => done.push('end'));
    onShutdown(() => {
      done.push('prepare');
      clock.setTimeout(finish, 100);
    });
    return () => {};
  });
  await kernel.start(one('node', [worker('a', logic)]));
  const stopped = kernel.stop().then(() => done.push('stopped'));
  await settle();
  expect(done).toEqual(['prepare']);
  await clock.advanceAsync(100);
  await stopped;
  expect(done).toEqual(['prepare', 'end', 'stopped']);
  await kernel.stop();
});

test('a begin that throws is a start that failed; a clean-up that throws is nobody’s loss', async () => {
  const { kernel } = lab();
  await kernel.start(one('node', []));
  const bad = fromHandler(() => {
    throw new Error('no luck');
  });
  expect(await kernel.startChild('/node', worker('bad', bad))).toMatchObject({ refusal: { code: 'SUPERVISION' } });
  const untidy = fromHandler(({ onEnd }) => {
    onEnd(() => {
      throw new Error('not cleaned up');
    });
    return () => {};
  });
  await kernel.startChild('/node', worker('untidy', untidy));
  await kernel.stop();
});

test('it knows its own address', async () => {
  const { kernel } = lab();
  const refs: Ref<never>[] = [];
  const logic = fromHandler<never>(({ ref }) => {
    refs.push(ref);
    return () => {};
  });
  await kernel.start(one('node', [worker('a', logic)]));
  expect(refs.map(({ path }) => path)).toEqual(['/node/a']);
  await kernel.stop();
});

test.each([
  ['invalid-logic', { logic: {} }],
  ['invalid-logic', { logic: undefined }],
  ['invalid-overflow', { overflow: 'drop' }],
  ['invalid-overflow', { overflow: null }],
  ['invalid-group', { group: 'Not A Name' }],
  ['invalid-group', { group: 7 }],
])('a spec with a wrong field has %s', (name, over) => {
  const spec = { ...worker('a', counting([])), ...over } as unknown as WorkerSpec;
  expect(specFaults(spec, '/node').map((fault) => fault.name)).toContain(name);
  expect(specFaults(worker('a', counting([]), { overflow: 'wait', group: 'tenant' }), '/node')).toEqual([]);
});

test('an object whose life ended while it began hears its end, and nothing before', async () => {
  const log: string[] = [];
  const note = (what: string) => void log.push(what);
  const logic = fromHandler<Order>((self) => {
    self.finish();
    return { start: () => note('start'), receive: ({ type }) => note(type), end: () => note('end') };
  });
  const { kernel } = lab();
  await kernel.start(one('node', [worker('a', logic, { restart: 'temporary' })]));
  await settle();
  expect(log).toEqual(['end']);
});

test('a start of an object that rejects is a crash of the actor', async () => {
  let starts = 0;
  const logic = fromHandler<Order>(() => ({
    start: () => {
      starts += 1;
      return starts === 1 ? Promise.reject(new Error('boom')) : undefined;
    },
    receive: () => {},
  }));
  const { kernel } = lab();
  await kernel.start(one('node', [worker('a', logic)], { intensity: 5 }));
  await settle();
  expect(starts).toBe(2);
});
