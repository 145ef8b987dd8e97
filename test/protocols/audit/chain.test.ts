import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChainState, chainAppend, chainStart, chainStep } from '../../../src/protocols/audit/chain.ts';
import { denied, granted, sha256, utf8 } from './fixtures.ts';

function written(count: number): { lines: Uint8Array[]; head: ChainState } {
  const lines: Uint8Array[] = [];
  let head = chainStart;
  for (let i = 0; i < count; i++) {
    const step = chainAppend(head, { ...(i % 2 ? granted : denied), requestId: `r${i}` }, sha256, utf8);
    lines.push(step.line);
    head = step.state;
  }
  return { lines, head };
}

/** The head that the lines lead to, or the number of the first line that does not fit. */
function verified(lines: readonly Uint8Array[], from = chainStart): ChainState | number {
  let head = from;
  for (const [i, line] of lines.entries()) {
    const step = chainStep(head, line, sha256, utf8);
    if (!step.ok) return i;
    head = step.value;
  }
  return head;
}

const { lines, head } = written(12);
const edited = (index: number, edit: (text: string) => string) =>
  lines.map((line, i) => (i === index ? utf8.encode(edit(utf8.decode(line))) : line));

describe('the chain of the audit log', () => {
  it('starts from zeros and leads to the writer’s head', () => {
    expect(utf8.decode(lines[0]!)).toContain(`"seq":1,"prev":"${'0'.repeat(64)}"`);
    expect(verified(lines)).toEqual(head);
    expect(head.seq).toBe(12);
  });

  it('goes on from any head, as a second file does', () => {
    const middle = verified(lines.slice(0, 5)) as ChainState;
    expect(verified(lines.slice(5), middle)).toEqual(head);
  });

  it('hashes the line’s own bytes', () => {
    expect(head.hash).toBe(Buffer.from(sha256(lines.at(-1)!)).toString('hex'));
  });

  it.each([
    ['a changed word', edited(4, (text) => text.replace('refused', 'success')), 5],
    ['a space put in', edited(4, (text) => text.replace('"seq"', ' "seq"')), 5],
    ['a record taken out', lines.filter((_, i) => i !== 4), 4],
    ['a record put in twice', [...lines.slice(0, 5), lines[4]!, ...lines.slice(5)], 5],
    ['two records swapped', [...lines.slice(0, 4), lines[5]!, lines[4]!, ...lines.slice(6)], 4],
    ['the first record taken out', lines.slice(1), 0],
    ['a changed sequence', edited(4, (text) => text.replace('"seq":5', '"seq":6')), 4],
    ['bytes that are not UTF-8', lines.map((line, i) => (i === 4 ? new Uint8Array([0xff]) : line)), 4],
    ['half a line', edited(4, (text) => text.slice(0, 40)), 4],
    ['an empty line', edited(4, () => ''), 4],
  ])('shows %s', (_, tampered, firstBad) => {
    expect(verified(tampered)).toBe(firstBad);
  });

  it('shows any one byte changed, by the next line or by the head', () => {
    const bytes = lines.map((line) => line.length);
    const places = fc.integer({ min: 0, max: 11 }).chain((index) =>
      fc.record({
        index: fc.constant(index),
        at: fc.integer({ min: 0, max: bytes[index]! - 1 }),
        flip: fc.integer({ min: 1, max: 255 }),
      }),
    );
    fc.assert(
      fc.property(places, ({ index, at, flip }) => {
        const tampered = lines.map((line, i) =>
          i === index ? line.map((byte, j) => (j === at ? byte ^ flip : byte)) : line,
        );
        expect(verified(tampered)).not.toEqual(head);
      }),
      { numRuns: 300 },
    );
  });
});
