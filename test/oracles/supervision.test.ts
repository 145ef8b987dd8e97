import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Case } from './erlang/case.ts';
import { difference } from './erlang/compare.ts';
import { Coverage } from './erlang/coverage.ts';
import { Erl } from './erlang/erl.ts';
import { type OurRun, runOurs } from './erlang/ours.ts';
import { randomCases } from './erlang/random-case.ts';
import { windowCases } from './erlang/window-case.ts';

/** The long run, of 20,000, is `npm run test:oracles:long`; another `ORACLE_SEED` draws other cases. */
const count = Number(process.env.ORACLE_CASES ?? 2_000);
const seed = Number(process.env.ORACLE_SEED ?? 20_251_123);
const batchSize = 200;
const windows = 50;

let erl: Erl;
beforeAll(() => {
  erl = new Erl();
});
afterAll(() => erl?.stop());

/** Runs cases on both, as many as `batchSize` beside each other; the first that differs, in words. */
async function firstDifference(
  cases: readonly Case[],
  covered?: Coverage,
): Promise<{ index: number; report: string } | undefined> {
  for (let from = 0; from < cases.length; from += batchSize) {
    const batch = cases.slice(from, from + batchSize);
    const theirs = erl.run(batch);
    const ours: OurRun[] = [];
    for (const one of batch) ours.push(await runOurs(one));
    const traces = await theirs;
    for (const [at, one] of batch.entries()) {
      const { trace, metrics } = ours[at]!;
      const found = difference(one, trace, traces[at] ?? []);
      covered?.add(one, traces[at] ?? [], metrics);
      if (found === undefined) continue;
      const report = `after step ${found.step}\nours:   ${found.ours}\nErlang: ${found.theirs}`;
      return { index: from + at, report };
    }
  }
  return undefined;
}

/** Fails with the smallest case that still differs, both traces and the seed. */
async function sameAsErlang(arbitrary: fc.Arbitrary<Case>, numRuns: number, covered?: Coverage): Promise<void> {
  const different = await firstDifference(fc.sample(arbitrary, { seed, numRuns }), covered);
  if (different === undefined) return;
  const alone = fc.asyncProperty(arbitrary, async (one) => {
    const again = await firstDifference([one]);
    if (again !== undefined) throw new Error(again.report);
  });
  await fc.assert(alone, { seed, path: String(different.index), numRuns: 1 });
  expect.fail(`Seed ${seed}, case ${different.index} differed, but not when it ran alone: ${different.report}`);
}

test(`${count} random trees and fault scripts end on our kernel as on Erlang/OTP (seed ${seed})`, async () => {
  const covered = new Coverage();
  await sameAsErlang(randomCases, count, covered);
  console.log(`What happened in ${count} cases, on both sides:\n${covered}`);
  // A handful of cases may well do without some of it.
  if (count >= 1_000) expect(covered.missing).toEqual([]);
}, 3_600_000);

test(`${windows} series of crashes meet the period’s edge as on Erlang/OTP, in real time there`, async () => {
  await sameAsErlang(windowCases, windows);
}, 600_000);
