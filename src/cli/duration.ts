import { limits } from '../limits.ts';
import { UsageError } from './command.ts';

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds of `500ms`, `5s`, `1.5m`, `1h`; at most `limits.askMsMax`. UsageError. */
export function readDuration(text: string, option: string): number {
  const found = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text);
  const ms = found ? Math.round(Number(found[1]) * units[found[2] as keyof typeof units]) : Number.NaN;
  if (!(ms <= limits.askMsMax))
    throw new UsageError(`--${option} is a time such as 500ms, 5s or 2m, at most ${limits.askMsMax / units.h}h.`);
  return ms;
}
