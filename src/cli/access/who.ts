import { unwrap } from '../../errors.ts';
import { type HeldRoles, judgeAccess, type RoleTable, roleTable } from '../../protocols/access/access.ts';
import { agreedKeys, apiKeysBody } from '../../protocols/access/api-keys.ts';
import { isPermission, permissions } from '../../protocols/access/permission.ts';
import { parseResource } from '../../protocols/access/resource.ts';
import { builtInRoles, rolesBody } from '../../protocols/access/roles.ts';
import { malformed, readShape, type Shape } from '../../protocols/json/shape.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { fields, table } from '../table.ts';
import { bodiesOfView } from './view-bodies.ts';

/** What the key of the profile may do. */
export async function whoami(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const view = await withNode(invocation, ({ client }) => client.whoami());
  if (json) writeJson(terminal, view);
  else {
    const { dim } = styleFor(terminal.outIsTerminal, terminal.env);
    const roles = view.roles.map(({ role, resources }) => `${role} on ${resources.join(', ')}`);
    terminal.out(
      fields(
        [
          ['identity', view.identity],
          ['roles', roles.length === 0 ? 'none' : roles.join('; ')],
          ['permissions', view.permissions.length === 0 ? 'none on the whole cluster' : view.permissions.join(', ')],
          ['until', view.expiresAt ?? 'it is revoked'],
        ],
        dim,
      ),
    );
  }
  return 0;
}

const shaped =
  <T>(shape: Shape<T>) =>
  (body: unknown): T =>
    unwrap(readShape(shape, body, malformed('What the node says is in force')));

/** The roles that there are. */
export async function list(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const views = await withNode(invocation, ({ client }) => client.notices());
  const bodies = bodiesOfView(views, 'roles').map(shaped(rolesBody));
  const items = [...builtInRoles, ...bodies.flatMap(({ roles }) => roles)].map((role) => ({
    ...role,
    subjects: bodies.flatMap(({ bindings }) =>
      bindings.flatMap((binding) => (binding.role === role.name ? binding.subjects : [])),
    ),
  }));
  if (json) {
    writeJson(terminal, { items });
    return 0;
  }
  const { dim } = styleFor(terminal.outIsTerminal, terminal.env);
  type Row = (typeof items)[number];
  const columns = [
    { title: 'ROLE', cell: (row: Row) => row.name },
    { title: 'PERMISSIONS', cell: (row: Row) => row.permissions.join(', ') },
    { title: 'DENIED', cell: (row: Row) => row.deniedPermissions.join(', ') },
    { title: 'BOUND TO', cell: (row: Row) => row.subjects.join(', ') },
  ];
  terminal.out(table(columns, items, { width: terminal.columns, head: dim }));
  return 0;
}

/** Who may do something, of the keys and bindings in force: by the same judgement as the nodes’. */
export async function whoCan(invocation: Invocation): Promise<ExitCode> {
  const { terminal, text, json } = invocation;
  const permission = text('permission') ?? '';
  if (!isPermission(permission)) throw new UsageError(`PERMISSION is ${permissions.join(', ')}.`);
  const on = parseResource(text('on') ?? 'cluster');
  if (!on.ok) throw new UsageError(on.refusal.reasons[0]);
  const views = await withNode(invocation, ({ client }) => client.notices());
  const [first, ...rivals] = bodiesOfView(views, 'roles').map((body) => roleTable(shaped(rolesBody)(body)));
  const tables: readonly [RoleTable, ...RoleTable[]] = first ? [first, ...rivals] : [roleTable()];
  const keys = agreedKeys(bodiesOfView(views, 'api-keys').map(shaped(apiKeysBody)));
  const subjects = new Map<string, readonly [HeldRoles, ...HeldRoles[]]>();
  for (const { id, entries } of keys.values()) subjects.set(`apikey:${id}`, entries);
  const items = [...subjects].flatMap(([subject, own]) =>
    judgeAccess({ subject, tables, own }, permission, on.value).ok ? [{ subject }] : [],
  );
  if (json) writeJson(terminal, { permission, on: on.value, items });
  else terminal.out(items.map(({ subject }) => `${subject}\n`).join(''));
  return 0;
}
