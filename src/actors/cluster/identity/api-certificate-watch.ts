import { fromPromise, setup } from 'xstate';
import { limits } from '../../../limits.ts';
import type { ApiCertificate } from './api-certificate.ts';

/** Looks at the files of the API’s certificate, a round each minute. */
export const apiCertificateWatch = setup({
  types: {
    context: {} as { readonly certificate: Pick<ApiCertificate, 'check'> },
    input: {} as { readonly certificate: Pick<ApiCertificate, 'check'> },
    events: {} as { readonly type: 'kernel.shutdown' },
  },
  actors: { check: fromPromise<void, Pick<ApiCertificate, 'check'>>(({ input }) => input.check()) },
}).createMachine({
  id: 'api-certificate',
  context: ({ input }) => input,
  initial: 'checking',
  on: { 'kernel.shutdown': '.stopped' },
  states: {
    checking: { invoke: { src: 'check', input: ({ context }) => context.certificate, onDone: 'waiting' } },
    waiting: { after: { [limits.apiCertificateCheckMs]: 'checking' } },
    stopped: { type: 'final' },
  },
});
