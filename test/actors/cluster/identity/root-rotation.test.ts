import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnyActorRef, createActor, toPromise } from 'xstate';
import {
  type RotationOutcome,
  type RotationSurvey,
  type RotationWork,
  rootRotation,
} from '../../../../src/actors/cluster/identity/root-rotation.ts';
import type { NodeId, TrustDomain } from '../../../../src/names.ts';
import { type NextRoot, rotationStage } from '../../../../src/protocols/notice/root-rotation.ts';
import { issuingRoot, judgeRootsStep, type RootsBody } from '../../../../src/protocols/notice/roots.ts';
import { ManualClock, settle } from '../../../../src/testing/manual-clock.ts';

const trustDomain = 'example.org' as TrustDomain;

/** A cluster that obeys documents: what is durable in it, and how long its members take. */
class World {
  readonly clock = new ManualClock();
  bundle: RootsBody = { trustDomain, roots: ['AAAA'], issuing: 0, crossSigned: [], lockedOut: [] };
  generation = 0;
  readonly published: RootsBody[] = [];
  prepared: NextRoot | undefined;
  made = 0;
  finished = 0;
  canIssue = true;
  readonly away = new Set<NodeId>();
  waited: string[] = [];
  readonly members = new Map<NodeId, { acknowledged: number; root: string }>(
    ['node-1', 'node-2', 'node-3'].map((id) => [id as NodeId, { acknowledged: 0, root: 'AAAA' }]),
  );
  /** Acts until the process of the operator is gone. */
  left = Number.POSITIVE_INFINITY;
  crashes: 'before' | 'after' = 'before';

  /** Members do what the bundle in force wants, a little later. */
  obey(): void {
    const { generation, bundle } = this;
    for (const [id, member] of this.members) {
      if (this.away.has(id)) continue;
      this.clock.setTimeout(() => {
        member.acknowledged = Math.max(member.acknowledged, generation);
        member.root = issuingRoot(bundle);
      }, 700);
    }
  }

  work(): RotationWork {
    const act = async <T>(effect: () => T): Promise<T> => {
      if (this.left-- > 0) return effect();
      if (this.crashes === 'after') effect();
      return new Promise<T>(() => {});
    };
    return {
      monotonic: () => this.clock.monotonic(),
      survey: async (): Promise<RotationSurvey> => ({
        canIssue: this.canIssue,
        alsoMissing: [],
        state: {
          bundle: this.bundle,
          generation: this.generation,
          now: this.clock.now(),
          members: [...this.members].map(([nodeId, member]) => ({ nodeId, ...member, endsAt: undefined })),
        },
      }),
      prepare: () =>
        act(() => {
          if (!this.prepared) {
            this.made += 1;
            this.prepared = { root: 'BBBB', crossSigned: ['CCCC'] };
          }
          return this.prepared;
        }),
      publish: (step, generation) =>
        act(() => {
          expect(generation).toBe(this.generation + 1);
          expect(judgeRootsStep(this.bundle, step.body).ok).toBe(true);
          this.bundle = step.body;
          this.generation = generation;
          this.published.push(step.body);
          this.obey();
        }),
      finish: () =>
        act(() => {
          this.finished += 1;
        }),
      waiting: (missing) => void this.waited.push(...missing.map(({ nodeId }) => nodeId)),
    };
  }

  start(over: { readonly force?: boolean; readonly waitMs?: number } = {}) {
    const { force = false, waitMs = 60_000 } = over;
    const input = { work: this.work(), force, waitMs, pauseMs: 500 };
    const clock = {
      setTimeout: (act: () => void, ms: number) => this.clock.setTimeout(act, ms),
      clearTimeout: (timer: unknown) => this.clock.clearTimeout(timer),
    };
    const actor = createActor(rootRotation, { input, clock: clock as never });
    actor.start();
    return actor;
  }

  /** Lets time pass until the chart has ended, or its process is gone. */
  async ended(actor: ReturnType<World['start']>): Promise<RotationOutcome | undefined> {
    let outcome: RotationOutcome | undefined;
    void toPromise(actor as AnyActorRef).then((result) => {
      outcome = result as RotationOutcome;
    });
    for (let turn = 0; turn < 400 && outcome === undefined && this.left >= 0; turn++) {
      await settle();
      await this.clock.advanceAsync(500);
    }
    await settle();
    return outcome;
  }
}

describe('whoever drives a rotation of the root', () => {
  it('goes through all of it, with a bundle for each step', async () => {
    const world = new World();
    expect(await world.ended(world.start())).toEqual({ type: 'done' });
    expect(world.published.map(rotationStage)).toEqual(['distributing', 'issuing', 'settled']);
    expect(world.bundle).toMatchObject({ roots: ['BBBB'], crossSigned: [], lockedOut: [] });
    expect([world.made, world.finished]).toEqual([1, 1]);
  });

  it('comes to the same end when its process is killed at any of its acts, again and again', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(5), fc.constantFrom('before' as const, 'after' as const)), { maxLength: 6 }),
        async (lives) => {
          const world = new World();
          for (const [left, crashes] of lives) {
            Object.assign(world, { left, crashes });
            const actor = world.start();
            await world.ended(actor);
            actor.stop();
          }
          world.left = Number.POSITIVE_INFINITY;
          // Who comes back after the end begins none anew: the next root is the only one.
          expect(await world.ended(world.start())).toEqual({ type: 'done' });
          expect(world.bundle.roots).toEqual(['BBBB']);
          expect([world.made, world.published.length, world.generation]).toEqual([1, 3, 3]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each([0, 1, 2, 3, 4])('is gone on with after a crash at act %i', async (left) => {
    for (const crashes of ['before', 'after'] as const) {
      const world = new World();
      Object.assign(world, { left, crashes });
      expect(await world.ended(world.start())).toBeUndefined();
      world.left = Number.POSITIVE_INFINITY;
      expect(await world.ended(world.start())).toEqual({ type: 'done' });
      expect(world.published).toHaveLength(3);
    }
  });

  it('drops nothing while a member is missing, says who, and goes on when it is back', async () => {
    const world = new World();
    world.away.add('node-3' as NodeId);
    const stuck = await world.ended(world.start({ waitMs: 5_000 }));
    expect(stuck).toMatchObject({ type: 'stuck', missing: [{ nodeId: 'node-3' }] });
    expect(world.published).toHaveLength(1);
    expect(new Set(world.waited)).toEqual(new Set(['node-1', 'node-2', 'node-3']));
    world.away.clear();
    world.obey();
    expect(await world.ended(world.start())).toEqual({ type: 'done' });
  });

  it('by force goes on without a member, and names it in what is signed', async () => {
    const world = new World();
    world.away.add('node-3' as NodeId);
    await world.ended(world.start({ waitMs: 5_000 }));
    // Those that are there have the time to renew.
    world.obey();
    await world.clock.advanceAsync(1_000);
    const outcome = await world.ended(world.start({ force: true }));
    expect(outcome).toEqual({ type: 'done' });
    expect(world.bundle.lockedOut).toEqual(['node-3']);
  });

  it('has nobody issue under a root of which no CA node has a CA, not by force either', async () => {
    const world = new World();
    world.canIssue = false;
    expect(await world.ended(world.start({ waitMs: 5_000, force: true }))).toMatchObject({ type: 'stuck' });
    expect(world.published.map(rotationStage)).toEqual(['distributing']);
    world.canIssue = true;
    expect(await world.ended(world.start())).toEqual({ type: 'done' });
  });

  it('ends with the error of an act that fails, and is gone on with', async () => {
    const world = new World();
    const work = world.work();
    const failing = { ...work, publish: async () => Promise.reject(new Error('no quorum')) };
    const actor = createActor(rootRotation, { input: { work: failing, force: false, waitMs: 1_000, pauseMs: 500 } });
    actor.start();
    expect(await toPromise(actor)).toMatchObject({ type: 'failed', error: { message: 'no quorum' } });
    expect(await world.ended(world.start())).toEqual({ type: 'done' });
  });
});
