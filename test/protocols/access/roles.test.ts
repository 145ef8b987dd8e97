import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { builtInRoles, rolesBody, rolesInOrder } from '../../../src/protocols/access/roles.ts';
import { malformed, readShape } from '../../../src/protocols/json/shape.ts';
import { anyRoles } from './arbitraries.ts';

const read = (value: unknown) => readShape(rolesBody, value, malformed('The roles'));
const role = (name: string, more: object = {}) => ({ name, permissions: ['Inspect'], ...more });
const binding = (named: string, more: object = {}) => ({ role: named, subjects: ['apikey:ann'], ...more });

describe('the cluster’s roles', () => {
  it('are read back as they are signed', () => {
    const isKnown = (named: string) => named !== 'unheard-of';
    fc.assert(
      fc.property(anyRoles, ({ roles, bindings }) => {
        const body = { roles, bindings: bindings.filter((one) => isKnown(one.role)) };
        expect(read(JSON.parse(JSON.stringify(rolesInOrder(body))))).toEqual({ ok: true, value: body });
      }),
    );
  });

  it('are for everything unless a binding says less', () => {
    expect(read({ roles: [], bindings: [binding('viewer')] })).toMatchObject({
      ok: true,
      value: { bindings: [{ resources: ['*'] }] },
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['no object', [], /expected an object/],
    [
      'a permission that there is not',
      { roles: [role('a', { permissions: ['Inspekt'] })], bindings: [] },
      /a permission \(DeployAgent/,
    ],
    ...builtInRoles.map(({ name }): [string, unknown, RegExp] => [
      `${name} changed`,
      { roles: [role(name)], bindings: [] },
      /built-in role/,
    ]),
    ['a role twice', { roles: [role('a'), role('a')], bindings: [] }, /there twice/],
    ['a binding to no role', { roles: [], bindings: [binding('viewr')] }, /there is no role viewr/],
    [
      'a subject that only looks like one',
      { roles: [], bindings: [binding('viewer', { subjects: ['apikey:аnn'] })] },
      /apikey:<id>/,
    ],
    ['a subject of no kind', { roles: [], bindings: [binding('viewer', { subjects: ['*'] })] }, /apikey:<id>/],
    ['a pattern as a subject', { roles: [], bindings: [binding('viewer', { subjects: ['apikey:*'] })] }, /apikey:<id>/],
    ['a path that goes up', { roles: [], bindings: [binding('viewer', { subjects: ['spiffe://x'] })] }, /apikey:<id>/],
    ['a binding to nobody', { roles: [], bindings: [binding('viewer', { subjects: [] })] }, /1 to 256 items/],
    ['a binding on nothing', { roles: [], bindings: [binding('viewer', { resources: [] })] }, /1 to 32 items/],
    ['an unknown key', { roles: [role('a', { inherits: 'admin' })], bindings: [] }, /unknown key/],
    ['a key of the prototype', { roles: [], bindings: [], ['__proto__']: {}, constructor: 1 }, /unknown key/],
    [
      'thousands of roles',
      { roles: Array.from({ length: limits.rolesMax + 1 }, (_, at) => role(`r${at}`)), bindings: [] },
      /0 to 1024 items/,
    ],
  ])('are refused with %s', (_, value, expected) => {
    const judged = read(value);
    expect(judged).toMatchObject({ ok: false });
    expect(judged.ok ? '' : judged.refusal.reasons.join(' ')).toMatch(expected);
  });
});
