import fc from 'fast-check';
import type { AutoShutdown, RestartStrategy, RestartType } from '../../../src/protocols/restart.ts';
import type { Case, Manner, Plan, Reason, Step, SupervisorTree, Tree, WorkerTree } from './case.ts';

const nodesMax = 12;
/** So long that no restart of a case is forgotten. */
const longPeriodSeconds = 3_600;

const restarts: fc.Arbitrary<RestartType> = fc.constantFrom('permanent', 'transient', 'temporary');
const reasons: fc.Arbitrary<Reason> = fc.constantFrom('crash', 'normal', 'shutdown', 'late');

/** How a worker stops and how long it may take; what would depend on the speed of the machine is left out. */
const endings = fc.oneof<fc.MaybeWeightedArbitrary<Pick<WorkerTree, 'shutdown' | 'manner'>>[]>(
  {
    weight: 4,
    arbitrary: fc.record({
      shutdown: fc.constantFrom(5_000, 'infinity' as const, 'brutal-kill' as const),
      manner: fc.oneof<fc.MaybeWeightedArbitrary<Manner>[]>(
        { weight: 3, arbitrary: fc.constant('polite') },
        { weight: 1, arbitrary: fc.constant('slow') },
        { weight: 1, arbitrary: fc.record({ with: reasons }) },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      shutdown: fc.constantFrom(0, 10, 'brutal-kill' as const),
      manner: fc.constant<Manner>('stubborn'),
    }),
  },
);

const life = { id: fc.constant(''), restart: restarts, significant: fc.boolean() };

const workers: fc.Arbitrary<WorkerTree> = fc
  .tuple(fc.record({ kind: fc.constant('worker' as const), ...life, chart: fc.boolean() }), endings)
  .map(([worker, ending]) => ({ ...worker, ...ending }));

function supervisors(depth: number): fc.Arbitrary<SupervisorTree> {
  const child: fc.Arbitrary<Tree> =
    depth === 1
      ? workers
      : fc.oneof({ weight: 3, arbitrary: workers }, { weight: 2, arbitrary: supervisors(depth - 1) });
  return fc
    .record({
      kind: fc.constant('supervisor' as const),
      ...life,
      strategy: fc.constantFrom<RestartStrategy>(
        'one-for-one',
        'one-for-all',
        'one-for-all',
        'rest-for-one',
        'rest-for-one',
        'simple-one-for-one',
      ),
      intensity: fc.oneof(
        { weight: 2, arbitrary: fc.integer({ min: 0, max: 2 }) },
        { weight: 3, arbitrary: fc.integer({ min: 2, max: 8 }) },
      ),
      periodSeconds: fc.constant(longPeriodSeconds),
      autoShutdown: fc.oneof(
        { weight: 3, arbitrary: fc.constant<AutoShutdown>('never') },
        { weight: 2, arbitrary: fc.constantFrom<AutoShutdown>('any-significant', 'all-significant') },
      ),
      children: fc.array(child, { maxLength: 5 }),
    })
    .map((tree) =>
      tree.strategy === 'simple-one-for-one' && tree.children.length !== 1
        ? { ...tree, children: tree.children.length === 0 ? [plainWorker] : tree.children.slice(0, 1) }
        : tree,
    );
}

const plainWorker: WorkerTree = {
  kind: 'worker',
  id: '',
  restart: 'permanent',
  significant: false,
  shutdown: 5_000,
  manner: 'polite',
  chart: false,
};

/** What a step is about is drawn as a number and looked up among the places of the tree. */
interface RawStep {
  readonly kind: Step['kind'] | 'faults';
  readonly place: number;
  readonly other: number;
  readonly how: Reason | 'kill';
  readonly tree: Tree;
}

const rawSteps: fc.Arbitrary<RawStep> = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom<RawStep['kind']>('fault', 'fault', 'faults') },
    {
      weight: 6,
      arbitrary: fc.constantFrom<RawStep['kind']>('terminate', 'restart', 'delete', 'start', 'instance', 'instance'),
    },
    { weight: 1, arbitrary: fc.constantFrom<RawStep['kind']>('terminate-instance', 'count') },
  ),
  place: fc.nat(),
  other: fc.nat(),
  how: fc.oneof(reasons, fc.constantFrom('crash' as const, 'kill' as const)),
  tree: fc.oneof({ weight: 3, arbitrary: workers }, { weight: 1, arbitrary: supervisors(1) }),
});

/** Random trees of at most three levels and twelve children, with up to ten faults and requests. */
export const randomCases: fc.Arbitrary<Case> = fc
  .record({
    tree: supervisors(3),
    plans: fc.array(
      fc.record({
        place: fc.nat(),
        start: fc.oneof(
          { weight: 1, arbitrary: fc.constant(1) },
          { weight: 20, arbitrary: fc.integer({ min: 2, max: 5 }) },
        ),
        what: fc.constantFrom<Plan['what']>('fail', 'fail', 'exit'),
      }),
      { maxLength: 5 },
    ),
    steps: fc.array(rawSteps, { minLength: 1, maxLength: 10 }),
  })
  .map(({ tree, plans, steps }) => {
    const places = new Places();
    const named = places.name({ ...tree, significant: false }, '', 'r', 'never') as SupervisorTree;
    const resolved = steps.flatMap((step, index) => places.resolve(step, index));
    return {
      tree: named,
      plans: plans.flatMap(({ place, start, what }) => {
        const path = places.worker(place);
        if (path === undefined) return [];
        // Deeper down its supervisor would handle that beside its own, in an order that is open in Erlang as well.
        const atOnce = what === 'exit' && path.split('/').length === 3;
        return [{ path, start, what: atOnce ? what : 'fail' }];
      }),
      steps: resolved,
    };
  });

/** Gives everybody a name, and finds whom a step is about. */
class Places {
  readonly #workers: string[] = [];
  readonly #supervisors = new Map<string, SupervisorTree>();
  /** Everybody below the root, by the path of the supervisor. */
  readonly #children: { readonly above: string; readonly id: string; readonly kind: Tree['kind'] }[] = [];

  name(tree: Tree, above: string, id: string, autoShutdown: AutoShutdown, instances = false): Tree {
    const path = `${above}/${id}`;
    const significant = tree.significant && tree.restart !== 'permanent' && autoShutdown !== 'never';
    const known = this.#workers.includes(path) || this.#supervisors.has(path);
    if (above !== '' && !instances && !known) this.#children.push({ above, id, kind: tree.kind });
    if (tree.kind === 'worker') {
      if (!instances && !known) this.#workers.push(path);
      return { ...tree, id, significant };
    }
    const simple = tree.strategy === 'simple-one-for-one';
    const children: Tree[] = [];
    const named = { ...tree, id, significant, children };
    if (!instances) this.#supervisors.set(path, named);
    for (const [index, child] of tree.children.entries()) {
      if (this.#children.length >= nodesMax) break;
      children.push(this.name(child, path, `c${index}`, tree.autoShutdown, simple || instances));
    }
    if (simple && children.length === 0) children.push({ ...plainWorker, id: 'c0' });
    return named;
  }

  worker(draw: number): string | undefined {
    return pick(this.#workers, draw);
  }

  resolve(step: RawStep, index: number): readonly Step[] {
    const { kind, place, other, how } = step;
    if (kind === 'fault') return this.#fault(place, how);
    if (kind === 'faults') return this.#faults(place, other, how);
    const path = pick([...this.#supervisors.keys()], place) ?? '/r';
    if (kind === 'count') return [{ kind, path }];
    const below = this.#children.filter((child) => child.above === path);
    if (kind === 'start') {
      // Now and then under an id that is taken, or was.
      const again = other % 4 === 0 ? pick(below, place)?.id : undefined;
      return [this.#start(path, step, again ?? `s${index}`)];
    }
    const simple = [...this.#supervisors].filter(([, tree]) => tree.strategy === 'simple-one-for-one');
    const house = pick(simple, place);
    if (kind === 'instance' && house !== undefined) return [this.#instance(house, `i${index}`)];
    if (kind === 'terminate-instance' && house !== undefined) {
      const id = pick(
        below.filter(({ above }) => above === house[0]),
        other,
      )?.id;
      return id === undefined ? [] : [{ kind, path: house[0], id }];
    }
    if (kind === 'at' || kind === 'instance' || kind === 'terminate-instance') return [];
    if (this.#supervisors.get(path)?.strategy === 'simple-one-for-one') return [{ kind, path, id: 'c0' }];
    const id = pick(below, other)?.id ?? 'nobody';
    if (kind !== 'terminate' || place % 4 === 0) return [{ kind, path, id }];
    // What comes of it when it is down.
    const next = (['restart', 'delete', 'terminate'] as const)[other % 3] ?? 'restart';
    return [{ kind, path, id }, { kind: next, path, id }, ...(place % 3 === 0 ? [this.#start(path, step, id)] : [])];
  }

  #start(path: string, { tree: drawn, other }: RawStep, id: string): Step {
    const house = this.#supervisors.get(path);
    const simple = house?.strategy === 'simple-one-for-one';
    // An instance is another kind of request.
    if (house === undefined || simple) return { kind: 'count', path };
    // A permanent child never ends for good, so it cannot be significant.
    if (other % 8 === 1) return { kind: 'start', path, tree: { ...plainWorker, id: 'refused', significant: true } };
    // A path stays that of a worker, or of a supervisor of one strategy, for the whole case.
    const known = this.#supervisors.get(`${path}/${id}`);
    const wasWorker = this.#workers.includes(`${path}/${id}`);
    const tree = known ?? (wasWorker && drawn.kind === 'supervisor' ? plainWorker : drawn);
    return { kind: 'start', path, tree: this.name(tree, path, id, house.autoShutdown) };
  }

  #instance([path, house]: [string, SupervisorTree], id: string): Step {
    const template = house.children[0] ?? plainWorker;
    this.name({ ...template }, path, id, house.autoShutdown);
    return { kind: 'instance', path, id };
  }

  #fault(place: number, how: Reason | 'kill'): readonly Step[] {
    const everybody = [...this.#workers, ...this.#supervisors.keys()].filter((path) => path !== '/r');
    const path = (place % 16 === 0 ? undefined : pick(everybody, place)) ?? '/r';
    return [{ kind: 'fault', faults: [[path, this.#supervisors.has(path) ? 'kill' : how]] }];
  }

  /**
   * Two or three siblings at once; kills first, because those need no turn. Supervisors only where they are restarted
   * together: one-for-one restarts them beside each other with us, and one after the other in Erlang.
   */
  #faults(place: number, other: number, how: Reason | 'kill'): readonly Step[] {
    const first = this.#children[place % Math.max(1, this.#children.length)];
    const { strategy } = this.#supervisors.get(first?.above ?? '') ?? {};
    const together = strategy === 'one-for-all' || strategy === 'rest-for-one';
    const siblings = this.#children.filter(
      ({ above, kind }) => above === first?.above && (together || kind === 'worker'),
    );
    const drawn = [place, other, ...(other % 2 === 0 ? [place + other] : [])].flatMap(
      (draw) => pick(siblings, draw) ?? [],
    );
    const chosen = [...new Set(drawn)];
    if (chosen.length < 2) return this.#fault(place, how);
    const faults = chosen.map(({ above, id, kind }, index): readonly [string, Reason | 'kill'] => {
      const ends = index === 0 || how === 'kill' ? how : 'crash';
      return [`${above}/${id}`, kind === 'supervisor' ? 'kill' : ends];
    });
    return [{ kind: 'fault', faults: faults.sort(([, a], [, b]) => Number(b === 'kill') - Number(a === 'kill')) }];
  }
}

const pick = <T>(items: readonly T[], draw: number): T | undefined => items[draw % Math.max(1, items.length)];
