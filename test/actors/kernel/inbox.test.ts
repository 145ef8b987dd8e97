import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Inbox } from '../../../src/actors/kernel/inbox.ts';
import { Ring } from '../../../src/actors/kernel/ring.ts';
import { limits } from '../../../src/limits.ts';

test('a ring does what an array does, over any sequence of steps', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(9), fc.constant('shift' as const), fc.constant('withdraw' as const)), {
        maxLength: 400,
      }),
      (steps) => {
        const ring = new Ring<number>();
        let model: number[] = [];
        for (const step of steps) {
          if (step === 'shift') expect(ring.shift()).toBe(model.shift());
          else if (step === 'withdraw') {
            ring.withdraw((item) => item === 3);
            model = model.filter((item) => item !== 3);
          } else {
            ring.push(step);
            model.push(step);
          }
          expect(ring.length).toBe(model.length);
        }
        while (model.length > 0) expect(ring.shift()).toBe(model.shift());
        expect(ring.shift()).toBeUndefined();
      },
    ),
  );
});

test('control goes before supervision before user, each in the order it came', () => {
  const inbox = new Inbox(10);
  const put = (name: string, lane: 'control' | 'supervision' | 'user') => inbox.offer({ name }, lane);
  put('u1', 'user');
  put('s1', 'supervision');
  put('u2', 'user');
  put('c1', 'control');
  put('s2', 'supervision');
  put('c2', 'control');
  expect(inbox.waiting).toBe(6);
  expect(Array.from({ length: 6 }, () => (inbox.shift() as { name: string }).name)).toEqual([
    'c1',
    'c2',
    's1',
    's2',
    'u1',
    'u2',
  ]);
  expect(inbox.shift()).toBeUndefined();
});

test('a full user lane takes no more, the upper lanes do', () => {
  const inbox = new Inbox(2);
  expect([1, 2, 3].map((n) => inbox.offer({ n }, 'user'))).toEqual([true, true, false]);
  for (let n = 0; n < 100; n += 1)
    expect(inbox.offer({ n }, 'control') && inbox.offer({ n }, 'supervision')).toBe(true);
  expect(inbox.waiting).toBe(202);
  while (inbox.waiting > 1) inbox.shift();
  expect(inbox.offer({ n: 4 }, 'user')).toBe(true);
  expect(inbox.shift()).toEqual({ n: 2 });
});

test('what is withdrawn from the control lane is gone, the rest keeps its order', () => {
  const inbox = new Inbox(2);
  const unwanted = {};
  const kept = [{ n: 1 }, { n: 2 }];
  for (const message of [unwanted, kept[0]!, unwanted, kept[1]!]) inbox.push(message, 'control');
  inbox.withdraw((message) => message === unwanted, 'control');
  expect([inbox.shift(), inbox.shift(), inbox.shift()]).toEqual([...kept, undefined]);
});

test('actors fill the upper lanes up to a bound; the kernel’s own messages still get in', () => {
  const inbox = new Inbox(1);
  for (let n = 0; n < limits.urgentMessagesMax; n += 1)
    expect(inbox.offer({ n }, n % 2 === 0 ? 'control' : 'supervision')).toBe(true);
  expect(inbox.offer({}, 'control')).toBe(false);
  expect(inbox.offer({}, 'supervision')).toBe(false);
  inbox.push({}, 'control');
  inbox.push({}, 'supervision');
  expect(inbox.waiting).toBe(limits.urgentMessagesMax + 2);
  expect(inbox.offer({}, 'user')).toBe(true);
  expect(inbox.offer({}, 'user')).toBe(false);
});
