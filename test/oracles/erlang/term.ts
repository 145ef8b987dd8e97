import { type Case, type Plan, type Reason, type Step, slowMs, type Tree, type WorkerTree } from './case.ts';

/** A case as the line that `supervision_oracle.erl` reads. */
export function caseTerm(number: number, { tree, plans, steps }: Case): string {
  return `{${number},${treeTerm(tree)},${list(plans, planTerm)},${list(steps, stepTerm)}}.\n`;
}

const list = <T>(items: readonly T[], term: (item: T) => string): string => `[${items.map(term).join(',')}]`;
/** `one-for-all` as the atom `one_for_all`. */
const atom = (word: string): string => word.replaceAll('-', '_');
const reason = (how: Reason | 'kill'): string => (how === 'late' ? '{shutdown,late}' : how);

function treeTerm(tree: Tree): string {
  if (tree.kind === 'worker') {
    const { id, restart, significant, shutdown } = tree;
    return `{worker,"${id}",${restart},${significant},${atom(String(shutdown))},${mannerTerm(tree)}}`;
  }
  const { id, restart, significant, strategy, intensity, periodSeconds, autoShutdown, children } = tree;
  const flags = `{${atom(strategy)},${intensity},${periodSeconds},${atom(autoShutdown)}}`;
  return `{supervisor,"${id}",${restart},${significant},infinity,${flags},${list(children, treeTerm)}}`;
}

function mannerTerm({ manner }: WorkerTree): string {
  if (manner === 'slow') return `{slow,${slowMs}}`;
  return typeof manner === 'string' ? manner : `{with,${reason(manner.with)}}`;
}

const planTerm = ({ path, start, what }: Plan): string => `{{"${path}",${start}},${what}}`;

function stepTerm(step: Step): string {
  if (step.kind === 'at') return `{at,${step.second}}`;
  if (step.kind === 'fault') return `{fault,${list(step.faults, ([path, how]) => `{"${path}",${reason(how)}}`)}}`;
  if (step.kind === 'count') return `{count,"${step.path}",none}`;
  if (step.kind === 'start') return `{start,"${step.path}",${treeTerm(step.tree)}}`;
  return `{${atom(step.kind)},"${step.path}","${step.id}"}`;
}
