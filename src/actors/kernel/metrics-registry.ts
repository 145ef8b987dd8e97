import { limits } from '../../limits.ts';
import type { MetricSample, Metrics } from './ports.ts';

type Labels = Readonly<Record<string, string>>;

interface Series {
  readonly name: string;
  readonly kind: MetricSample['kind'];
  readonly labels: Labels;
  readonly key: string;
  value: number;
}

const noLabels: Labels = Object.freeze({});
const droppedName = 'caxton_metric_series_dropped_total';

/**
 * Counters and gauges in memory. A new series past `seriesMax` is not kept, and counted in
 * `caxton_metric_series_dropped_total`: a label that should have come from a closed set must not fill the memory.
 */
export function createMetrics(seriesMax: number = limits.metricSeriesMax): Metrics {
  const all = new Map<string, Series>();
  const dropped: Series = { name: droppedName, kind: 'counter', labels: noLabels, key: droppedName, value: 0 };

  const series = (kind: MetricSample['kind'], name: string, labels: Labels): Series => {
    const key = keyOf(name, labels);
    const known = all.get(key);
    if (known !== undefined) {
      if (known.kind !== kind) throw new Error(`metric ${name} is a ${known.kind} and cannot be a ${kind} too`);
      return known;
    }
    if (all.size >= seriesMax) {
      dropped.value += 1;
      return { name, kind, labels, key, value: 0 };
    }
    const made: Series = { name, kind, labels: Object.freeze({ ...labels }), key, value: 0 };
    all.set(key, made);
    return made;
  };

  return {
    count(name, labels = noLabels, amount = 1) {
      // A counter that falls would read as a restart of the process.
      if (amount >= 0) series('counter', name, labels).value += amount;
    },
    gauge(name, value, labels = noLabels) {
      series('gauge', name, labels).value = value;
    },
    read() {
      const listed = [...all.values()];
      if (dropped.value > 0) listed.push(dropped);
      return listed
        .sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)))
        .map(({ name, kind, labels, value }) => ({ name, kind, labels, value }));
    },
  };
}

/** The same for the same labels in whatever order they are written. */
function keyOf(name: string, labels: Labels): string {
  if (labels === noLabels) return name;
  const names = Object.keys(labels).sort();
  return names.reduce((key, label) => `${key}\u0000${label}\u0001${labels[label]}`, name);
}
