import { type ProtocolTable, projected, type Role } from './protocol-table.ts';

/** A protocol’s table as a Mermaid state diagram, for documents and the inspector; or what one role sees of it. */
export function toMermaid(table: ProtocolTable, role?: Role): string {
  const lines = role
    ? projected(table, role).map(({ from, does, act, to }) => `  ${from} --> ${to}: ${does} ${act}`)
    : table.transitions.map(({ from, act, by, to }) => `  ${from} --> ${to}: ${by} ${act}`);
  const ends = [...table.final].map((state) => `  ${state} --> [*]`);
  return ['stateDiagram-v2', `  [*] --> ${table.initial}`, ...lines, ...ends, ''].join('\n');
}
