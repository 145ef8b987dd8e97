import type { ProtocolTable } from './protocol-table.ts';

/** A protocol’s table as a Mermaid state diagram, for documents and the inspector. */
export function toMermaid(table: ProtocolTable): string {
  const lines = table.transitions.map(({ from, act, by, to }) => `  ${from} --> ${to}: ${by} ${act}`);
  const ends = [...table.final].map((state) => `  ${state} --> [*]`);
  return ['stateDiagram-v2', `  [*] --> ${table.initial}`, ...lines, ...ends, ''].join('\n');
}
