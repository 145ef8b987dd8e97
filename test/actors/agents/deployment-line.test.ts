import { describe, expect, it } from 'vitest';
import { DeploymentLine } from '../../../src/actors/agents/deployment-line.ts';
import { ok, type Result, refuse } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import { refusalOf } from '../../crypto/fixtures.ts';

const round = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Work that goes on until it is told to end. */
function works() {
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  return {
    begun,
    endOldest: () => ends.shift()?.(),
    work: (n: number) => async (): Promise<Result<number>> => {
      begun.push(n);
      await new Promise<void>((resolve) => ends.push(resolve));
      return ok(n);
    },
  };
}

describe('the line of deployments', () => {
  it('begins some in each round of the event loop, in the order in which they came', async () => {
    const line = new DeploymentLine();
    const { begun, work } = works();
    const count = 3 * limits.deploymentsPerRoundMax;
    for (let n = 0; n < count; n += 1) void line.run(work(n));
    const after: number[] = [];
    while (begun.length < count) {
      await round();
      after.push(begun.length);
    }
    const most = after.map((now, index) => now - (after[index - 1] ?? 0));
    expect(Math.max(...most)).toBeLessThanOrEqual(2 * limits.deploymentsPerRoundMax);
    expect(begun).toEqual(Array.from({ length: count }, (_, n) => n));
  });

  it('has no more under way than the audit log can take at once', async () => {
    const line = new DeploymentLine();
    const { begun, work, endOldest } = works();
    for (let n = 0; n <= limits.deploymentsAtOnceMax; n += 1) void line.run(work(n));
    while (begun.length < limits.deploymentsAtOnceMax) await round();
    for (let n = 0; n < 5; n += 1) await round();
    expect(begun).toHaveLength(limits.deploymentsAtOnceMax);
    endOldest();
    await round();
    await round();
    expect(begun).toHaveLength(limits.deploymentsAtOnceMax + 1);
  });

  it('goes on after a refusal and after a throw', async () => {
    const line = new DeploymentLine();
    const results = await Promise.allSettled([
      line.run(async () => refuse('MALFORMED', 'no')),
      line.run(() => Promise.reject(new Error('a bug'))),
      line.run(async () => ok(3)),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    for (let n = 0; n < 2 * limits.deploymentsAtOnceMax; n += 1)
      expect((await line.run(async () => ok(n))).ok).toBe(true);
  });

  it('refuses those who wait and those who come once it is closed, and lets the others end', async () => {
    const line = new DeploymentLine();
    const { begun, work, endOldest } = works();
    const all = Array.from({ length: limits.deploymentsPerRoundMax + 10 }, (_, n) => line.run(work(n)));
    line.close();
    all.push(line.run(work(-1)));
    await round();
    for (const _ of begun) endOldest();
    const results = await Promise.all(all);
    expect(begun).toHaveLength(limits.deploymentsPerRoundMax);
    expect(results.filter(({ ok }) => ok)).toHaveLength(limits.deploymentsPerRoundMax);
    expect(new Set(results.filter(({ ok }) => !ok).map((result) => refusalOf(result).code))).toEqual(
      new Set(['STOPPED']),
    );
  });

  it('has an end: more than that are refused', async () => {
    const line = new DeploymentLine();
    const { work } = works();
    const room = limits.agentsMax + limits.deploymentsPerRoundMax;
    const all = Array.from({ length: room }, (_, n) => line.run(work(n)));
    expect(refusalOf(await line.run(work(room)))).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      text: expect.stringContaining('wait here already'),
    });
    line.close();
    expect(all).toHaveLength(room);
  });
});
