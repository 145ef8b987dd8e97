import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ExposedActor, exposedActors, programPath } from '../../src/actors/exposed-actors.ts';
import { limits } from '../../src/limits.ts';

const anything = () => true;
const entry = (over: Partial<ExposedActor> = {}): ExposedActor => ({
  path: `${programPath}/orders`,
  to: ['node-2'],
  tells: anything,
  ...over,
});

describe('what a node opens to others', () => {
  test('is nothing by itself', () => {
    expect(exposedActors([])(`${programPath}/orders`, 'node-2')).toBeUndefined();
  });

  test('is this place for these nodes, and what is named', () => {
    const exposed = exposedActors([entry({ monitors: true })]);
    expect(exposed(`${programPath}/orders`, 'node-2')).toEqual({ tells: anything, monitors: true });
    expect(exposed(`${programPath}/orders`, 'node-3')).toBeUndefined();
    for (const path of [`${programPath}/orders/1`, `${programPath}/order`, programPath, '/node', ''])
      expect(exposed(path, 'node-2')).toBeUndefined();
  });

  test('is everybody below for everybody, when it says so', () => {
    const exposed = exposedActors([entry({ path: `${programPath}/orders/*`, to: ['*'] })]);
    for (const path of ['orders/1', 'orders/1/2']) expect(exposed(`${programPath}/${path}`, 'x')).toBeDefined();
    for (const path of ['orders', 'orders2/1']) expect(exposed(`${programPath}/${path}`, 'x')).toBeUndefined();
  });

  test('is decided by the first entry that names both', () => {
    const other = () => false;
    const exposed = exposedActors([
      entry({ to: ['node-1'], tells: other }),
      entry({ path: `${programPath}/*`, to: ['*'] }),
    ]);
    expect(exposed(`${programPath}/orders`, 'node-1')?.tells).toBe(other);
    expect(exposed(`${programPath}/orders`, 'node-2')?.tells).toBe(anything);
  });

  test('does not change when the program changes its list', () => {
    const to = ['node-2'];
    const exposed = exposedActors([entry({ to })]);
    to.push('node-3');
    expect(exposed(`${programPath}/orders`, 'node-3')).toBeUndefined();
  });

  test('never is an actor of the node’s own, whatever the entries are and the path is', () => {
    const part = fc.constantFrom(
      'node',
      'program',
      'cluster',
      'audit-writer',
      'orders',
      '*',
      '..',
      '',
      '/',
      'program*',
    );
    const path = fc.array(part, { maxLength: 5 }).map((parts) => `/${parts.join('/')}`);
    fc.assert(
      fc.property(path, path, (opened, asked) => {
        try {
          const exposed = exposedActors([entry({ path: opened, to: ['*'] })]);
          if (exposed(asked, 'node-2') !== undefined) expect(asked.startsWith(`${programPath}/`)).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test.each<[string, unknown]>([
    ['the node’s own actors', entry({ path: '/node/cluster/gossip-member' })],
    ['all of the node', entry({ path: '/node/*' })],
    ['agents, around their policies', entry({ path: '/node/agents/*' })],
    ['a path that only begins alike', entry({ path: `${programPath}-2/x` })],
    ['the supervisor of the program', entry({ path: programPath })],
    ['a pattern with a star elsewhere', entry({ path: `${programPath}/*/x` })],
    ['no path', entry({ path: undefined as never })],
    ['to nobody', entry({ to: [] })],
    ['to what is no node', entry({ to: ['Node 2'] })],
    ['to a text', entry({ to: '*' as never })],
    ['nothing to do', { path: `${programPath}/x`, to: ['*'] }],
    ['with no check', entry({ tells: {} as never })],
    ['with a yes for a check', entry({ asks: true as never })],
  ])('cannot be %s', (_, wrong) => {
    expect(() => exposedActors([wrong as ExposedActor])).toThrow(/expose\[0\]/);
  });

  test('has a bound', () => {
    const many = Array.from({ length: limits.exposedActorsMax + 1 }, () => entry());
    expect(() => exposedActors(many)).toThrow(/at most/);
  });
});
