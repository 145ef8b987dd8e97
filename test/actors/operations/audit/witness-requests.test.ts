import { expect, it } from 'vitest';
import { WitnessRequests } from '../../../../src/actors/operations/audit/witness-requests.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId } from '../../../../src/names.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';

const [one, other] = ['node-1', 'node-2'] as NodeId[];
const request = { note: 'a note', oldSize: 0, proof: [] };

it('a witness that is asked and does not answer is waited for no longer than its link stands', async () => {
  const clock = new ManualClock();
  const requests = new WitnessRequests({ clock, send: () => true });
  const answers: string[] = [];
  void requests.ask(one!, request).then((answer) => answers.push(`${one}: ${answer}`));
  void requests.ask(other!, request).then((answer) => answers.push(`${other}: ${answer}`));
  requests.lost(one!);
  await clock.advanceAsync(0);
  expect(answers).toEqual(['node-1: undefined']);
  expect(clock.pending).toBe(1);
  await clock.advanceAsync(limits.witnessAnswerMsMax);
  expect(answers).toEqual(['node-1: undefined', 'node-2: undefined']);
});
