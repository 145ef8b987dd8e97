import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { shown } from '../json/text.ts';

/** How often something may happen: `count` times in `periodMs`, evenly, with `burst` at once after a pause. */
export interface Rate {
  readonly count: number;
  readonly periodMs: number;
  readonly burst: number;
}

const periods = { s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const form = /^([1-9][0-9]{0,14})\/(s|min|h|d)(?: burst ([1-9][0-9]{0,14}))?$/;

/** Reads `100/s`, `1000/min`, `10/h burst 3`; without a burst, the whole count may come at once. MALFORMED. */
export function parseRate(text: string): Result<Rate> {
  const found = form.exec(text);
  if (!found)
    return refuse('MALFORMED', `Expected a rate such as 100/s, 1000/min or 10/h burst 3, found “${shown(text)}”.`);
  const count = Number(found[1]);
  const burst = Number(found[3] ?? found[1]);
  if (count > limits.rateCountMax || burst > limits.rateCountMax)
    return refuse('MALFORMED', `A rate allows at most ${limits.rateCountMax} at once or in its period.`);
  return ok({ count, periodMs: periods[found[2] as keyof typeof periods], burst });
}

/** The text that `parseRate` reads. Throws on a period that has no name. */
export function rateText(rate: Rate): string {
  const unit = Object.entries(periods).find(([, ms]) => ms === rate.periodMs)?.[0];
  if (!unit) throw new RangeError(`no name for a period of ${rate.periodMs} ms`);
  return `${rate.count}/${unit}${rate.burst === rate.count ? '' : ` burst ${rate.burst}`}`;
}

/**
 * What keeps to both rates: the slower of the two over time, and the smaller burst. Of two that are as slow, the one with the
 * shorter period, so that the order does not matter.
 */
export function stricterRate(a: Rate, b: Rate): Rate {
  const difference = a.count * b.periodMs - b.count * a.periodMs;
  const slower = difference < 0 || (difference === 0 && a.periodMs <= b.periodMs) ? a : b;
  return { ...slower, burst: Math.min(a.burst, b.burst) };
}
