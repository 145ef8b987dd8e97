import { markdown, type Table } from './table.ts';

/** What one bench gives. */
export interface Report {
  readonly title: string;
  /** How it was measured and what a row means. */
  readonly about: readonly string[];
  readonly tables: readonly Table[];
}

export interface BenchOptions {
  /** To prove that everything still runs; the figures mean nothing. */
  readonly quick: boolean;
}

export interface RoundsPlan {
  readonly rounds: number;
  readonly warmUps: number;
}

/** A quick run takes two rounds, so that the statistics have something to do, and warms up nothing. */
export const roundsOf = (quick: boolean, plan: RoundsPlan): RoundsPlan => (quick ? { rounds: 2, warmUps: 0 } : plan);

export const reportText = ({ title, about, tables }: Report): string =>
  [`## ${title}`, '', ...about.flatMap((text) => [text, '']), ...tables.map(markdown)].join('\n');
