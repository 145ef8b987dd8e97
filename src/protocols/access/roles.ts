import { limits } from '../../limits.ts';
import { isName } from '../../names.ts';
import { list, name, object, problem, type Shape, text } from '../json/shape.ts';
import { isPermission, type Permission, permissions } from './permission.ts';
import { type Resource, resource } from './resource.ts';

/** A set of permissions with a name (ADR-0016’s `Role`). */
export interface Role {
  readonly name: string;
  readonly permissions: readonly Permission[];
  /** Outrank what any other role of the same subject permits, on the resources of the binding. */
  readonly deniedPermissions: readonly Permission[];
}

/** Who has a role, and for what. */
export interface RoleBinding {
  readonly role: string;
  readonly subjects: readonly Subject[];
  readonly resources: readonly Resource[];
}

/** Who is bound: `apikey:<id>` or a SPIFFE id. Compared as it is written, character by character. */
export type Subject = string;

/** The roles of the cluster and who has them. */
export interface RolesBody {
  readonly roles: readonly Role[];
  readonly bindings: readonly RoleBinding[];
}

/** Roles that are there without a document, and that no document changes. */
export const builtInRoles: readonly Role[] = [
  { name: 'viewer', permissions: ['Inspect', 'ViewMetrics'], deniedPermissions: [] },
  {
    name: 'operator',
    permissions: [
      ...(['Inspect', 'ViewMetrics', 'DeployAgent', 'UpdateAgent', 'RemoveAgent', 'SendMessage'] as const),
      ...(['ReadMessages', 'TraceMessages', 'ReadAudit', 'ManageCluster'] as const),
    ],
    deniedPermissions: [],
  },
  { name: 'admin', permissions, deniedPermissions: [] },
];

export const isBuiltInRole = (named: string): boolean => builtInRoles.some((role) => role.name === named);

/** ASCII alone, so that two subjects that look alike are the same one. */
const subjectForm =
  /^(?:apikey:[a-z0-9][a-z0-9_-]{0,62}|spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._-]{1,255}){1,8})$/;

export const roleName = name((written): written is string => isName(written), 'a role’s name, [a-z0-9][a-z0-9_-]*');
const permissionList = list(name(isPermission, `a permission (${permissions.join(', ')})`), permissions.length);
export const resourceList = list(resource, limits.roleResourcesMax, 1);

const written = object({
  roles: list(
    object({ name: roleName, permissions: permissionList }, { denied_permissions: permissionList }),
    limits.rolesMax,
  ),
  bindings: list(
    object(
      {
        role: roleName,
        subjects: list(
          text(limits.roleSubjectCharsMax, subjectForm, 'apikey:<id> or a SPIFFE id'),
          limits.roleSubjectsMax,
          1,
        ),
      },
      { resources: resourceList },
    ),
    limits.roleBindingsMax,
  ),
});

/**
 * Reads `{ roles: [{ name, permissions, denied_permissions? }], bindings: [{ role, subjects, resources? }] }`. No role twice,
 * none with the name of a built-in one, and no binding to a role that is not there: a typo is no empty role.
 */
export const rolesBody: Shape<RolesBody> = (value, path, problems) => {
  const before = problems.length;
  const read = written(value, path, problems);
  if (!read) return undefined;
  const known = new Set(builtInRoles.map((role) => role.name));
  for (const [at, { name: named }] of read.roles.entries()) {
    const wrong = isBuiltInRole(named) ? 'is a built-in role, which cannot be changed' : 'is there twice';
    if (known.has(named)) problem(problems, [...path, 'roles', at, 'name'], `${named} ${wrong}`);
    known.add(named);
  }
  for (const [at, { role }] of read.bindings.entries())
    if (!known.has(role)) problem(problems, [...path, 'bindings', at, 'role'], `there is no role ${role}`);
  if (problems.length > before) return undefined;
  return {
    roles: read.roles.map(({ denied_permissions = [], ...role }) => ({
      ...role,
      deniedPermissions: denied_permissions,
    })),
    bindings: read.bindings.map(({ resources = ['*'] as const, ...binding }) => ({ ...binding, resources })),
  };
};

/** The fields in their fixed order, as they are signed: the keys of the file, every default written out. */
export const rolesInOrder = ({ roles, bindings }: RolesBody): object => ({
  roles: roles.map((role) => ({
    name: role.name,
    permissions: role.permissions,
    denied_permissions: role.deniedPermissions,
  })),
  bindings: bindings.map(({ role, subjects, resources }) => ({ role, subjects, resources })),
});
