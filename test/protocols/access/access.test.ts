import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HeldRoles, judgeAccess, rolesOf, roleTable, type Wanted } from '../../../src/protocols/access/access.ts';
import { permissions } from '../../../src/protocols/access/permission.ts';
import type { Resource } from '../../../src/protocols/access/resource.ts';
import { builtInRoles, type RolesBody } from '../../../src/protocols/access/roles.ts';
import { anyPermission, anyResource, anyRoles, subjects } from './arbitraries.ts';

const ann = 'apikey:ann';
const nothing: HeldRoles = { roles: [], resources: ['*'] };
const having = (roles: readonly string[], resources: readonly Resource[] = ['*']): HeldRoles => ({ roles, resources });
const may = (own: HeldRoles, permission: (typeof permissions)[number], on: Wanted, body?: RolesBody): boolean =>
  judgeAccess({ subject: ann, tables: [roleTable(body)], own: [own] }, permission, on).ok;

describe('access', () => {
  it('has the built-in roles without a document, one in the next', () => {
    const [viewer, operator, admin] = builtInRoles.map((role) => role.permissions);
    expect(operator).toEqual(expect.arrayContaining([...viewer!]));
    expect(admin).toEqual(permissions);
    expect(may(having(['viewer']), 'Inspect', 'cluster')).toBe(true);
    expect(may(having(['viewer']), 'DeployAgent', 'cluster')).toBe(false);
    expect(may(nothing, 'Inspect', 'anywhere')).toBe(false);
  });

  it('is refused with what is missing, and on what', () => {
    const refused = (own: HeldRoles, on: Wanted, body?: RolesBody) => {
      const judged = judgeAccess({ subject: ann, tables: [roleTable(body)], own: [own] }, 'DeployAgent', on);
      return judged.ok ? 'ok' : [judged.refusal.code, ...judged.refusal.reasons];
    };
    expect(refused(having(['viewer']), 'agent:a/x' as Resource)).toEqual([
      'INSUFFICIENT_PERMISSIONS',
      'apikey:ann has no role with the permission DeployAgent on agent:a/x.',
    ]);
    const denying: RolesBody = {
      roles: [{ name: 'not-here', permissions: [], deniedPermissions: ['DeployAgent'] }],
      bindings: [{ role: 'not-here', subjects: [ann], resources: ['agent:a/*'] }],
    };
    expect(refused(having(['admin']), 'agent:a/x' as Resource, denying)).toEqual([
      'INSUFFICIENT_PERMISSIONS',
      'apikey:ann is denied DeployAgent on agent:a/x by the role not-here.',
    ]);
    expect(refused(having(['admin']), 'agent:b/x' as Resource, denying)).toBe('ok');
    expect(refused(having(['admin']), 'anywhere', denying)).toBe('ok');
    // All of a tenant, of which a part is denied, is not permitted.
    expect(refused(having(['admin']), 'agent:*', denying)).toHaveLength(2);
  });

  it('stays where the role is bound: on agents of a tenant, and not on the cluster', () => {
    const shop = having(['operator'], ['agent:a/*']);
    expect([
      may(shop, 'DeployAgent', 'agent:a/x' as Resource),
      may(shop, 'DeployAgent', 'agent:b/x' as Resource),
      may(shop, 'DeployAgent', 'agent:*'),
      may(shop, 'ManageCluster', 'cluster'),
      may(shop, 'ManageCluster', 'anywhere'),
    ]).toEqual([true, false, false, false, true]);
  });

  it('is never wider with two documents of one generation than with either, whichever came first, and with one twice as with one', () => {
    const own = fc.record({
      roles: fc.uniqueArray(fc.constantFrom('one', 'two', 'viewer', 'admin', 'unheard-of'), { maxLength: 2 }),
      resources: fc.uniqueArray(anyResource, { minLength: 1, maxLength: 2 }),
    });
    const wanted = fc.oneof(anyResource, fc.constant('anywhere' as const));
    fc.assert(
      fc.property(
        ...([anyRoles, anyRoles, own, own, fc.constantFrom(...subjects), anyPermission, wanted] as const),
        (a, b, mine, other, subject, permission, on) => {
          const [one, two] = [roleTable(a), roleTable(b)];
          const judge = (
            tables: readonly [typeof one, ...(typeof one)[]],
            held: readonly [HeldRoles, ...HeldRoles[]],
          ) => judgeAccess({ subject, tables, own: held }, permission, on).ok;
          const both = judge([one, two], [mine, other]);
          for (const table of [one, two])
            for (const held of [mine, other]) if (both) expect(judge([table], [held])).toBe(true);
          expect(judge([two, one], [other, mine])).toBe(both);
          expect(judge([one, one], [mine, mine])).toBe(judge([one], [mine]));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('on all of something is access to each part of it, and to some part is access somewhere', () => {
    fc.assert(
      fc.property(anyRoles, anyPermission, (body, permission) => {
        const standing = { subject: ann, tables: [roleTable(body)] as const, own: [nothing] as const };
        const on = (wanted: Wanted) => judgeAccess(standing, permission, wanted).ok;
        if (on('*')) expect([on('cluster'), on('agent:*'), on('agent:a/x' as Resource)]).toEqual([true, true, true]);
        if (on('agent:*')) expect([on('agent:a/*'), on('agent:b/x' as Resource)]).toEqual([true, true]);
        if (on('agent:a/*')) expect(on('agent:a/x' as Resource)).toBe(true);
        if (on('agent:a/x' as Resource) || on('cluster')) expect(on('anywhere')).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('shows the roles that count in every document', () => {
    const body = (role: string): RolesBody => ({
      roles: [],
      bindings: [{ role, subjects: [ann], resources: ['*'] }],
    });
    const shown = (...bodies: RolesBody[]) => {
      const [first, ...others] = bodies.map(roleTable);
      return rolesOf({ subject: ann, tables: [first!, ...others], own: [having(['viewer'])] }).map(({ role }) => role);
    };
    expect(shown(body('operator'))).toEqual(['viewer', 'operator']);
    expect(shown(body('operator'), body('admin'))).toEqual(['viewer']);
  });

  it('is judged in no time with as many roles and bindings as fit', () => {
    const many = Array.from({ length: 1_000 }, (_, at) => `role-${at}`);
    const table = roleTable({
      roles: many.map((name) => ({ name, permissions: ['Inspect'], deniedPermissions: [] })),
      bindings: many.map((role) => ({ role, subjects: [ann], resources: ['agent:a/x' as Resource] })),
    });
    const begun = performance.now();
    for (let at = 0; at < 100; at++)
      judgeAccess({ subject: ann, tables: [table], own: [nothing] }, 'ManageSecurity', 'cluster');
    expect(performance.now() - begun).toBeLessThan(1_000);
  });
});
