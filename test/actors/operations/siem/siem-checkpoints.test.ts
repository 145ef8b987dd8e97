import { describe, expect, it } from 'vitest';
import { NotNow, Unwanted } from '../../../../src/actors/operations/siem/sink.ts';
import { limits } from '../../../../src/limits.ts';
import { ForwarderLab, upTo } from './forwarder-lab.ts';

describe('checkpoints to a receiver', () => {
  it('brings each checkpoint behind the records that it covers', async () => {
    for (const confirmsEach of [true, false]) {
      const lab = new ForwarderLab(confirmsEach);
      lab.newest = 3;
      lab.checkpoint = { size: 5, line: '{}' };
      const kernel = await lab.run();
      await lab.after(200);
      expect(lab.checkpoints).toEqual([]);
      lab.grow(2);
      await lab.after(200);
      expect(lab.checkpoints).toEqual([5]);
      // Its news come without records.
      lab.grow(1);
      await lab.after(200);
      lab.checkpoint = { size: 6, line: '{}' };
      lab.grow(0);
      await lab.after(200);
      expect(lab.checkpoints).toEqual([5, 6]);
      await kernel.stop();
    }
  });

  it('a receiver that wants no checkpoints gets the records, and that is told once', async () => {
    const lab = new ForwarderLab();
    lab.checkpointFault = new Unwanted('it answered 400');
    for (const size of [2, 4, 6]) {
      lab.checkpoint = { size, line: '{}' };
      lab.newest = size;
    }
    const kernel = await lab.run();
    await lab.after(200);
    lab.checkpoint = { size: 8, line: '{}' };
    lab.grow(2);
    await lab.after(200);
    expect(lab.received).toEqual(upTo(8));
    expect(lab.told).toEqual([expect.stringContaining('does not take the checkpoints')]);
    expect(lab.changes).toEqual([]);
    await kernel.stop();
  });

  it('a receiver that refuses checkpoints for now gets the records as they come, and is asked again in a while', async () => {
    for (const fault of [new Error('it answered 403'), new NotNow('it answered 503', 5_000)]) {
      const lab = new ForwarderLab();
      lab.checkpointFault = fault;
      const kernel = await lab.run();
      for (let size = 1; size <= 50; size += 1) {
        lab.checkpoint = { size, line: '{}' };
        lab.grow(1);
        await lab.after(1_000);
        expect(lab.received).toEqual(upTo(size));
      }
      expect(lab.checkpointsTried).toBe(1);
      expect(lab.told).toEqual([
        expect.stringContaining('does not take the checkpoints of the audit log: it answered'),
      ]);
      expect(lab.changes).toEqual([]);
      // Without news, too.
      lab.checkpointFault = undefined;
      await lab.after(11_000);
      expect(lab.checkpoints).toEqual([50]);
      await kernel.stop();
      expect(lab.listeners).toBe(0);
    }
  });

  it('a checkpoint under way when the node stops is no refusal of the receiver', async () => {
    const lab = new ForwarderLab();
    const stop = new AbortController();
    lab.newest = 1;
    lab.checkpoint = { size: 1, line: '{}' };
    lab.checkpointFault = new Error('aborted');
    stop.abort();
    await expect(lab.forwarder.send(stop.signal)).rejects.toThrow('aborted');
    expect(lab.told).toEqual([]);
  });

  it('a stream that breaks at a checkpoint brings again what nobody confirmed', async () => {
    const lab = new ForwarderLab(false);
    lab.checkpointFault = new Error('broken');
    lab.checkpoint = { size: 3, line: '{}' };
    lab.newest = 3;
    const kernel = await lab.run();
    await lab.after(200);
    lab.checkpointFault = undefined;
    await lab.after(1_000 + limits.siemConfirmMs);
    expect(lab.received).toEqual(upTo(3));
    expect(lab.checkpoints).toEqual([3]);
    expect(lab.changes.map(({ failure }) => failure)).toEqual(['broken', undefined]);
    await kernel.stop();
  });
});
