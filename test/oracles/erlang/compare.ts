import { type Case, type Step, templatesOf } from './case.ts';

/** The first step in which two traces of a case differ, normalised; `undefined` when they are the same. */
export function difference(
  one: Case,
  ours: readonly string[],
  theirs: readonly string[],
): { readonly step: number; readonly ours: string; readonly theirs: string } | undefined {
  const templates = templatesOf(one);
  for (let step = 0; step < Math.max(ours.length, theirs.length); step += 1) {
    const about = one.steps[step - 1];
    const [a, b] = [ours, theirs].map((trace) => normal(trace[step] ?? 'nothing', about, templates)) as [
      string,
      string,
    ];
    if (a !== b) return { step, ours: a, theirs: b };
  }
  return undefined;
}

/**
 * What may differ without being a difference:
 * - instances of one template stop beside each other, so stops in a row below one template are compared as a set;
 *   the order in which they are listed is Erlang’s own;
 * - below a supervisor that was killed, everybody dies: in Erlang beside the restart, with us before it. These stops
 *   are compared as a set, everything else in such a step in order. Its children end as `killed` on both; further down
 *   Erlang’s supervisors, which live to see it, stop theirs in order, and with us they are killed as well: there the
 *   reason is left out.
 */
function normal(trace: string, step: Step | undefined, templates: readonly string[]): string {
  const parts = trace.split(',');
  const views = parts.filter((part) => part.startsWith('view '));
  const killed = killedIn(step);
  const below = (event: string): string | undefined => {
    const [what, path] = event.split(' ');
    return what === 'stop' ? killed.find((above) => path?.startsWith(above)) : undefined;
  };
  const events = parts.filter((part) => !part.startsWith('view '));
  const dying = events.filter((event) => below(event) !== undefined).map((event) => lastReason(event, below(event)!));
  const rest = events.filter((event) => below(event) === undefined);
  return [...dying.sort(), ...inParallel(rest, templates), ...sortBelow(views, templates)].join(',');
}

const killedIn = (step: Step | undefined): readonly string[] =>
  step?.kind === 'fault' ? step.faults.filter(([, how]) => how === 'kill').map(([path]) => `${path}/`) : [];

/** The stop with its reason if it is a child of the killed supervisor, without when it is further down. */
function lastReason(event: string, above: string): string {
  const [what, path = ''] = event.split(' ');
  return path.slice(above.length).includes('/') ? `${what} ${path}` : event;
}

function inParallel(events: readonly string[], templates: readonly string[]): readonly string[] {
  return sortRuns(events, (event) => {
    const [what, path] = event.split(' ');
    return what === 'stop' ? templates.find((above) => path?.startsWith(`${above}/`)) : undefined;
  });
}

function sortBelow(views: readonly string[], templates: readonly string[]): readonly string[] {
  return sortRuns(views, (view) => templates.find((above) => view.split(' ')[1]?.startsWith(`${above}/`)));
}

/** Sorts neighbours that have the same mark. */
function sortRuns(items: readonly string[], mark: (item: string) => string | undefined): readonly string[] {
  const sorted: string[] = [];
  let run: string[] = [];
  let current: string | undefined;
  for (const item of items) {
    const next = mark(item);
    if (next !== current || next === undefined) {
      sorted.push(...run.sort());
      run = [];
    }
    current = next;
    run.push(item);
  }
  return [...sorted, ...run.sort()];
}
