import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Actor, createActor } from 'xstate';
import type { AppendFile, Disk } from '../../../../src/actors/kernel/ports.ts';
import type { AuditDraft } from '../../../../src/actors/operations/audit/audit-draft.ts';
import { AuditLog } from '../../../../src/actors/operations/audit/audit-log.ts';
import type { AuditLogOptions } from '../../../../src/actors/operations/audit/audit-log-options.ts';
import { auditWriter } from '../../../../src/actors/operations/audit/audit-writer.ts';
import { nodeDisk } from '../../../../src/actors/operations/node-disk.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { createVaultRing } from '../../../../src/crypto/vault.ts';
import { unwrap } from '../../../../src/errors.ts';
import { type AuditRecord, readAuditLine } from '../../../../src/protocols/audit/record.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';

/** A folder that goes with the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'caxton-audit-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The real disk, which fails when told to and counts what it is asked. */
export class FaultyDisk implements Disk {
  readFile = nodeDisk.readFile;
  readPart = nodeDisk.readPart;
  writeFileAtomic = nodeDisk.writeFileAtomic;
  list = nodeDisk.list;
  makeFolder = nodeDisk.makeFolder;
  remove = nodeDisk.remove;
  stat = nodeDisk.stat;
  opens = 0;
  appends = 0;
  syncs = 0;
  /** Thrown by what is named. `half`: an append writes half of its bytes first. */
  fault: { readonly at: 'open' | 'append' | 'half' | 'sync' | 'everything'; readonly error: Error } | undefined;
  /** Awaited before a sync. */
  beforeSync: () => Promise<void> = async () => {};

  async openAppend(path: string, mode: number): Promise<AppendFile> {
    this.opens += 1;
    this.#check('open');
    const file = await nodeDisk.openAppend(path, mode);
    const disk = this;
    return {
      get bytes() {
        return file.bytes;
      },
      async append(bytes) {
        disk.appends += 1;
        if (disk.fault?.at === 'half') await file.append(bytes.subarray(0, bytes.length / 2));
        disk.#check('append', 'half');
        await file.append(bytes);
      },
      async sync() {
        await disk.beforeSync();
        disk.#check('sync');
        disk.syncs += 1;
        await file.sync();
      },
      async truncate(bytes) {
        disk.#check();
        await file.truncate(bytes);
      },
      close: () => file.close(),
    };
  }

  #check(...at: string[]): void {
    if (this.fault && (this.fault.at === 'everything' || at.includes(this.fault.at))) throw this.fault.error;
  }
}

export const ioFault = new Error('EIO: i/o error, write');

/** What every log of the tests is sealed with. */
export const testVault = createVaultRing(osCrypto);

/** The parts of a log’s options that seldom matter. */
export const logParts = {
  crypto: osCrypto,
  nodeId: 'node-1',
  origin: 'test/node/node-1/audit',
  vault: () => testVault,
} as const;

/** All durable records of a log, as plain objects. */
export async function recordsOf(log: AuditLog): Promise<AuditRecord[]> {
  const records: AuditRecord[] = [];
  for await (const { bytes } of log.reader.records(1, Number.MAX_SAFE_INTEGER))
    records.push(unwrap(readAuditLine(new TextDecoder().decode(bytes))));
  return records;
}

export const firstSegment = 'audit-000000000001.seg';

export interface AuditLab {
  readonly folder: string;
  readonly disk: FaultyDisk;
  readonly clock: ManualClock;
  readonly log: AuditLog;
  /** Starts a life of the writer. */
  start(): Actor<typeof auditWriter>;
}

export function auditLab(options: Partial<AuditLogOptions> = {}): AuditLab {
  const folder = options.folder ?? join(testFolder(), 'audit');
  const disk = new FaultyDisk();
  const clock = new ManualClock();
  const log = new AuditLog({ ...logParts, disk, clock, folder, ...options });
  return {
    folder,
    disk,
    clock,
    log,
    start() {
      const writer = createActor(auditWriter, { input: { log }, clock });
      writer.subscribe({ error: () => {} });
      onTestFinished(() => {
        writer.stop();
        return log.close();
      });
      return writer.start();
    },
  };
}

/** Polls a condition; throws after the deadline. */
export async function until(what: string, condition: () => boolean, ms = 3_000): Promise<void> {
  for (const deadline = performance.now() + ms; !condition(); ) {
    if (performance.now() > deadline) throw new Error(`not in ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export const inState = (writer: Actor<typeof auditWriter>, state: string): Promise<void> =>
  until(`the writer is ${state}`, () => writer.getSnapshot().matches(state as 'writing'));

/** Shuts the writer down in order. */
export async function shutDown(writer: Actor<typeof auditWriter>): Promise<void> {
  writer.send({ type: 'kernel.shutdown' });
  await until('the writer has ended', () => writer.getSnapshot().status === 'done');
}

export const deployed = (name = 'default/echo'): AuditDraft => ({
  type: 'AgentDeployed',
  identity: name,
  sourceIp: '',
  outcome: 'success',
  reasons: [],
  metadata: { generation: 1 },
});

export const granted = (sender: string): AuditDraft => ({
  type: 'AccessGranted',
  identity: sender,
  sourceIp: '',
  outcome: 'success',
  reasons: [],
  metadata: { sender, receiver: 'default/echo', operation: 'request' },
});

export const denied = (sourceIp: string): AuditDraft => ({
  type: 'LoginFailure',
  identity: 'anonymous',
  sourceIp,
  outcome: 'refused',
  code: 'UNAUTHENTICATED',
  reasons: ['The API key is not known.'],
  metadata: {},
});
