import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  coversResource,
  parseResource,
  type Resource,
  touchesResource,
} from '../../../src/protocols/access/resource.ts';
import { anyResource } from './arbitraries.ts';

/** What a resource is made of, of a world with three agents. */
const world = ['cluster', 'agent:a/x', 'agent:a/y', 'agent:b/x', 'agent:b/z'] as Resource[];
const partsOf = (resource: Resource): Resource[] =>
  world.filter((part) => {
    if (resource === '*' || resource === part) return true;
    return (
      part.startsWith('agent:') &&
      (resource === 'agent:*' || (resource.endsWith('/*') && part.startsWith(resource.slice(0, -1))))
    );
  });

describe('what a permission is for', () => {
  it.each(['*', 'cluster', 'agent:*', 'agent:default/*', 'agent:default/echo'])('is read: %s', (text) => {
    expect(parseResource(text)).toEqual({ ok: true, value: text });
  });

  it.each([
    '',
    'agents',
    'agent:',
    'agent:Default/*',
    'agent:a/b/c',
    'agent:a/*/b',
    'agent:*/x',
    'Cluster',
    'agent:аcme/x',
    '**',
  ])('is refused: “%s”', (text) => {
    expect(parseResource(text)).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
  });

  it('covers and touches as the sets of what is in it do', () => {
    fc.assert(
      fc.property(anyResource, anyResource, (a, b) => {
        const [left, right] = [partsOf(a), partsOf(b)];
        // There may be more agents than in this world, so all of them are never one tenant’s.
        const isWider = (b === '*' && a !== '*') || (b === 'agent:*' && a !== '*' && a !== 'agent:*');
        expect(coversResource(a, b)).toBe(!isWider && right.every((part) => left.includes(part)));
        expect(touchesResource(a, b)).toBe(left.some((part) => right.includes(part)));
        expect(touchesResource(a, b)).toBe(touchesResource(b, a));
      }),
    );
  });
});
