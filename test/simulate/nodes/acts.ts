import fc from 'fast-check';

/** Something that goes wrong, or right again, among complete nodes; machines and agents by number, times in milliseconds. */
export type NodeAct =
  | { readonly do: 'wait'; readonly ms: number }
  /** Ends the process; the power of the machine; the node in order; the process and all that was on the disk. */
  | { readonly do: 'kill' | 'cut-power' | 'stop' | 'wipe' | 'start'; readonly at: number }
  /** Everything stands still; what is sent waits; what comes waits; both, with timers that run. */
  | { readonly do: 'freeze' | 'mute' | 'deafen' | 'block'; readonly at: number; readonly ms: number }
  | { readonly do: 'skew'; readonly at: number; readonly ms: number }
  /** The machines whose bits are set on one side. */
  | { readonly do: 'split'; readonly sides: number }
  | { readonly do: 'heal' | 'no-datagrams' }
  | { readonly do: 'cut'; readonly at: number; readonly to: number; readonly what: 'all' | 'link' | 'datagram' }
  | { readonly do: 'break-links'; readonly at: number; readonly to: number }
  | { readonly do: 'weather'; readonly loss: number; readonly duplication: number; readonly reordering: number }
  | { readonly do: 'slow'; readonly at: number; readonly ms: number }
  | { readonly do: 'replay'; readonly at: number; readonly count: number }
  | { readonly do: 'fill-disk'; readonly at: number; readonly ms: number }
  /** Its disk or its state database fails at what it is told to do. */
  | { readonly do: 'break-disk'; readonly at: number; readonly what: BrokenPart; readonly ms: number }
  | { readonly do: 'crash-actor'; readonly at: number; readonly actor: number }
  | { readonly do: 'deploy' | 'remove' | 'move'; readonly at: number; readonly agent: number }
  | { readonly do: 'rotate-key' | 'renew'; readonly at: number }
  | { readonly do: 'suspend' | 'revoke'; readonly at: number; readonly via: number }
  | { readonly do: 'resume'; readonly via: number };

/** What fails of a machine’s storage. */
export type BrokenPart = 'append' | 'sync' | 'write' | 'truncate' | 'store';

/** A cluster of complete nodes and what happens to it. */
export interface NodeSchedule {
  readonly size: number;
  readonly seed: number;
  readonly profile: 'local' | 'lan';
  readonly byCaNode: boolean;
  readonly scattersWrites: boolean;
  readonly acts: readonly NodeAct[];
}

const at = fc.nat({ max: 29 });
const stallMs = fc.integer({ min: 100, max: 20_000 });
const part = fc.constantFrom(0, 0.05, 0.3);

const acts: readonly (readonly [number, fc.Arbitrary<NodeAct>])[] = [
  [8, fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 10, max: 8_000 }) })],
  [2, fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 8_000, max: 60_000 }) })],
  [5, fc.record({ do: fc.constantFrom('kill' as const, 'cut-power', 'start', 'start'), at })],
  [1, fc.record({ do: fc.constantFrom('stop' as const, 'wipe'), at })],
  [3, fc.record({ do: fc.constantFrom('freeze' as const, 'mute', 'deafen', 'block'), at, ms: stallMs })],
  [1, fc.record({ do: fc.constant('skew' as const), at, ms: fc.integer({ min: -20_000, max: 20_000 }) })],
  [3, fc.record({ do: fc.constant('split' as const), sides: fc.nat({ max: 2 ** 30 - 1 }) })],
  [2, fc.record({ do: fc.constant('heal' as const) })],
  [1, fc.record({ do: fc.constant('no-datagrams' as const) })],
  [
    3,
    fc.record({
      do: fc.constant('cut' as const),
      at,
      to: at,
      what: fc.constantFrom('all' as const, 'link', 'datagram'),
    }),
  ],
  [2, fc.record({ do: fc.constant('break-links' as const), at, to: at })],
  [2, fc.record({ do: fc.constant('weather' as const), loss: part, duplication: part, reordering: part })],
  [1, fc.record({ do: fc.constant('slow' as const), at, ms: fc.nat({ max: 1_500 }) })],
  [1, fc.record({ do: fc.constant('replay' as const), at, count: fc.integer({ min: 1, max: 200 }) })],
  [1, fc.record({ do: fc.constant('fill-disk' as const), at, ms: stallMs })],
  [
    2,
    fc.record({
      do: fc.constant('break-disk' as const),
      at,
      what: fc.constantFrom<BrokenPart>('append', 'sync', 'write', 'truncate', 'store'),
      ms: stallMs,
    }),
  ],
  [2, fc.record({ do: fc.constant('crash-actor' as const), at, actor: fc.nat({ max: 999 }) })],
  [5, fc.record({ do: fc.constantFrom('deploy' as const, 'remove', 'move', 'move'), at, agent: at })],
  [3, fc.record({ do: fc.constantFrom('rotate-key' as const, 'renew'), at })],
  [2, fc.record({ do: fc.constant('suspend' as const), at, via: at })],
  [1, fc.record({ do: fc.constant('resume' as const), via: at })],
  [1, fc.record({ do: fc.constant('revoke' as const), at, via: at })],
];

const sizes: readonly (readonly [number, number, number])[] = [
  [40, 3, 6],
  [6, 7, 12],
  [1, 13, 30],
];

/** Random schedules: mostly small clusters, some of tens of members. */
export const nodeSchedules: fc.Arbitrary<NodeSchedule> = fc.record({
  size: fc.oneof(...sizes.map(([weight, min, max]) => ({ weight, arbitrary: fc.integer({ min, max }) }))),
  seed: fc.nat(),
  profile: fc.constantFrom('local', 'local', 'local', 'lan'),
  byCaNode: fc.boolean(),
  scattersWrites: fc.boolean(),
  acts: fc.array(fc.oneof(...acts.map(([weight, arbitrary]) => ({ weight, arbitrary }))), {
    minLength: 2,
    maxLength: 20,
    size: 'max',
  }),
});
