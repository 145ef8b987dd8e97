import { type LookupOneOptions, lookup } from 'node:dns';
import { isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import { limits } from '../../../limits.ts';

type Answer = [error: NodeJS.ErrnoException | null, address: string, family: number];

/** In the form that `createSocket` of node:dgram takes. */
export type LookupOne = (host: string, options: LookupOneOptions, callback: (...answer: Answer) => void) => void;

/** What the system is asked; a test brings its own. */
export type Resolve = (host: string, family: 4 | 6, answer: (...answer: Answer) => void) => void;

const bySystem: Resolve = (host, family, answer) => lookup(host, { family }, answer);

/**
 * The lookup of a datagram socket: each name is asked for once at a time and its answer kept for a while, a failure
 * too. A member may claim any name as its address, datagrams go out many times a second, and the system’s resolver
 * works in the threads that the disk needs as well: without this, slow names would stall the audit log.
 */
export function nameLookup(family: 4 | 6, resolve: Resolve = bySystem): LookupOne {
  const known = new LRUCache<string, Answer>({ max: limits.namesLookedUpMax, ttl: limits.nameLookupMs });
  const waiting = new Map<string, ((...answer: Answer) => void)[]>();
  return (host, _options, callback) => {
    if (isIP(host)) {
      process.nextTick(callback, null, host, family);
      return;
    }
    const answer = known.get(host);
    if (answer) {
      // Never on the caller’s stack, as the system’s.
      setImmediate(() => callback(...answer));
      return;
    }
    const others = waiting.get(host);
    if (others && others.length < limits.nameLookupWaitersMax) {
      others.push(callback);
      return;
    }
    if (others || waiting.size >= limits.namesLookedUpAtOnceMax) {
      const busy = Object.assign(new Error('too many names are being looked up'), { code: 'EBUSY' });
      setImmediate(() => callback(busy, '', family));
      return;
    }
    const callbacks = [callback];
    waiting.set(host, callbacks);
    resolve(host, family, (...found) => {
      waiting.delete(host);
      known.set(host, found);
      for (const waiter of callbacks) waiter(...found);
    });
  };
}
