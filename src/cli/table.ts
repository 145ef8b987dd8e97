import { printable } from '../protocols/printable.ts';

export interface Column<T> {
  readonly title: string;
  cell(row: T): string;
  /** Colours the padded cell. */
  paint?(padded: string, row: T): string;
}

const gap = '  ';
/** A column is not made narrower than this to fit the terminal. */
const widthMin = 8;

/**
 * Rows in aligned columns, a line each. With a `width` it fits: the widest columns give way first, and what was cut
 * ends in `…`. Cells come from outside and are made printable.
 */
export function table<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  options: { readonly width: number | undefined; readonly head: (text: string) => string },
): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.cell(row))));
  const natural = columns.map((column, at) =>
    Math.max(column.title.length, ...cells.map((line) => lengthOf(line[at]!))),
  );
  const widths = options.width === undefined ? natural : narrow(natural, options.width);
  const last = columns.length - 1;
  const pad = (text: string, at: number) =>
    at === last ? cut(text, widths[at]!) : padEnd(cut(text, widths[at]!), widths[at]!);
  const head = columns.map((column, at) => options.head(pad(column.title, at))).join(gap);
  const lines = rows.map((row, index) =>
    columns
      .map((column, at) => {
        const padded = pad(cells[index]![at]!, at);
        return column.paint ? column.paint(padded, row) : padded;
      })
      .join(gap),
  );
  return `${[head, ...lines].map((line) => line.trimEnd()).join('\n')}\n`;
}

function narrow(natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  let over = widths.reduce((sum, one) => sum + one, 0) + gap.length * (widths.length - 1) - width;
  while (over > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widths[widest]! <= widthMin) break;
    widths[widest]! -= 1;
    over -= 1;
  }
  return widths;
}

const lengthOf = (text: string): number => [...text].length;
const padEnd = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - lengthOf(text)));
const cut = (text: string, width: number): string =>
  lengthOf(text) <= width ? text : `${[...text].slice(0, width - 1).join('')}…`;

/** `name  value` lines. */
export function fields(
  pairs: readonly (readonly [name: string, value: string])[],
  dim: (text: string) => string,
): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${dim(name.padEnd(width))}  ${printable(value)}\n`).join('');
}
