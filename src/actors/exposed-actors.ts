import { CaxtonError } from '../errors.ts';
import { limits } from '../limits.ts';
import { isNodeId } from '../names.ts';
import type { Check } from './kernel/check.ts';
import type { Exposed } from './kernel/exposure.ts';

/** Where the actors of the program around a node live: `node.kernel.startChild(programPath, …)`. */
export const programPath = '/node/program';

/**
 * Some of a program’s actors that some other nodes may reach, and what they may do. Nothing else is open to other nodes,
 * and what is not named here they may not do.
 */
export interface ExposedActor {
  /** `/node/program/orders`, or with `/*` at the end everybody below. */
  readonly path: string;
  /** Ids of the nodes; `*`: every member of the cluster. */
  readonly to: readonly string[];
  /**
   * What a message must be: a type predicate or a Standard Schema. What fails is dropped, counted and audited. Absent:
   * they may not tell it anything.
   */
  readonly tells?: Check;
  /** What a question must be, less its `replyTo`; what fails is refused to the asker. Absent: they may not ask. */
  readonly asks?: Check;
  /** Whether they may watch when its life ends. Default false. */
  readonly monitors?: boolean;
  /** Whether their actors may be linked to it, which lets them end it. Default false. */
  readonly links?: boolean;
}

/**
 * Which places are open to which node; the first entry that names both decides. Throws CONFIG_INVALID for entries that
 * make no sense or name what is not the program’s: the node’s own actors and its agents are never open this way.
 */
export function exposedActors(entries: readonly ExposedActor[]): Exposed {
  if (entries.length > limits.exposedActorsMax)
    throw new CaxtonError('CONFIG_INVALID', `expose: at most ${limits.exposedActorsMax} entries.`);
  const wrong = entries.flatMap((entry, at) => faultsOf(entry).map((fault) => `expose[${at}]: ${fault}`));
  if (wrong.length > 0) throw new CaxtonError('CONFIG_INVALID', wrong);
  // A copy: what is open must not change under the kernel.
  const open = entries.map(({ path, to, ...exposure }) => ({
    below: path.endsWith('/*') ? path.slice(0, -1) : undefined,
    path,
    to: new Set(to),
    exposure,
  }));
  return (path, node) =>
    open.find(
      (entry) =>
        (entry.below === undefined ? path === entry.path : path.startsWith(entry.below)) &&
        (entry.to.has(node) || entry.to.has('*')),
    )?.exposure;
}

/** Ids of children, in the grammar of the kernel. */
const pathForm = /^(\/[A-Za-z0-9_.:-]+)+(\/\*)?$/;

function faultsOf({ path, to, tells, asks, monitors, links }: ExposedActor): string[] {
  const faults: string[] = [];
  if (typeof path !== 'string' || !pathForm.test(path) || !path.startsWith(`${programPath}/`))
    faults.push(`path must be below ${programPath}: nothing else can be opened to other nodes.`);
  if (!Array.isArray(to) || to.length === 0 || to.some((node) => node !== '*' && !isNodeId(node)))
    faults.push('to must be ids of nodes, or “*” for every member of the cluster.');
  for (const [name, check] of Object.entries({ tells, asks }))
    if (check !== undefined && !isCheck(check)) faults.push(`${name} must be a function or a Standard Schema.`);
  if (tells === undefined && asks === undefined && monitors !== true && links !== true)
    faults.push('it opens nothing: give tells, asks, monitors or links.');
  return faults;
}

const isCheck = (check: unknown): boolean =>
  typeof check === 'function' ||
  typeof (check as Partial<Exclude<Check, (content: unknown) => boolean>> | null)?.['~standard']?.validate ===
    'function';
