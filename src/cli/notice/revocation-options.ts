import type { Options } from '../command.ts';

/** For verbs that judge without a node, and so have to be told what the cluster has revoked. */
export const revocationOptions: Options = {
  revocations: {
    type: 'string',
    value: 'FILE',
    about: 'the cluster’s revocations, as notice show --document prints',
  },
  authority: {
    type: 'string',
    value: 'FILE',
    about: 'the public key that must have signed them, such as authority.pub',
    multiple: true,
  },
};
