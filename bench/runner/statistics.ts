/** Several readings of one quantity. Medians, because a shared machine’s worst readings say nothing about the program. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The middle half lies between these. */
  readonly lower: number;
  readonly upper: number;
}

/** The value below which a part (0 to 1) of the sorted numbers lies, between two of them by straight line. */
export function quantile(sorted: ArrayLike<number>, part: number): number {
  if (sorted.length === 0) throw new RangeError('no numbers');
  const at = (sorted.length - 1) * part;
  const low = sorted[Math.floor(at)]!;
  const high = sorted[Math.ceil(at)]!;
  return low + (high - low) * (at - Math.floor(at));
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    min: sorted[0]!,
    max: sorted.at(-1)!,
    lower: quantile(sorted, 0.25),
    upper: quantile(sorted, 0.75),
  };
}

/** Round by round, so that what slowed the machine for a while slowed both. */
export function ratioOf(values: readonly number[], others: readonly number[]): Spread {
  return spreadOf(values.map((value, round) => value / others[round]!));
}

/** The middle half as a part of the median: 0.02 on a quiet machine. */
export const unrest = ({ lower, median, upper }: Spread): number => (upper - lower) / median;

/** Above this the run says that its machine was noisy. */
export const unrestMax = 0.15;

/** Mean of differences and its 95 % interval, by the normal approximation: for twenty rounds and more. */
export function intervalOf(values: readonly number[]): {
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
} {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  const half = 1.96 * Math.sqrt(variance / values.length);
  return { mean, lower: mean - half, upper: mean + half };
}

/** What each round took more than the other’s, likewise. */
export function differenceOf(values: readonly number[], others: readonly number[]): Spread {
  return spreadOf(values.map((value, round) => value - others[round]!));
}
