import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import {
  type CertificateRenewal,
  certRotator,
  type Renewed,
} from '../../../../src/actors/cluster/identity/cert-rotator.ts';
import { ok, type Result, refuse } from '../../../../src/errors.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';

const hourMs = 3_600_000;

function rotating(over: { enabled?: boolean; dueAtMs?: number } = {}) {
  const clock = new ManualClock();
  const log: string[] = [];
  const world = {
    dueAtMs: over.dueAtMs ?? 10 * hourMs,
    endsAtMs: 1_000 * hourMs,
    renew: (): Result<Renewed> => ok({ certPem: 'cert', keyPem: 'key' }),
    install: (): Result<void> => ok(undefined),
  };
  const renewal: CertificateRenewal = {
    dueInMs: () => world.dueAtMs - clock.monotonic(),
    leftMs: () => world.endsAtMs - clock.monotonic(),
    renew: async () => {
      log.push(`renew ${clock.monotonic()}`);
      return world.renew();
    },
    install: async ({ certPem }) => {
      log.push(`install ${certPem}`);
      const installed = world.install();
      if (installed.ok) world.dueAtMs = clock.monotonic() + 10 * hourMs;
      return installed;
    },
    failed: (_, attempt) => void log.push(`failed ${attempt}`),
  };
  const actor = createActor(certRotator, {
    clock,
    input: { enabled: over.enabled ?? true, renewal, checkIntervalMs: hourMs, jitter: () => 0 },
  });
  actor.start();
  return { clock, log, world, actor };
}

describe('the certificate rotator', () => {
  it('renews when the certificate is due, and again a life later', async () => {
    const { clock, log } = rotating();
    await clock.advanceAsync(10 * hourMs - 1);
    expect(log).toEqual([]);
    await clock.advanceAsync(1);
    expect(log).toEqual([`renew ${10 * hourMs}`, 'install cert']);
    await clock.advanceAsync(10 * hourMs);
    expect(log.slice(2)).toEqual([`renew ${20 * hourMs}`, 'install cert']);
  });

  it('renews at once when it starts too late', async () => {
    const { clock, log } = rotating({ dueAtMs: -1 });
    await clock.advanceAsync(0);
    expect(log).toEqual(['renew 0', 'install cert']);
  });

  it('leaves the certificate alone when it is disabled', async () => {
    const { clock, log } = rotating({ enabled: false });
    await clock.advanceAsync(100 * hourMs);
    expect(log).toEqual([]);
  });

  it('backs off after each failure, twice as long up to an hour, until it works', async () => {
    const { clock, log, world, actor } = rotating();
    world.renew = () => refuse('FILE_UNREADABLE', 'No CA key.');
    world.dueAtMs = -1;
    actor.send({ type: 'cert.check' });
    await clock.advanceAsync(70_000);
    expect(log).toEqual([
      'renew 0',
      'failed 1',
      'renew 10000',
      'failed 2',
      'renew 30000',
      'failed 3',
      'renew 70000',
      'failed 4',
    ]);
    await clock.advanceAsync(24 * hourMs);
    const times = log.filter((line) => line.startsWith('renew')).map((line) => Number(line.slice(6)));
    expect(times.at(-1)! - times.at(-2)!).toBe(hourMs);
    world.renew = () => ok({ certPem: 'cert', keyPem: 'key' });
    await clock.advanceAsync(hourMs);
    expect([log.at(-1), actor.getSnapshot().value]).toEqual(['install cert', 'idle']);
    expect(actor.getSnapshot().context.attempt).toBe(0);
  });

  it('counts an installation that was refused as a failure', async () => {
    const { clock, log, world, actor } = rotating({ dueAtMs: -1 });
    world.install = () => refuse('CERTIFICATE_REFUSED', 'Foreign.');
    await clock.advanceAsync(0);
    expect([log, actor.getSnapshot().value]).toEqual([['renew 0', 'install cert', 'failed 1'], 'backing-off']);
  });

  it('renews when it is told to, due or not', async () => {
    const { clock, log, actor } = rotating();
    actor.send({ type: 'cert.renew' });
    await clock.advanceAsync(0);
    expect(log).toEqual(['renew 0', 'install cert']);
  });

  it('stops whenever it is told to', async () => {
    const { clock, log, actor } = rotating();
    actor.send({ type: 'kernel.shutdown' });
    expect(actor.getSnapshot().status).toBe('done');
    await clock.advanceAsync(20 * hourMs);
    expect(log).toEqual([]);
  });

  it('renews in time what lives shorter than the interval of its checks', async () => {
    const { clock, log } = rotating({ dueAtMs: hourMs / 4 });
    await clock.advanceAsync(hourMs / 4);
    expect(log).toEqual([`renew ${hourMs / 4}`, 'install cert']);
  });

  it('tries again at once when a CA node comes', async () => {
    const { clock, log, world, actor } = rotating();
    world.renew = () => refuse('UNREACHABLE', 'No CA node.');
    world.dueAtMs = 0;
    actor.send({ type: 'cert.check' });
    await clock.advanceAsync(1);
    world.renew = () => ok({ certPem: 'cert', keyPem: 'key' });
    actor.send({ type: 'cert.issuer' });
    await clock.advanceAsync(1);
    expect(log).toEqual(['renew 0', 'failed 1', 'renew 1', 'install cert']);
    actor.send({ type: 'cert.issuer' });
    await clock.advanceAsync(1);
    expect(log).toHaveLength(4);
  });

  it.each([
    ['is due again, since the root changed meanwhile', 'renew 0, install cert, renew 0, install cert', true],
    ['is not due', 'renew 0, install cert', false],
  ])('looks once more after a renewal during which it was told to, and what it has %s', async (_, expected, due) => {
    const { clock, log, world, actor } = rotating();
    world.install = () => {
      // Only the first one is of before the change.
      if (due && log.length === 2)
        queueMicrotask(() => queueMicrotask(() => void Object.assign(world, { dueAtMs: 0 })));
      return ok(undefined);
    };
    actor.send({ type: 'cert.renew' });
    actor.send({ type: 'cert.check' });
    world.dueAtMs = due ? 0 : world.dueAtMs;
    await clock.advanceAsync(1);
    expect(log.join(', ')).toBe(expected);
  });

  it('does not renew without pause what is due although it was just renewed', async () => {
    const { clock, log, world } = rotating({ dueAtMs: -1 });
    world.install = () => {
      queueMicrotask(() => {
        world.dueAtMs = -1;
      });
      return ok(undefined);
    };
    await clock.advanceAsync(3 * hourMs);
    expect(log.filter((line) => line.startsWith('renew')).length).toBeLessThanOrEqual(4);
  });
});
