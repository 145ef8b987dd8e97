import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fields, table } from '../../src/cli/table.ts';

const columns = ['A', 'B', 'C'].map((title, at) => ({ title, cell: (row: readonly string[]) => row[at] ?? '' }));
const plain = (text: string) => text;

it('gives every row one line that fits the width, whatever the cells hold', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.string({ unit: 'binary', maxLength: 60 }), { minLength: 3, maxLength: 3 })),
      (rows) => {
        const text = table(columns, rows, { width: 40, head: plain });
        const lines = text.split('\n');
        expect(lines).toHaveLength(rows.length + 2);
        for (const line of lines) expect([...line].length).toBeLessThanOrEqual(40);
        expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
      },
    ),
  );
});

it('cuts nothing without a width', () => {
  const long = 'x'.repeat(500);
  expect(table(columns, [[long, 'b', 'c']], { width: undefined, head: plain })).toContain(`${long}  b  c`);
});

it('paints after it has aligned', () => {
  const painted = [{ ...columns[0]!, paint: (cell: string) => `<${cell}>` }, columns[1]!];
  const rows = [
    ['a', 'b'],
    ['aaa', 'b'],
  ];
  expect(table(painted, rows, { width: undefined, head: plain })).toBe('A    B\n<a  >  b\n<aaa>  b\n');
});

it('aligns names and values', () => {
  expect(
    fields(
      [
        ['a', '1'],
        ['long', '2\u001b'],
      ],
      plain,
    ),
  ).toBe('a     1\nlong  2\\u001b\n');
});
