import { expect, test } from 'vitest';
import { Inbox } from '../../../src/actors/kernel/inbox.ts';
import { InboxShare } from '../../../src/actors/kernel/inbox-share.ts';
import { limits } from '../../../src/limits.ts';

/** Puts a message of the node in, as the kernel does; false when its share is used up. */
function putter(inbox: Inbox, share: InboxShare) {
  return (weightBytes: number): boolean => {
    if (!share.hasRoom(weightBytes) || !inbox.offer({}, 'user')) return false;
    share.add(weightBytes);
    return true;
  };
}

test('one node has half of the places of an inbox, and has them again as they are read', () => {
  const inbox = new Inbox(10);
  const put = putter(inbox, new InboxShare(inbox));
  expect([1, 2, 3, 4, 5, 6].map(() => put(1))).toEqual([true, true, true, true, true, false]);
  const other = putter(inbox, new InboxShare(inbox));
  expect([1, 2, 3, 4, 5].map(() => other(1))).toEqual([true, true, true, true, true]);
  expect(inbox.hasRoom).toBe(false);
  for (let read = 0; read < 6; read++) inbox.shift();
  expect(put(1)).toBe(true);
  expect(inbox.waiting).toBe(5);
});

test('one node has so much memory in an inbox and no more, however few its messages are', () => {
  const inbox = new Inbox(1_000);
  const put = putter(inbox, new InboxShare(inbox));
  const weight = limits.inboxBytesPerNodeMax / 4;
  expect([1, 2, 3, 4, 5].map(() => put(weight))).toEqual([true, true, true, true, false]);
  inbox.shift();
  expect([put(weight), put(1)]).toEqual([true, false]);
  for (let read = 0; read < 4; read++) inbox.shift();
  expect(put(limits.inboxBytesPerNodeMax)).toBe(true);
});

test('an inbox of one place is not closed to other nodes', () => {
  const inbox = new Inbox(1);
  expect(putter(inbox, new InboxShare(inbox))(1)).toBe(true);
});
