import { createServer } from 'node:net';
import { expect, it, onTestFinished, vi } from 'vitest';
import { askToEnrolAgain } from '../../../../src/actors/cluster/identity/re-enrolment-call.ts';
import { refusalOf } from '../../../crypto/fixtures.ts';
import { ca } from './enrolment-lab.ts';

it('a CA node that takes the connection and says nothing is told as one that did not answer in time', async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void silent.close());
  const address = silent.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  vi.spyOn(AbortSignal, 'timeout').mockReturnValue(AbortSignal.timeout(20));
  onTestFinished(() => void vi.restoreAllMocks());
  const body = { certificate: '', request: '', proof: '' };
  const refused = refusalOf(await askToEnrolAgain({ host: '127.0.0.1', port: address.port }, ca.certPem, body));
  expect(refused.code).toBe('TIMED_OUT');
  expect(refused.text).toContain('did not answer in time');
});
