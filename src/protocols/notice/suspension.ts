import { type Refusal, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isNodeId, type NodeId } from '../../names.ts';
import { list, name, object, problem, type Shape, timeMs } from '../json/shape.ts';

/** A node that is out until a later generation no longer names it. Nothing else about it changes. */
export interface Suspension {
  readonly node: NodeId;
  /** When it was suspended, milliseconds since 1970. For people: it counts whatever the clock says. */
  readonly at: number;
}

/** All nodes that are suspended now: whoever is missing may come back, which is what a revocation never allows. */
export interface SuspensionsBody {
  readonly suspensions: readonly Suspension[];
}

const suspension: Shape<Suspension> = object({ node: name(isNodeId, 'a node id'), at: timeMs });

/** Accepts at most `limits.suspendedNodesMax` suspensions, no node twice. */
export const suspensionsBody: Shape<SuspensionsBody> = (value, path, problems) => {
  const body = object({ suspensions: list(suspension, limits.suspendedNodesMax) })(value, path, problems);
  if (!body) return undefined;
  return new Set(body.suspensions.map(({ node }) => node)).size === body.suspensions.length
    ? body
    : problem(problems, [...path, 'suspensions'], 'a node is suspended twice');
};

/** The fields in their fixed order, as they are signed. */
export const suspensionsInOrder = ({ suspensions }: SuspensionsBody): SuspensionsBody => ({
  suspensions: suspensions.map(({ node, at }) => ({ node, at })),
});

/** Whom either suspends, in force while two of one generation are about: the stricter of both. */
export const stricterSuspensions = (a: SuspensionsBody, b: SuspensionsBody): SuspensionsBody => ({
  suspensions: [...a.suspensions, ...resumedBy(b.suspensions, a.suspensions)],
});

/** Whom `before` suspends and `after` does not. */
export const resumedBy = (before: readonly Suspension[], after: readonly Suspension[]): readonly Suspension[] =>
  before.filter(({ node }) => !after.some((other) => other.node === node));

/** The refusal of whoever speaks for a suspended node. */
export const suspendedRefusal = ({ node, at }: Suspension): Refusal =>
  refuse('SUSPENDED', `The node ${node} is suspended (since ${new Date(at).toISOString()}).`).refusal;
