import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { ReplayWindow } from '../../../src/protocols/authorization/replay.ts';

const code = (window: ReplayWindow, epoch: number, counter: number) => {
  const checked = window.check(epoch, counter);
  return checked.ok ? 'ok' : checked.refusal.code;
};

/** The dumb twin: a Set of all that was ever committed in the newest epoch. */
class Twin {
  readonly width: number;
  epoch = -1;
  newest = 0;
  seen = new Set<number>();
  constructor(width: number) {
    this.width = width;
  }
  commit(epoch: number, counter: number): boolean {
    if (epoch < this.epoch) return false;
    if (epoch > this.epoch) {
      this.epoch = epoch;
      this.newest = 0;
      this.seen = new Set();
    }
    if (counter <= this.newest - this.width || this.seen.has(counter)) return false;
    this.seen.add(counter);
    this.newest = Math.max(this.newest, counter);
    return true;
  }
}

describe('the replay window', () => {
  it('agrees with a set of everything seen', () => {
    const moves = fc.array(
      fc.record({
        epochUp: fc.oneof(
          { weight: 20, arbitrary: fc.constant(0) },
          { weight: 1, arbitrary: fc.constantFrom(1, 5, -1) },
        ),
        // Around the newest: mostly close by, sometimes far ahead or behind.
        step: fc.oneof(
          fc.integer({ min: -6, max: 6 }),
          fc.integer({ min: -80, max: 80 }),
          fc.integer({ min: -400, max: 400 }),
        ),
      }),
      { maxLength: 200 },
    );
    const widths = fc.constantFrom(1, 31, 32, 33, 64, 100, 255);
    fc.assert(
      fc.property(widths, moves, (width, all) => {
        const window = new ReplayWindow(width);
        const twin = new Twin(width);
        for (const { epochUp, step } of all) {
          const epoch = Math.max(0, twin.epoch + epochUp);
          const counter = Math.max(1, twin.newest + step);
          const checked = window.check(epoch, counter).ok;
          const committed = window.commit(epoch, counter).ok;
          expect(checked).toBe(committed);
          expect(committed).toBe(twin.commit(epoch, counter));
          expect([window.epoch, window.newest]).toEqual([twin.epoch, twin.newest]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([1, 31, 32, 33, 64, 96, 100])(
    'of %i counters knows every one of them at every place of the ring',
    (width) => {
      const window = new ReplayWindow(width);
      // Every third counter is left out, so that both answers are looked for all over the window.
      const isSent = (counter: number) => counter % 3 !== 0;
      for (let newest = 1; newest < 4 * width + 200; newest++) {
        if (!isSent(newest)) continue;
        expect(window.commit(0, newest).ok).toBe(true);
        for (let back = 0; back < width && newest - back > 0; back++) {
          if (code(window, 0, newest - back) !== (isSent(newest - back) ? 'REPLAYED' : 'ok'))
            expect.fail(`counter ${newest - back} was misjudged when ${newest} was the newest`);
        }
      }
    },
  );

  it('is not moved by a check', () => {
    const window = new ReplayWindow();
    window.commit(1, 5);
    expect(code(window, 9, 1_000_000)).toBe('ok');
    expect(code(window, 9, 1_000_000)).toBe('ok');
    expect(code(window, 1, 4)).toBe('ok');
    expect(window.epoch).toBe(1);
    expect(window.newest).toBe(5);
  });

  it('refuses the second of two copies that were checked before either was committed', () => {
    const window = new ReplayWindow();
    expect(window.check(1, 7).ok && window.check(1, 7).ok).toBe(true);
    expect(window.commit(1, 7).ok).toBe(true);
    expect(window.commit(1, 7).ok).toBe(false);
  });

  it('holds exactly as many counters as the limit says', () => {
    const window = new ReplayWindow();
    window.commit(0, 100_000);
    expect(code(window, 0, 100_000 - limits.replayWindowCounters + 1)).toBe('ok');
    expect(code(window, 0, 100_000 - limits.replayWindowCounters)).toBe('REPLAYED');
  });

  it('does not bring back an old boot', () => {
    const window = new ReplayWindow();
    window.commit(3, 10);
    window.commit(4, 1);
    expect(code(window, 3, 11)).toBe('REPLAYED');
    expect(code(window, 4, 10)).toBe('ok');
  });

  it('counts on past 2^32, up to the last safe integer', () => {
    const window = new ReplayWindow();
    for (const counter of [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER]) {
      expect(window.commit(0, counter).ok).toBe(true);
      expect(code(window, 0, counter)).toBe('REPLAYED');
    }
  });

  it.each([
    [-1, 1],
    [0, 0],
    [0, -5],
    [0, 1.5],
    [Number.NaN, 1],
    [0, Number.NaN],
    [0, 2 ** 53],
  ])('refuses epoch %d and counter %d as malformed', (epoch, counter) => {
    expect(code(new ReplayWindow(), epoch, counter)).toBe('MALFORMED');
  });
});
