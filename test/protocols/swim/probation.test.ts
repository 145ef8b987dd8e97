import { describe, expect, test } from 'vitest';
import { claims, Stage } from './stage.ts';

const others = Array.from({ length: 11 }, (_, index) => `node-${index + 2}`);
/** Thirty probe intervals of the profile local. */
const holdMs = 15_000;

/** Node-2 dies in its present incarnation, and then shows itself. */
function diesAndReturns(stage: Stage): void {
  const { epoch, incarnation } = stage.state.roster.records.get('node-2' as never)!;
  stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-4', 'node-5'], epoch, incarnation));
  expect(stage.status('node-2')).toBe('dead');
  stage.hears('node-3', claims.alive('node-2', epoch, incarnation + 1));
}

/** So many members accuse node-2, one after the other, and it refutes each. */
function refutes(stage: Stage, accusers: readonly string[]): void {
  for (const accuser of accusers) {
    const { incarnation } = stage.state.roster.records.get('node-2' as never)!;
    stage.hears(accuser, claims.suspect('node-2', accuser, 1, incarnation));
    stage.hears(accuser, claims.alive('node-2', 1, incarnation + 1));
  }
}

describe('a member that failed', () => {
  test('once is alive as soon as it shows itself', () => {
    const stage = new Stage(others);
    diesAndReturns(stage);
    expect(stage.status('node-2')).toBe('alive');
  });

  test('twice is unreachable for a while after it shows itself, and alive when it answers then', () => {
    const stage = new Stage(others);
    diesAndReturns(stage);
    diesAndReturns(stage);
    expect(stage.status('node-2')).toBe('unreachable');
    stage.passes(holdMs - 1);
    stage.receives('node-2', { kind: 'gossip', claims: [] });
    expect(stage.status('node-2')).toBe('unreachable');
    stage.passes(1);
    stage.receives('node-2', { kind: 'gossip', claims: [] });
    expect(stage.status('node-2')).toBe('alive');
  });

  test('twice is looked for when its time is over', () => {
    const stage = new Stage(others);
    diesAndReturns(stage);
    diesAndReturns(stage);
    stage.takeSent();
    stage.passes(2 * holdMs);
    expect(stage.takeSent('ping').some(({ to }) => to === 'node-2')).toBe(true);
  });

  test('twice is not kept away by one accuser alone', () => {
    const stage = new Stage(others);
    diesAndReturns(stage);
    diesAndReturns(stage);
    for (let passedMs = 0; passedMs < holdMs; passedMs += 1_000) {
      refutes(stage, ['node-3']);
      stage.passes(1_000);
    }
    stage.receives('node-2', { kind: 'gossip', claims: [] });
    expect(stage.status('node-2')).toBe('alive');
  });

  test('twice stays away while several accuse it', () => {
    const stage = new Stage(others);
    diesAndReturns(stage);
    diesAndReturns(stage);
    for (let passedMs = 0; passedMs < holdMs; passedMs += 1_000) {
      refutes(stage, ['node-3', 'node-4', 'node-5']);
      stage.passes(1_000);
    }
    stage.receives('node-2', { kind: 'gossip', claims: [] });
    expect(stage.status('node-2')).toBe('unreachable');
  });

  test('long ago has been forgiven', () => {
    const stage = new Stage(others);
    diesAndReturns(stage);
    stage.passes(301_000);
    diesAndReturns(stage);
    expect(stage.status('node-2')).toBe('alive');
  });

  test('and was started again begins anew', () => {
    const stage = new Stage(others);
    diesAndReturns(stage);
    diesAndReturns(stage);
    stage.hears('node-3', claims.alive('node-2', 2, 1));
    expect(stage.status('node-2')).toBe('alive');
  });

  test('together with many others is not to blame', () => {
    const stage = new Stage(others);
    for (const node of ['node-6', 'node-7', 'node-8', 'node-9']) {
      stage.hears('node-3', claims.dead(node, ['node-3', 'node-4', 'node-5']));
    }
    diesAndReturns(stage);
    diesAndReturns(stage);
    expect(stage.status('node-2')).toBe('alive');
  });
});

describe('a member that refutes everything', () => {
  test('is unreachable when six different members had to accuse it within a short while', () => {
    const stage = new Stage(others);
    refutes(stage, others.slice(1, 6));
    expect(stage.status('node-2')).toBe('alive');
    refutes(stage, others.slice(6, 7));
    expect(stage.status('node-2')).toBe('unreachable');
  });

  test('is alive, however often the same few accuse it', () => {
    const stage = new Stage(others);
    for (let round = 0; round < 20; round++) refutes(stage, others.slice(1, 6));
    expect(stage.status('node-2')).toBe('alive');
  });

  test('is alive when they accused it long after one another', () => {
    const stage = new Stage(others);
    for (const accuser of others.slice(1)) {
      refutes(stage, [accuser]);
      stage.passes(2_000);
    }
    expect(stage.status('node-2')).toBe('alive');
  });
});
