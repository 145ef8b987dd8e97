import { describe, expect, it } from 'vitest';
import { nameLookup, type Resolve } from '../../../../src/actors/cluster/links/name-lookup.ts';
import { limits } from '../../../../src/limits.ts';

function slowSystem() {
  const asked: { readonly host: string; readonly answer: Parameters<Resolve>[2] }[] = [];
  const lookup = nameLookup(4, (host, _, answer) => void asked.push({ host, answer }));
  const ask = (host: string) =>
    new Promise<string>((resolve) =>
      lookup(host, {}, (error, address) => resolve(error ? (error.code ?? '') : address)),
    );
  return { asked, ask };
}

const failure = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });

describe('names of peers', () => {
  it('are asked for once at a time, and everybody who waits hears the answer', async () => {
    const { asked, ask } = slowSystem();
    const answers = [ask('peer.test'), ask('peer.test'), ask('other.test')];
    expect(asked.map(({ host }) => host)).toEqual(['peer.test', 'other.test']);
    for (const { answer } of asked) answer(null, '192.0.2.1', 4);
    expect(await Promise.all(answers)).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.1']);
  });

  it.each<[string, Error | null, string, string]>([
    ['an answer', null, '192.0.2.1', '192.0.2.1'],
    ['a failure', failure, '', 'ENOTFOUND'],
  ])('are not asked for again while %s is fresh', async (_, error, address, told) => {
    const { asked, ask } = slowSystem();
    const first = ask('peer.test');
    asked[0]!.answer(error, address, 4);
    expect([await first, await ask('peer.test'), asked.length]).toEqual([told, told, 1]);
  });

  it('that are addresses are not asked for', async () => {
    const { asked, ask } = slowSystem();
    expect([await ask('192.0.2.7'), asked.length]).toEqual(['192.0.2.7', 0]);
  });

  it('that never answer hold only so many places', async () => {
    const { asked, ask } = slowSystem();
    for (let name = 0; name < limits.namesLookedUpAtOnceMax; name += 1) void ask(`slow-${name}.test`);
    expect(await ask('one-more.test')).toBe('EBUSY');
    for (let waiter = 1; waiter < limits.nameLookupWaitersMax; waiter += 1) void ask('slow-0.test');
    expect(await ask('slow-0.test')).toBe('EBUSY');
    expect(asked).toHaveLength(limits.namesLookedUpAtOnceMax);
  });
});
