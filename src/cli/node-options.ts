import type { Options } from './command.ts';

/** What every verb that asks a node understands. */
export const nodeOptions: Options = {
  output: { type: 'string', value: 'json|table', about: 'form of the output (default table)' },
  node: { type: 'string', value: 'ID', about: 'ask this node of the profile (default: the first that answers)' },
  profile: {
    type: 'string',
    value: 'FILE',
    about: 'the profile (default $CAXTON_PROFILE, then .caxton/ here or above)',
  },
};
