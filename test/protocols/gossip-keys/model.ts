import { createHash } from 'node:crypto';
import { isNodeId, type NodeId } from '../../../src/names.ts';
import { compareKeys, isSameKey, type KeyId } from '../../../src/protocols/gossip-keys/key-id.ts';
import { createRotation, step } from '../../../src/protocols/gossip-keys/rotation.ts';
import { announcement, heldKeys, stageOf } from '../../../src/protocols/gossip-keys/stage.ts';
import type {
  PeerKeys,
  RotationEffect,
  RotationInput,
  RotationState,
  RotationView,
} from '../../../src/protocols/gossip-keys/state.ts';

/**
 * A small world around the rules of rotation, in which everything that can happen is an action, so that a search can go
 * through all orders of them. Time is abstract: it stands still but where a node’s time passes: a little, and then its
 * turn to propose or to ask another has come; or much, and then everything that it waits for has. Much is longer than a
 * message can be on a link (`limits.linkSilenceMsMax`), so nothing is on its way from there then. What a node writes to its disk is there before it tells anybody, as in the shell, so a crash
 * loses a step as a whole. The one that is evicted takes whatever it is given, and asks for whatever there is.
 */
export interface Bounds {
  readonly nodes: number;
  readonly crashes: number;
  /** Of a restart, the disk may be lost. */
  readonly diskLosses: number;
  readonly linkFailures: number;
  /** Messages between nodes that get lost though the link stands. */
  readonly losses: number;
  /** Orders of an operator. */
  readonly rotations: number;
  /** Whether one node may be evicted. */
  readonly eviction: boolean;
}

interface Flight {
  readonly keys?: PeerKeys;
  readonly ask?: KeyId;
  readonly give?: KeyId;
}

interface Place {
  /** Undefined while it is down. */
  readonly rules: RotationState | undefined;
  readonly disk: Pick<RotationState, 'sealing' | 'candidate' | 'retiring'>;
  /** Whether it has heard of the eviction; kept on disk. */
  readonly told: boolean;
  readonly made: number;
}

interface World {
  readonly places: readonly Place[];
  /** By ordered pair: there while the link is up. */
  readonly flights: Readonly<Record<string, Flight>>;
  readonly evicted: boolean;
  /** What the evicted one was given, as far as its rules did not take it. */
  readonly loot: readonly KeyId[];
  readonly left: Omit<Bounds, 'nodes' | 'eviction'> & { readonly evictions: number };
}

const first: KeyId = { epoch: 1, proposer: '', revocations: 0, hash: 'first' };
/** Longer than a node’s turn takes and than an answer may; and longer than everything. */
const littleMs = 6;
const muchMs = 100;
const times = {
  intervalMs: 1e15,
  fallbackMs: 1,
  graceMs: 10,
  retireMs: 20,
  retireMsMax: 40,
  askMs: 5,
};
const name = (at: number): NodeId => {
  const id = `n${at}`;
  if (!isNodeId(id)) throw new Error(id);
  return id;
};
const placeOf = (id: NodeId): number => Number(id.slice(1));
const pair = (from: number, to: number): string => `${from}${to}`;
/** The one that may be evicted: the first, whose turn to propose comes first. */
const thief = 0;

const viewOf = (size: number, told: boolean, live: readonly NodeId[]): RotationView => {
  const counted = told ? live.filter((id) => id !== name(thief)) : live;
  return {
    live: counted,
    majority: 2 * (counted.length + 1) > size,
    quorum: Math.floor(size / 2) + 1,
    revocations: told ? 1 : 0,
    revoked: told ? [name(thief)] : [],
  };
};

function beginning({ nodes, eviction, ...left }: Bounds): World {
  const all = Array.from({ length: nodes }, (_, at) => at);
  const places = all.map((at): Place => {
    const live = all.filter((other) => other !== at).map(name);
    const view = viewOf(nodes, false, live);
    const rules = createRotation({ self: name(at), times, view, sealing: first, switchedMs: 0, retiring: [], now: 0 });
    return { rules, disk: rules, told: false, made: 0 };
  });
  const keys = { sealing: first, candidate: undefined };
  const flights = Object.fromEntries(
    all.flatMap((a) => all.filter((b) => b !== a).map((b) => [pair(a, b), { keys }] as const)),
  );
  return { places, flights, evicted: false, loot: [], left: { ...left, evictions: eviction ? 1 : 0 } };
}

const withPlace = (world: World, at: number, change: Partial<Place>): World => ({
  ...world,
  places: world.places.map((place, other) => (other === at ? { ...place, ...change } : place)),
});

const spend = (world: World, what: keyof World['left']): World => ({
  ...world,
  left: { ...world.left, [what]: world.left[what] - 1 },
});

/** Puts something on its way, if the link is up. A later message of the same sort takes the place of an earlier one. */
const send = (world: World, from: number, to: number, flight: Flight): World => {
  const key = pair(from, to);
  const there = world.flights[key];
  return there ? { ...world, flights: { ...world.flights, [key]: { ...there, ...flight } } } : world;
};

/** What waits for time counts from the step that began it, so times are relative, and of three values. */
const rebase = (rules: RotationState, by: number): RotationState => {
  const at = (ms: number): number => (ms - by <= -muchMs ? -muchMs : Math.max(-littleMs, ms - by));
  return {
    ...rules,
    switchedMs: 0,
    epochsWholeMs: 0,
    switchesWholeMs: 0,
    candidate: rules.candidate && { ...rules.candidate, sinceMs: at(rules.candidate.sinceMs), firstMs: 0 },
    retiring: rules.retiring.map(({ id, sinceMs }) => ({ id, sinceMs: at(sinceMs) })),
    due: rules.due && { ...rules.due, sinceMs: at(rules.due.sinceMs) },
    asked: rules.asked && { ...rules.asked, sinceMs: at(rules.asked.sinceMs) },
  };
};

type Input = RotationInput extends infer I ? (I extends { now: number } ? Omit<I, 'now'> : never) : never;

function feed(world: World, at: number, input: Input, now = 0): World {
  const { rules } = world.places[at]!;
  if (!rules) return world;
  const next = step(rules, { ...input, now } as RotationInput);
  const after = rebase(next.state, now);
  const { sealing, candidate, retiring } = after;
  const stepped = withPlace(world, at, { rules: after, disk: { sealing, candidate, retiring } });
  return next.effects.reduce((w, effect) => perform(w, at, effect), stepped);
}

function perform(world: World, at: number, effect: RotationEffect): World {
  switch (effect.type) {
    case 'ask':
      return send(world, at, placeOf(effect.peer), { ask: effect.id });
    case 'give':
      return send(world, at, placeOf(effect.peer), { give: effect.id });
    case 'changed':
      return announce(world, at);
    case 'make': // Is under way: an action of its own.
    case 'behind': // Notices go from node to node as actions.
    case 'leap':
      return world;
  }
}

const announce = (world: World, at: number): World =>
  world.places.reduce((w, _, to) => send(w, at, to, { keys: announcement(w.places[at]!.rules!) }), world);

/** The link is cut: what is on it is lost, and both ends see it. */
function cut(world: World, a: number, b: number): World {
  const flights = Object.fromEntries(
    Object.entries(world.flights).filter(([key]) => key !== pair(a, b) && key !== pair(b, a)),
  );
  const severed = { ...world, flights };
  return feed(feed(severed, a, { type: 'lost', peer: name(b) }), b, { type: 'lost', peer: name(a) });
}

const isLinked = ({ flights }: World, a: number, b: number): boolean => pair(a, b) in flights;
const isSpeaking = ({ flights }: World, at: number): boolean =>
  Object.entries(flights).some(([key, flight]) => key.startsWith(String(at)) && Object.keys(flight).length > 0);
const refuses = (world: World, at: number, other: number): boolean => world.places[at]!.told && other === thief;

/** Up: both have the same documents before either says a word, or there is no link. */
function link(world: World, a: number, b: number): World {
  const told = world.places[a]!.told || world.places[b]!.told;
  let linked = told ? [a, b].reduce((w, at) => tell(w, at), world) : world;
  if (told && (a === thief || b === thief)) return linked;
  linked = { ...linked, flights: { ...linked.flights, [pair(a, b)]: {}, [pair(b, a)]: {} } };
  for (const [at, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const { rules } = linked.places[at]!;
    const live = [...new Set([...rules!.view.live, name(other)])].sort();
    linked = feed(linked, at, { type: 'view', view: viewOf(world.places.length, linked.places[at]!.told, live) });
  }
  return send(send(linked, a, b, { keys: announcement(linked.places[a]!.rules!) }), b, a, {
    keys: announcement(linked.places[b]!.rules!),
  });
}

/** A node hears of the eviction; the evicted one hears nothing of it that would make it stop. */
function tell(world: World, at: number): World {
  const { rules, told } = world.places[at]!;
  if (told || at === thief || !rules) return world;
  const knowing = withPlace(world, at, { told: true });
  const severed = isLinked(knowing, at, thief) ? cut(knowing, at, thief) : knowing;
  return feed(severed, at, { type: 'view', view: viewOf(world.places.length, true, rules.view.live) });
}

function crash(world: World, at: number): World {
  const down = withPlace(world, at, { rules: undefined });
  return world.places.reduce((w, _, other) => (isLinked(w, at, other) ? cut(w, at, other) : w), down);
}

function restart(world: World, at: number, isEmpty: boolean): World {
  const { disk, told } = world.places[at]!;
  const knows = told && !isEmpty;
  const rules = createRotation({
    self: name(at),
    times,
    view: viewOf(world.places.length, knows, []),
    sealing: isEmpty ? first : disk.sealing,
    candidate: isEmpty ? undefined : disk.candidate?.id,
    retiring: isEmpty ? [] : disk.retiring.map(({ id }) => id),
    switchedMs: 0,
    now: 0,
  });
  const { sealing, candidate, retiring } = rules;
  return withPlace(world, at, { rules, disk: { sealing, candidate, retiring }, told: knows });
}

/** Everything that a node waits for has come, the verdict about members whose link is down included. */
function pass(world: World, at: number, ms = muchMs): World {
  const live = world.places.flatMap((_, other) => (isLinked(world, at, other) ? [name(other)] : []));
  const seen = feed(world, at, { type: 'view', view: viewOf(world.places.length, world.places[at]!.told, live) });
  return feed(seen, at, { type: 'tick' }, ms);
}

function make(world: World, at: number): World {
  const { rules, made } = world.places[at]!;
  const id = { ...rules!.plan!, proposer: name(at), hash: String(made) };
  return feed(withPlace(world, at, { made: made + 1 }), at, { type: 'made', id });
}

function deliver(world: World, from: number, to: number, sort: keyof Flight): World {
  const key = pair(from, to);
  const { [sort]: what, ...rest } = world.flights[key]!;
  const taken = { ...world, flights: { ...world.flights, [key]: rest } };
  const peer = name(from);
  if (sort === 'keys') return feed(taken, to, { type: 'peer', peer, keys: what as PeerKeys });
  const id = what as KeyId;
  if (sort === 'ask') return feed(taken, to, { type: 'request', peer, id });
  const looted =
    to === thief && !world.loot.some((got) => isSameKey(got, id)) ? { ...taken, loot: [...taken.loot, id] } : taken;
  return feed(looted, to, { type: 'received', peer, id });
}

/** The evicted one asks for whatever the other has. */
function steal(world: World, from: number): World {
  const { sealing, candidate } = world.places[from]!.rules!;
  return [sealing, ...(candidate ? [candidate.id] : [])].reduce(
    (w, id) => feed(w, from, { type: 'request', peer: name(thief), id }),
    world,
  );
}

/** All that can happen next, each with its name. */
function* actionsOf(world: World): Generator<readonly [string, () => World]> {
  const { places, left, flights } = world;
  for (const key of Object.keys(flights)) {
    const [from, to] = [Number(key[0]), Number(key[1])];
    for (const sort of Object.keys(flights[key]!) as (keyof Flight)[]) {
      yield [`${sort} ${key}`, () => deliver(world, from, to, sort)];
      if (left.losses > 0) {
        const { [sort]: _, ...rest } = flights[key]!;
        yield [`lose ${sort} ${key}`, () => spend({ ...world, flights: { ...flights, [key]: rest } }, 'losses')];
      }
    }
  }
  for (const [at, { rules, told }] of places.entries()) {
    if (!rules) {
      yield [`restart ${at}`, () => restart(world, at, false)];
      if (left.diskLosses > 0) yield [`restart empty ${at}`, () => spend(restart(world, at, true), 'diskLosses')];
      continue;
    }
    if (rules.plan) yield [`make ${at}`, () => make(world, at)];
    yield [`wait ${at}`, () => pass(world, at, littleMs)];
    if (!isSpeaking(world, at)) yield [`pass ${at}`, () => pass(world, at)];
    if (left.crashes > 0) yield [`crash ${at}`, () => spend(crash(world, at), 'crashes')];
    if (left.rotations > 0) yield [`rotate ${at}`, () => spend(feed(world, at, { type: 'rotate' }), 'rotations')];
    if (at !== thief && !told && left.evictions > 0)
      yield [`evict at ${at}`, () => spend(tell({ ...world, evicted: true }, at), 'evictions')];
    for (const [other, { rules: running, told: knows }] of places.entries()) {
      if (other === at || !running) continue;
      if (isLinked(world, at, other)) {
        if (other > at && left.linkFailures > 0)
          yield [`cut ${at}${other}`, () => spend(cut(world, at, other), 'linkFailures')];
        if (told && !knows && other !== thief) yield [`tell ${at}${other}`, () => tell(world, other)];
        if (world.evicted && other === thief) yield [`steal from ${at}`, () => steal(world, at)];
      } else if (other > at && !refuses(world, at, other) && !refuses(world, other, at))
        yield [`link ${at}${other}`, () => link(world, at, other)];
    }
  }
}

const texts = new WeakMap<object, string>();
const textOf = (part: object): string => {
  const known = texts.get(part);
  if (known !== undefined) return known;
  const text = JSON.stringify(part, (_, value: unknown) =>
    value instanceof Map ? [...value].sort(([a], [b]) => (a < b ? -1 : 1)) : value,
  );
  texts.set(part, text);
  return text;
};

/** The same text for worlds in which the same can happen. */
const keyOf = ({ places, flights, left, loot, evicted }: World): string => {
  const hash = createHash('sha1');
  for (const part of [...places, new Map(Object.entries(flights)), left, loot]) hash.update(textOf(part)).update('|');
  return hash.update(String(evicted)).digest('base64');
};

const holds = ({ rules, disk }: Place, id: KeyId): boolean =>
  [disk.sealing, ...(disk.candidate ? [disk.candidate.id] : []), ...disk.retiring.map((key) => key.id)]
    .concat(rules ? heldKeys(rules) : [])
    .some((held) => isSameKey(held, id));

const newest = ({ places }: World): KeyId =>
  places.map(({ disk }) => disk.sealing).reduce((a, b) => (compareKeys(a, b) >= 0 ? a : b));

/** What is wrong with a step, if anything is. */
function wrongWith(before: World, action: string, after: World): string | undefined {
  for (const [at, { disk }] of after.places.entries())
    if (compareKeys(disk.sealing, before.places[at]!.disk.sealing) < 0 && action !== `restart empty ${at}`)
      return `n${at} went back to an earlier key`;
  const stolen = [...after.loot, ...heldOnDisk(after.places[thief]!)].find(({ revocations }) => revocations > 0);
  if (stolen) return `the evicted one holds ${JSON.stringify(stolen)}`;
  const now = newest(after);
  if (compareKeys(now, newest(before)) > 0) {
    const holders = after.places.filter((place) => holds(place, now)).length;
    if (2 * holders <= after.places.length) return `a minority of ${holders} advanced to ${JSON.stringify(now)}`;
  }
  return undefined;
}

const heldOnDisk = ({ disk }: Place): readonly KeyId[] => [
  disk.sealing,
  ...(disk.candidate ? [disk.candidate.id] : []),
  ...disk.retiring.map(({ id }) => id),
];

/** Worlds without faults that come to a good end: many ways lead to each. */
const endsWell = new Set<string>();
const noneLeft = { crashes: 0, diskLosses: 0, linkFailures: 0, losses: 0, rotations: 0, evictions: 0 };

/**
 * What is wrong when the faults stop: every member that is not evicted must come to one key, hold it, and be done, and
 * after an eviction it is one that the evicted member does not hold. Undefined when all is well.
 */
function wrongInTheEnd(world: World): string | undefined {
  let now = world;
  const members = world.places.map((_, at) => at).filter((at) => !(world.evicted && at === thief));
  for (const at of members) if (!now.places[at]!.rules) now = restart(now, at, false);
  if (world.evicted) for (const at of members) now = tell(now, at);
  for (const a of members) for (const b of members) if (b > a && !isLinked(now, a, b)) now = link(now, a, b);
  const way: string[] = [];
  for (let round = 0; round < 12; round++) {
    now = quiet(now);
    const key = keyOf({ ...now, left: noneLeft });
    if (endsWell.has(key)) return undefined;
    way.push(key);
    const places = members.map((at) => now.places[at]!);
    if (places.every(({ rules }) => rules && stageOf(rules) === 'stable' && rules.due === undefined)) {
      const keys = new Set(places.map(({ rules }) => JSON.stringify(rules!.sealing)));
      if (keys.size > 1) return `they stay apart: ${[...keys].join(' and ')}`;
      if (world.evicted && places[0]!.rules!.sealing.revocations === 0) return 'nobody rotated after the eviction';
      for (const good of way) endsWell.add(good);
      return undefined;
    }
    // Time passes, and the exchange of all that was lost comes round.
    for (const at of members) now = announce(pass(now, at), at);
  }
  return `they do not come to rest: ${members.map((at) => stageOf(now.places[at]!.rules!)).join(', ')}`;
}

/** Delivers and makes everything that is under way. */
function quiet(world: World): World {
  let now = world;
  for (let turns = 0; turns < 2_000; turns++) {
    const flight = Object.entries(now.flights).find(([, flights]) => Object.keys(flights).length > 0);
    const maker = now.places.findIndex(({ rules }) => rules?.plan !== undefined);
    if (flight) {
      const [key, what] = flight;
      now = deliver(now, Number(key[0]), Number(key[1]), Object.keys(what)[0] as keyof Flight);
    } else if (maker >= 0) now = make(now, maker);
    else return now;
  }
  throw new Error('they never stop talking');
}

interface Searched {
  readonly states: number;
  readonly depth: number;
  /** Whether nothing was left to look at: the bounds, and not the depth, ended the search. */
  readonly isWhole: boolean;
  /** The first thing that is wrong, with the shortest way to it. */
  readonly wrong?: { readonly what: string; readonly path: readonly string[] };
}

interface Reached {
  readonly world: World;
  readonly action: string;
  readonly before: Reached | undefined;
}

const pathTo = (reached: Reached | undefined): string[] =>
  reached?.before ? [...pathTo(reached.before), reached.action] : [];

/** Goes through everything that can happen, breadth first, up to so many actions or states. */
export function search(bounds: Bounds, depthMax: number, statesMax = Number.POSITIVE_INFINITY): Searched {
  const start = quiet(beginning(bounds));
  const seen = new Set([keyOf(start)]);
  let edge: Reached[] = [{ world: start, action: '', before: undefined }];
  let depth = 0;
  for (; depth < depthMax && edge.length > 0; depth++) {
    const next: Reached[] = [];
    for (const reached of edge) {
      for (const [action, act] of actionsOf(reached.world)) {
        const world = act();
        const key = keyOf(world);
        if (seen.has(key)) continue;
        seen.add(key);
        const now = { world, action, before: reached };
        const what = wrongWith(reached.world, action, world) ?? wrongInTheEnd(world);
        if (what) return { states: seen.size, depth: depth + 1, isWhole: false, wrong: { what, path: pathTo(now) } };
        next.push(now);
      }
      if (seen.size >= statesMax) return { states: seen.size, depth, isWhole: false };
    }
    edge = next;
  }
  return { states: seen.size, depth, isWhole: edge.length === 0 };
}
