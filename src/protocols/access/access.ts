import { ok, type Result, refuse } from '../../errors.ts';
import type { Permission } from './permission.ts';
import { coversResource, type Resource, touchesResource } from './resource.ts';
import { builtInRoles, type Role, type RolesBody, type Subject } from './roles.ts';

/** Roles that somebody has, and on what. */
export interface HeldRoles {
  readonly roles: readonly string[];
  readonly resources: readonly Resource[];
}

interface HeldRole {
  readonly role: Role;
  readonly resources: readonly Resource[];
}

/** What one roles document says, for looking up many times. */
export interface RoleTable {
  roleNamed(name: string): Role | undefined;
  boundTo(subject: Subject): readonly HeldRole[];
}

/** Of a document; without one the built-in roles alone, bound to nobody. */
export function roleTable(body: RolesBody = { roles: [], bindings: [] }): RoleTable {
  const roles = new Map([...builtInRoles, ...body.roles].map((role) => [role.name, role]));
  const bound = new Map<Subject, HeldRole[]>();
  for (const { role: named, subjects, resources } of body.bindings) {
    const role = roles.get(named);
    if (!role) continue;
    for (const subject of subjects) {
      const held = bound.get(subject);
      if (held) held.push({ role, resources });
      else bound.set(subject, [{ role, resources }]);
    }
  }
  return { roleNamed: (name) => roles.get(name), boundTo: (subject) => bound.get(subject) ?? [] };
}

/** Whoever asks, with all that documents in force say of them. */
export interface Standing {
  readonly subject: Subject;
  /** One for each roles document in force: more than one while two of a generation are about, and each must permit. */
  readonly tables: readonly [RoleTable, ...RoleTable[]];
  /** What the subject brings itself, as an API key does; likewise one for each document. */
  readonly own: readonly [HeldRoles, ...HeldRoles[]];
}

/** `anywhere`: on something, whatever it is; for whoever must be told now that nothing behind this door is for them. */
export type Wanted = Resource | 'anywhere';

/**
 * Whether a subject may do something to a resource (ADR-0016’s `has_permission` and `check_resource_access`): a role
 * must permit it, no role may deny it, by every document in force. A role that no document knows permits nothing.
 * INSUFFICIENT_PERMISSIONS.
 */
export function judgeAccess({ subject, tables, own }: Standing, permission: Permission, wanted: Wanted): Result<void> {
  for (const table of tables)
    for (const mine of own) {
      const refusal = refusalBy(rolesBy(table, subject, mine), permission, wanted);
      if (refusal !== undefined) return refuse('INSUFFICIENT_PERMISSIONS', `${subject} ${refusal}`);
    }
  return ok(undefined);
}

/** The names of the roles that count for a subject, each with its resources; of several documents what each has. */
export function rolesOf({
  subject,
  tables,
  own,
}: Standing): readonly { role: string; resources: readonly Resource[] }[] {
  const [first, ...rivals] = tables.flatMap((table) =>
    own.map((mine) => rolesBy(table, subject, mine).map(({ role, resources }) => ({ role: role.name, resources }))),
  );
  return first!.filter(({ role }) => rivals.every((others) => others.some((other) => other.role === role)));
}

const rolesBy = (table: RoleTable, subject: Subject, { roles, resources }: HeldRoles): readonly HeldRole[] => [
  ...roles.flatMap((named) => {
    const role = table.roleNamed(named);
    return role ? [{ role, resources }] : [];
  }),
  ...table.boundTo(subject),
];

/** Why not, as the rest of a sentence. */
function refusalBy(held: readonly HeldRole[], permission: Permission, wanted: Wanted): string | undefined {
  const granting = held.filter(({ role }) => role.permissions.includes(permission));
  const denying = held.filter(({ role }) => role.deniedPermissions.includes(permission));
  if (wanted === 'anywhere') {
    const isShut = (granted: Resource) =>
      denying.some(({ resources }) => resources.some((denied) => coversResource(denied, granted)));
    if (granting.some(({ resources }) => resources.some((granted) => !isShut(granted)))) return undefined;
    return `has no role with the permission ${permission}.`;
  }
  const denied = denying.find(({ resources }) => resources.some((one) => touchesResource(one, wanted)));
  if (denied) return `is denied ${permission} on ${wanted} by the role ${denied.role.name}.`;
  if (granting.some(({ resources }) => resources.some((granted) => coversResource(granted, wanted)))) return undefined;
  return `has no role with the permission ${permission} on ${wanted}.`;
}
