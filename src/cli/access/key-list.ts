import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { unwrap } from '../../errors.ts';
import { type AgreedKey, type ApiKeysBody, agreedKeys, apiKeysBody } from '../../protocols/access/api-keys.ts';
import { malformed, readShape } from '../../protocols/json/shape.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { shortTime, writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { table } from '../table.ts';
import { bodiesOfView } from './view-bodies.ts';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly resources: readonly string[];
  readonly notBefore: string;
  readonly expiresAt?: string;
  readonly state: 'in force' | 'ended' | 'not yet';
}

/** The keys of the cluster as one node holds them, a row for each secret; never a key. */
export async function list(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const views = await withNode(invocation, ({ client }) => client.notices());
  const shape = (body: unknown): ApiKeysBody =>
    unwrap(readShape(apiKeysBody, body, malformed('What the node says of the keys')));
  const bodies = bodiesOfView(views, 'api-keys').map(shape);
  const items = [...agreedKeys(bodies).values()].map(rowOf);
  if (json) {
    writeJson(terminal, { items });
    return 0;
  }
  if (bodies.length === 0) terminal.err('The cluster has no document of keys: each node goes by its own file.\n');
  const { dim } = styleFor(terminal.outIsTerminal, terminal.env);
  const columns = [
    { title: 'ID', cell: (row: Row) => row.id },
    { title: 'NAME', cell: (row: Row) => row.name },
    { title: 'ROLES', cell: (row: Row) => row.roles.join(', ') },
    { title: 'ON', cell: (row: Row) => row.resources.join(', ') },
    { title: 'UNTIL (UTC)', cell: (row: Row) => (row.expiresAt === undefined ? 'no end' : shortTime(row.expiresAt)) },
    { title: 'STATE', cell: (row: Row) => row.state },
  ];
  terminal.out(table(columns, items, { width: terminal.columns, head: dim }));
  return 0;
}

function rowOf({ id, entries, notBefore, expiresAt }: AgreedKey): Row {
  const [{ name, roles, resources }] = entries;
  const now = nodeClock.now();
  return {
    ...{ id, name, roles, resources, notBefore: new Date(notBefore).toISOString() },
    ...(Number.isFinite(expiresAt) ? { expiresAt: new Date(expiresAt).toISOString() } : {}),
    state: now < notBefore ? 'not yet' : now < expiresAt ? 'in force' : 'ended',
  };
}
