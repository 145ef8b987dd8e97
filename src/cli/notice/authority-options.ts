import type { Options } from '../command.ts';

export const authorityKey: Options = {
  'authority-key': {
    type: 'string',
    value: 'FILE',
    about: 'the authority’s private key, PEM, mode 0600',
    required: true,
  },
};

/** Whose notices are believed. */
export const authorities: Options = {
  authority: {
    type: 'string',
    value: 'FILE',
    about: 'public key of an authority whose notices are believed too, such as authority.pub',
    multiple: true,
  },
};
