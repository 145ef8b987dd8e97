import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Ports } from '../../src/actors/kernel/ports.ts';
import type { NodeParts } from '../../src/actors/node-parts.ts';
import { nodePorts } from '../../src/actors/node-ports.ts';
import { stopInPhases } from '../../src/actors/node-stop.ts';
import { lockFolder } from '../../src/actors/operations/audit/folder-lock.ts';
import type { NodeConfig } from '../../src/config.ts';
import { limits } from '../../src/limits.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';

/** A node’s ports with the real disk in a folder that goes with the test, and whether its audit folder is locked. */
async function opened() {
  const dataPath = mkdtempSync(join(tmpdir(), 'caxton-ports-'));
  onTestFinished(() => rmSync(dataPath, { recursive: true, force: true }));
  const logPath = join(dataPath, 'audit');
  const config = { node: { dataPath }, security: { audit: { logPath }, mtls: {} } } as unknown as NodeConfig;
  const { close } = await nodePorts(config, { store: {} as Ports['store'] });
  const isLocked = (): boolean => {
    try {
      lockFolder(logPath)();
      return false;
    } catch {
      return true;
    }
  };
  return { close, isLocked };
}

it('the audit folder is locked from the start until the ports are closed', async () => {
  const { close, isLocked } = await opened();
  expect(isLocked()).toBe(true);
  await close();
  expect(isLocked()).toBe(false);
});

it('a stop that could not wait for the log leaves its folder locked until the log has ended', async () => {
  const { close, isLocked } = await opened();
  const clock = new ManualClock();
  const ended = Promise.withResolvers<void>();
  const cut: string[] = [];
  const nothing = async (): Promise<void> => {};
  const parts = {
    ports: { clock },
    nodeId: 'node-1',
    kernel: { beginStop() {}, terminateChild: nothing, kill() {}, stop: nothing, tree: () => [], ended: nothing() },
    deployments: { close() {} },
    embedding: { close() {} },
    renewals: { close() {} },
    cluster: { links: { stop() {} }, gossip: { close: nothing }, port: { close: nothing } },
    messaging: { asks: { stop() {} } },
    transport: { stop() {} },
    api: { api: { close: nothing } },
    siem: { end: nothing },
    events: { emit: (event: { type: string; what: string }) => event.type === 'node.stop-cut' && cut.push(event.what) },
    audit: { end: () => ended.promise, record: async () => ({ ok: true, value: {} }), note() {} },
    fault() {},
  } as unknown as NodeParts;
  let isStopped = false;
  void stopInPhases({ parts, close, caller: undefined }).then(() => {
    isStopped = true;
  });
  for (let passed = 0; !isStopped && passed < limits.stopMsMax; passed += 100) await clock.advanceAsync(100);
  await expect.poll(() => isStopped).toBe(true);
  expect(cut).toEqual(['the audit log']);
  expect(isLocked()).toBe(true);
  ended.resolve();
  await expect.poll(isLocked).toBe(false);
});
