import type { Child } from './child.ts';
import type { ActorView } from './kernel.ts';
import { Supervisor } from './supervisor.ts';
import type { Suspensions } from './suspensions.ts';

/** Who is at a path, whether it lives or not. Walks the tree: the registry knows places and not who lives there. */
export function find(root: Child | undefined, path: string): Child | undefined {
  const [before, first, ...ids] = path.split('/');
  let child = before === '' && root?.id === first ? root : undefined;
  for (const id of ids) child = child?.occupant instanceof Supervisor ? child.occupant.children.get(id) : undefined;
  return child;
}

/** Tells everybody from here down whether an order to suspend covers them. */
export function suspend({ place, occupant }: Child, orders: Suspensions): void {
  place.suspend(orders.cover(place.path));
  if (occupant instanceof Supervisor) for (const below of occupant.children) suspend(below, orders);
}

/** Everybody alive from here down, in start order, depth first. */
export function view(child: Child, into: ActorView[]): void {
  const { occupant, place, incarnation } = child;
  if (occupant === undefined) return;
  into.push({
    path: place.path,
    kind: place.kind,
    incarnation,
    restarts: incarnation - 1,
    waiting: place.inbox.waiting,
    suspended: place.suspended,
    state: occupant.state(),
  });
  if (occupant instanceof Supervisor) for (const below of occupant.children) view(below, into);
}
