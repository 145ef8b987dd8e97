import type { Readings } from './rounds.ts';
import { type Spread, spreadOf, unrest, unrestMax } from './statistics.ts';

/** One table of a bench. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly after: readonly string[];
}

/** A goal and whether the run reached it. */
export const verdict = (goal: string, reached: boolean, figure: string): string =>
  `Goal: ${goal}. ${reached ? 'Reached' : 'NOT reached'}: ${figure}.`;

/** Three digits that count. */
export function shortNumber(value: number): string {
  if (value >= 1_000) {
    const step = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 2);
    return (Math.round(value / step) * step).toLocaleString('en');
  }
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** `12,300 (11,900 to 12,800)`: the median, then the least and the greatest. */
export const shownSpread = ({ median, min, max }: Spread): string =>
  `${shortNumber(median)} (${shortNumber(min)} to ${shortNumber(max)})`;

/** A sentence when the readings of one quantity scatter so much that small differences mean nothing. */
export function noise(readings: ReadonlyMap<string, Readings>, quantity: string): readonly string[] {
  const restless = [...readings]
    .map(([name, all]) => ({ name, part: unrest(spreadOf(all[quantity] ?? [])) }))
    .filter(({ part }) => part > unrestMax);
  if (restless.length === 0) return [];
  const named = restless.map(({ name, part }) => `${name} ${Math.round(part * 100)} %`).join(', ');
  return [
    `Noisy machine: the middle half of the rounds is wider than ${unrestMax * 100} % of the median (${named}). ` +
      'Trust the ratios more than the figures, and run it again on a quiet machine before acting on it.',
  ];
}

export function markdown({ title, head, rows, after }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const paragraphs = (texts: readonly string[]) => texts.flatMap((text) => [text, '']);
  return [
    `### ${title}`,
    '',
    line(head),
    line(head.map((_, column) => (column === 0 ? '---' : '---:'))),
    ...rows.map(line),
    '',
    ...paragraphs(after),
  ].join('\n');
}
