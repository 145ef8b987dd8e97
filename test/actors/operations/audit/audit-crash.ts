import { AuditLog } from '../../../../src/actors/operations/audit/audit-log.ts';
import { AuditUpkeep } from '../../../../src/actors/operations/audit/audit-upkeep.ts';
import type { VaultRing } from '../../../../src/crypto/vault.ts';
import { unwrap } from '../../../../src/errors.ts';
import { readAuditLine } from '../../../../src/protocols/audit/record.ts';
import { ManualClock, settle } from '../../../../src/testing/manual-clock.ts';
import { MemoryDisk } from '../../../../src/testing/memory-disk.ts';
import { seededRandom } from '../../../../src/testing/seeded-random.ts';
import { deployed, logParts, testVault } from './audit-lab.ts';

const folder = '/audit';
const dayMs = 86_400_000;

/** What happened to the acts of one history, over all lives of its log. */
interface History {
  readonly asked: Set<string>;
  readonly answered: Set<string>;
  retired: number;
  /** On another disk, as an operator keeps it. */
  ring: VaultRing;
}

/**
 * Two lives of a log on a disk that discards and reorders what was not synced, each cut short by the power at a drawn
 * moment: while records are written in bursts, segments change by day and with the vault’s key, and closed ones are
 * compressed, wrapped anew or retired. After
 * each cut the log must open, hold, have every act that was answered, and none that nobody asked for. Throws otherwise.
 */
export async function crashTwice(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const draw = (below: number): number => random.uint32() % below;
  const history: History = { asked: new Set(), answered: new Set(), retired: 0, ring: testVault };
  let disk = new MemoryDisk({ random, scattersWrites: true });
  const clock = new ManualClock();
  for (let life = 1; life <= 2; life++) {
    disk = await live(disk, clock, draw, history, `seed-${seed}/life-${life}`);
    await check(disk, clock, history);
  }
}

async function live(
  disk: MemoryDisk,
  clock: ManualClock,
  draw: (below: number) => number,
  history: History,
  name: string,
): Promise<MemoryDisk> {
  let found: MemoryDisk | undefined;
  let acts = 0;
  const cutAt = 1 + draw(90);
  const cut = Promise.withResolvers<void>();
  disk.before = () => {
    acts += 1;
    if (acts !== cutAt) return;
    found = disk.crash();
    cut.resolve();
  };
  const log = new AuditLog({ ...logParts, disk, clock, folder, vault: () => history.ring });
  const upkeep = new AuditUpkeep({
    ...{ disk, clock, folder, log, crypto: logParts.crypto, retentionMs: 2 * dayMs, fault: () => {} },
    vault: {
      get ring() {
        return history.ring;
      },
      reload: async () => {},
    },
  });
  const stop = new AbortController();
  const writer = (async () => {
    await log.open();
    log.setMode('writing');
    while (!stop.signal.aborted) {
      await log.write(stop.signal);
      if (!stop.signal.aborted) await log.rotate();
    }
  })().catch((error: unknown) => log.setMode('blocked', error));
  for (let burst = 0; burst < 12 && !found; burst++) {
    const waiting = Array.from({ length: 1 + draw(6) }, async (_, i) => {
      const identity = `${name}/${burst}-${i}`;
      history.asked.add(identity);
      const bulk = draw(4) === 0 ? ['x'.repeat(300 + draw(200))] : [];
      const result = await log.record({ ...deployed(identity), reasons: bulk });
      if (result.ok) history.answered.add(identity);
    });
    if (draw(8) === 0) history.ring = unwrap(history.ring.rotated(logParts.crypto));
    const tidying = draw(2) === 0 ? upkeep.tidy(stop.signal) : undefined;
    // After the cut nothing is answered any more, or refused at once.
    await Promise.race([Promise.allSettled([...waiting, tidying]), cut.promise]);
    await settle();
    if (draw(2) === 0) await clock.advanceAsync(dayMs);
  }
  // Also for those that wait for a cut which never came.
  found ??= disk.crash();
  stop.abort();
  await clock.advanceAsync(20_000);
  await writer;
  return found;
}

async function check(disk: MemoryDisk, clock: ManualClock, history: History): Promise<void> {
  const log = new AuditLog({ ...logParts, disk, clock, folder, vault: () => history.ring });
  await log.open();
  const verified = unwrap(await log.verify());
  if (!verified.valid) throw new Error(`the log does not hold: ${JSON.stringify(verified.firstBad)}`);
  const kept = new Set<string>();
  let next = await log.reader.first();
  for await (const { sequence, bytes } of log.reader.records(1, Number.MAX_SAFE_INTEGER)) {
    if (sequence !== next) throw new Error(`record ${next} is missing`);
    next += 1;
    const record = unwrap(readAuditLine(Buffer.from(bytes).toString()));
    if (record.type === 'AgentDeployed') {
      if (!history.asked.has(record.identity)) throw new Error(`nobody asked for ${record.identity}`);
      if (kept.has(record.identity)) throw new Error(`${record.identity} is there twice`);
      kept.add(record.identity);
    }
    if (record.type === 'AuditRetired') history.retired = Math.max(history.retired, Number(record.metadata.through));
  }
  if ((await log.reader.first()) > history.retired + 1) throw new Error('records are gone that were not retired');
  const lost = [...history.answered].filter((identity) => !kept.has(identity));
  // What was retired was answered and is gone in order.
  if (history.retired === 0 && lost.length > 0) throw new Error(`answered and lost: ${lost.join(', ')}`);
  for (const identity of lost) history.answered.delete(identity);
  if (lost.length > history.retired) throw new Error(`more is lost than was retired: ${lost.join(', ')}`);
  await log.close();
}
