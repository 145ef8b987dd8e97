import type { MetricSample } from '../../../src/actors/kernel/ports.ts';
import type { Case, Tree } from './case.ts';

/** What must have happened somewhere in a run of many cases, or their number means little. */
const needed = [
  'strategy one-for-one',
  'strategy one-for-all',
  'strategy rest-for-one',
  'strategy simple-one-for-one',
  'auto-shutdown any-significant',
  'auto-shutdown all-significant',
  'supervisors that gave up',
  'supervisors that shut themselves down',
  'supervisors that were killed',
  'supervisors whose start failed',
  'workers that were killed',
  'crashes',
  'ends: normal',
  'ends: shutdown',
  'ends: {shutdown, late}',
  'starts that failed',
  'restarts',
  'several faults at once',
  'supervisors below supervisors',
  ...['polite', 'slow', 'stubborn', 'with: normal', 'with: crash'].map((manner) => `stops: ${manner}`),
  ...['ok', 'already-started', 'already-present', 'invalid-spec', 'start-failed', 'no-supervisor'].map(
    (answer) => `start: ${answer}`,
  ),
  ...['ok', 'not-found', 'simple-one-for-one'].map((answer) => `terminate: ${answer}`),
  ...['ok', 'running', 'not-found', 'simple-one-for-one', 'start-failed'].map((answer) => `restart: ${answer}`),
  ...['ok', 'running', 'not-found', 'simple-one-for-one'].map((answer) => `delete: ${answer}`),
  ...['ok', 'start-failed'].map((answer) => `instance: ${answer}`),
  'terminate-instance: ok',
] as const;

/** Counts what the cases of a run were about, from Erlang’s traces and our kernel’s counters. */
export class Coverage {
  readonly #counts = new Map<string, number>();

  add(one: Case, trace: readonly string[], metrics: readonly MetricSample[]): void {
    this.#tree(one.tree);
    const supervisors = new Set<string>();
    collect(one.tree, '', supervisors);
    for (const step of one.steps) if (step.kind === 'start') collect(step.tree, step.path, supervisors);
    for (const [index, events] of trace.entries()) {
      const step = one.steps[index - 1];
      for (const event of events.split(',')) this.#event(event, supervisors);
      const result = /^result ([^,]*)/.exec(events)?.[1];
      if (step === undefined || result === undefined || step.kind === 'count' || step.kind === 'at') continue;
      if (step.kind !== 'fault') this.#count(`${step.kind}: ${result}`);
      else if (Number(result) > 1) this.#count('several faults at once');
    }
    const counted = (name: string): number => metrics.find((sample) => sample.name === name)?.value ?? 0;
    this.#count('supervisors that gave up', counted('caxton_supervisors_gave_up_total'));
    this.#count('supervisors that shut themselves down', counted('caxton_supervisors_auto_shutdown_total'));
    this.#count('restarts', counted('caxton_actor_restarts_total'));
  }

  /** What should have happened and never did. */
  get missing(): readonly string[] {
    return needed.filter((what) => (this.#counts.get(what) ?? 0) === 0);
  }

  /** One line for each thing counted. */
  toString(): string {
    return [...this.#counts]
      .filter(([, count]) => count > 0)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, count]) => `  ${String(count).padStart(6)}  ${what}`)
      .join('\n');
  }

  #tree(tree: Tree, below = false): void {
    if (tree.kind === 'worker') {
      const { manner } = tree;
      this.#count(`stops: ${typeof manner === 'string' ? manner : `with: ${manner.with}`}`);
      return;
    }
    if (below) this.#count('supervisors below supervisors');
    this.#count(`strategy ${tree.strategy}`);
    if (tree.autoShutdown !== 'never') this.#count(`auto-shutdown ${tree.autoShutdown}`);
    for (const child of tree.children) this.#tree(child, true);
  }

  #event(event: string, supervisors: ReadonlySet<string>): void {
    const [what, path = '', reason] = event.split(' ');
    if (what === 'start-failed') this.#count('starts that failed');
    if (what !== 'stop') return;
    if (reason === 'crash') this.#count('crashes');
    else if (reason === 'killed') this.#count(`${supervisors.has(path) ? 'supervisors' : 'workers'} that were killed`);
    else if (reason === 'failed-to-start-child') this.#count('supervisors whose start failed');
    else this.#count(reason === 'shutdown:late' ? 'ends: {shutdown, late}' : `ends: ${reason}`);
  }

  #count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by);
  }
}

function collect(tree: Tree, above: string, into: Set<string>): void {
  if (tree.kind === 'worker') return;
  into.add(`${above}/${tree.id}`);
  for (const child of tree.children) collect(child, `${above}/${tree.id}`, into);
}
