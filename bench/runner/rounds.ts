import type { RoundsPlan } from './report.ts';

/** What one round of a contender gave: quantities by name. All rounds of a contender give the same names. */
export type Reading = Readonly<Record<string, number>>;

export interface Contender {
  readonly name: string;
  readonly round: () => Promise<Reading>;
}

/** All readings of one contender, by name of the quantity, in the order of the rounds. */
export type Readings = Readonly<Record<string, readonly number[]>>;

/** A, B, C, A, B, C …: the contenders take turns, so that each round’s readings were made under the same weather. */
export async function interleave(
  contenders: readonly Contender[],
  { rounds, warmUps }: RoundsPlan,
): Promise<ReadonlyMap<string, Readings>> {
  const readings = new Map(contenders.map(({ name }) => [name, {} as Record<string, number[]>]));
  for (let round = -warmUps; round < rounds; round++)
    for (const { name, round: run } of contenders) {
      const reading = await run();
      if (round < 0) continue;
      const all = readings.get(name)!;
      for (const [quantity, value] of Object.entries(reading)) {
        all[quantity] ??= [];
        all[quantity].push(value);
      }
    }
  return readings;
}
