import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeChart, encodeChart } from '../../../src/actors/kernel/chart-snapshot.ts';
import { packed, unpacked } from '../../../src/actors/kernel/stored-json.ts';
import { limits } from '../../../src/limits.ts';
import { lab } from './lab.ts';

const { kernel } = lab();
const refOf = (path: string) => kernel.ref<never>(path);

/** What a chart may hold; fields that are `undefined` are as good as not there. */
const key = fc.string().filter((text) => !['__proto__', 'constructor', 'prototype', '$ref', '$error'].includes(text));
const { held } = fc.letrec<{ held: unknown }>((tie) => ({
  held: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noDefaultInfinity: true, noNaN: true }).filter((number) => !Object.is(number, -0)),
    fc.string(),
    fc.constantFrom('/node/a', '/node/b').map(refOf),
    fc.string().map((message) => new RangeError(message)),
    fc.array(tie('held'), { maxLength: 4 }),
    fc.dictionary(key, tie('held'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

test('what a chart may hold comes back as it was, through bytes', () => {
  fc.assert(
    fc.property(held, fc.integer({ min: 0, max: 2 ** 50 }), (context, now) => {
      const timers = [{ source: [], target: ['a', 'b'], event: { type: 'x', context }, id: 'i', delayMs: 5, inMs: -7 }];
      const bytes = encodeChart({ snapshot: { context }, timers }, 3, now);
      if (!bytes.ok) throw new Error(bytes.refusal.reasons[0]);
      const back = decodeChart(bytes.value, now + 10, refOf);
      expect(back).toEqual({
        ok: true,
        value: {
          version: 3,
          chart: { unverified: { snapshot: { context }, timers: [{ ...timers[0], inMs: -17 }] } },
        },
      });
    }),
  );
});

test('whatever bytes a store gives back, reading them is a value or a refusal', () => {
  const text = fc.oneof(
    fc.json(),
    fc.json().map((json) => `{"format":1,"version":1,"chart":${json},"timers":${json}}`),
    fc.string(),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        text.map((each) => new TextEncoder().encode(each)),
        fc.uint8Array(),
      ),
      (bytes) => {
        const read = decodeChart(bytes, 0, refOf);
        if (!read.ok) expect(['MALFORMED', 'LIMIT_EXCEEDED', 'NOT_SUPPORTED']).toContain(read.refusal.code);
      },
    ),
  );
});

test('the deepest that is written can be read', () => {
  const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);
  let written = 0;
  for (let levels = 1; levels <= limits.snapshotDepthMax + 2; levels += 1) {
    const bytes = encodeChart({ snapshot: nested(levels), timers: [] }, 1, 0);
    if (!bytes.ok) {
      expect(bytes.refusal.code).toBe('LIMIT_EXCEEDED');
      continue;
    }
    written += 1;
    expect(decodeChart(bytes.value, 0, refOf).ok).toBe(true);
  }
  expect(written).toBeGreaterThan(limits.snapshotDepthMax - 5);
  const own = { error: new Error('x') };
  expect(unpacked(JSON.parse(JSON.stringify(packed(own))), refOf)).toEqual(own);
});
