import fc from 'fast-check';
import type { ApiKeysBody } from '../../../src/protocols/access/api-keys.ts';
import { type Permission, permissions } from '../../../src/protocols/access/permission.ts';
import type { Resource } from '../../../src/protocols/access/resource.ts';
import { builtInRoles, type RolesBody } from '../../../src/protocols/access/roles.ts';

/** Few of each, so that what is asked for and what is granted meet. */
export const anyResource: fc.Arbitrary<Resource> = fc.constantFrom(
  ...(['*', 'cluster', 'agent:*', 'agent:a/*', 'agent:a/x', 'agent:a/y', 'agent:b/*', 'agent:b/x'] as Resource[]),
);
export const anyPermission: fc.Arbitrary<Permission> = fc.constantFrom(...permissions.slice(0, 4));
const roleNames = ['one', 'two', 'three'];
export const subjects = ['apikey:ann', 'apikey:bob'];
const anyRole = fc.constantFrom(...roleNames, ...builtInRoles.map(({ name }) => name), 'unheard-of');
const resources = fc.uniqueArray(anyResource, { minLength: 1, maxLength: 3 });

export const anyRoles: fc.Arbitrary<RolesBody> = fc.record({
  roles: fc
    .tuple(
      ...roleNames.map((name) =>
        fc.record({
          name: fc.constant(name),
          permissions: fc.uniqueArray(anyPermission, { maxLength: 3 }),
          deniedPermissions: fc.uniqueArray(anyPermission, { maxLength: 1 }),
        }),
      ),
    )
    .map((roles) => [...roles]),
  bindings: fc.array(fc.record({ role: anyRole, subjects: fc.subarray(subjects, { minLength: 1 }), resources }), {
    maxLength: 4,
  }),
});

export const hashOf = (at: number): string => at.toString(16).padStart(64, '0');

/** Hashes and ids from a few, so that two documents have some in common. */
export const anyKeys: fc.Arbitrary<ApiKeysBody> = fc
  .uniqueArray(fc.constantFrom('ann', 'bob', 'cid'), { maxLength: 3 })
  .chain((ids) =>
    fc.tuple(
      ...ids.map((id, at) =>
        fc.record({
          id: fc.constant(id),
          name: fc.constant(id),
          roles: fc.uniqueArray(anyRole, { maxLength: 2 }),
          resources,
          secrets: fc
            .record({
              shift: fc.integer({ min: 0, max: 1 }),
              from: fc.integer({ min: 0, max: 20 }),
              ms: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
            })
            .map(({ shift, from, ms }) => [
              // Under one id mostly, and sometimes under the one of its neighbour.
              {
                hash: hashOf(2 * (id.charCodeAt(0) - 97) + shift + (at % 2)),
                notBefore: from,
                ...(ms === undefined ? {} : { expiresAt: from + ms }),
              },
            ]),
        }),
      ),
    ),
  )
  .map((keys) => ({ keys: [...keys] }))
  .filter(({ keys }) => new Set(keys.map(({ secrets }) => secrets[0]!.hash)).size === keys.length);
