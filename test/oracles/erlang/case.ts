import type { AutoShutdown, RestartStrategy, RestartType } from '../../../src/protocols/restart.ts';

/** How a worker ends itself; `late` stands for `{shutdown, late}`. */
export type Reason = 'normal' | 'shutdown' | 'late' | 'crash';

/** What a worker does when it is told to stop. */
export type Manner = 'polite' | 'slow' | 'stubborn' | { readonly with: Reason };

/** Milliseconds that a slow worker takes to stop: real ones for Erlang. */
export const slowMs = 4;

export interface WorkerTree {
  readonly kind: 'worker';
  readonly id: string;
  readonly restart: RestartType;
  readonly significant: boolean;
  readonly shutdown: number | 'infinity' | 'brutal-kill';
  readonly manner: Manner;
  /** On our side: a chart rather than a handler. */
  readonly chart: boolean;
}

export interface SupervisorTree {
  readonly kind: 'supervisor';
  readonly id: string;
  readonly restart: RestartType;
  readonly significant: boolean;
  readonly strategy: RestartStrategy;
  readonly intensity: number;
  readonly periodSeconds: number;
  readonly autoShutdown: AutoShutdown;
  readonly children: readonly Tree[];
}

export type Tree = WorkerTree | SupervisorTree;

/** What happens at the nth start of a worker at this path: it fails, or the worker ends normally at once. */
export interface Plan {
  readonly path: string;
  readonly start: number;
  readonly what: 'fail' | 'exit';
}

export type Step =
  | { readonly kind: 'fault'; readonly faults: readonly (readonly [path: string, how: Reason | 'kill'])[] }
  | { readonly kind: 'start'; readonly path: string; readonly tree: Tree }
  | { readonly kind: 'instance'; readonly path: string; readonly id: string }
  | {
      readonly kind: 'terminate' | 'terminate-instance' | 'restart' | 'delete';
      readonly path: string;
      readonly id: string;
    }
  | { readonly kind: 'count'; readonly path: string }
  /** Waits until this second of the case. */
  | { readonly kind: 'at'; readonly second: number };

export interface Case {
  readonly tree: SupervisorTree;
  readonly plans: readonly Plan[];
  readonly steps: readonly Step[];
}

/** Paths of simple-one-for-one supervisors that a case may have, from its tree and its steps. */
export function templatesOf(one: Case): readonly string[] {
  const paths: string[] = [];
  const walk = (tree: Tree, above: string): void => {
    if (tree.kind === 'worker') return;
    const path = `${above}/${tree.id}`;
    if (tree.strategy === 'simple-one-for-one') paths.push(path);
    for (const child of tree.children) walk(child, path);
  };
  walk(one.tree, '');
  for (const step of one.steps) if (step.kind === 'start') walk(step.tree, step.path);
  return paths;
}
