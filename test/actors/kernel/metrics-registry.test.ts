import { expect, test } from 'vitest';
import { createMetrics } from '../../../src/actors/kernel/metrics-registry.ts';

test('counters add, gauges replace, labels tell series apart in whatever order they are written', () => {
  const metrics = createMetrics();
  metrics.count('z_total');
  metrics.count('a_total', { x: '1', y: '2' });
  metrics.count('a_total', { y: '2', x: '1' }, 4);
  metrics.count('a_total', { x: '2', y: '1' });
  metrics.gauge('m', 7);
  metrics.gauge('m', 3);
  expect(metrics.read()).toEqual([
    { name: 'a_total', kind: 'counter', labels: { x: '1', y: '2' }, value: 5 },
    { name: 'a_total', kind: 'counter', labels: { x: '2', y: '1' }, value: 1 },
    { name: 'm', kind: 'gauge', labels: {}, value: 3 },
    { name: 'z_total', kind: 'counter', labels: {}, value: 1 },
  ]);
});

test('a counter never falls, and a name has one kind', () => {
  const metrics = createMetrics();
  metrics.count('a_total', {}, 2);
  metrics.count('a_total', {}, -1);
  metrics.count('a_total', {}, Number.NaN);
  expect(metrics.read()[0]?.value).toBe(2);
  expect(() => metrics.gauge('a_total', 1)).toThrow(/is a counter/);
});

test('series past the limit are not kept, and counted; known ones go on', () => {
  const metrics = createMetrics(3);
  for (let n = 0; n < 10; n += 1) metrics.count('a_total', { n: String(n) });
  metrics.count('a_total', { n: '0' });
  expect(metrics.read().map(({ name, labels, value }) => [name, labels.n, value])).toEqual([
    ['a_total', '0', 2],
    ['a_total', '1', 1],
    ['a_total', '2', 1],
    ['caxton_metric_series_dropped_total', undefined, 7],
  ]);
});

test('what was read does not change afterwards, nor through the labels that were passed in', () => {
  const metrics = createMetrics();
  const labels = { kind: 'x' };
  metrics.count('a_total', labels);
  labels.kind = 'y';
  const before = metrics.read();
  metrics.count('a_total', { kind: 'x' });
  expect(before).toEqual([{ name: 'a_total', kind: 'counter', labels: { kind: 'x' }, value: 1 }]);
});
