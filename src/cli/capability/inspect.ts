import type { ExitCode, Invocation } from '../command.ts';
import { writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { fields } from '../table.ts';
import { type ClaimedToken, claimedChain, tokenIn } from './token-file.ts';

/** Prints what a token and all that it narrows claim. Judges nothing. */
export async function inspect(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json, text } = invocation;
  const chain = claimedChain(await tokenIn(text('file')!, terminal));
  if (json) writeJson(terminal, { items: chain.map(shown) });
  else {
    const { dim } = styleFor(terminal.outIsTerminal, terminal.env);
    terminal.out(chain.map((token) => fields(rowsOf(token), dim)).join('\n'));
  }
  return 0;
}

const time = (ms: number): string => new Date(ms).toISOString();

const shown = ({ id, capability: { notBefore, expires, ...capability } }: ClaimedToken) => ({
  id,
  ...capability,
  notBefore: time(notBefore),
  expires: time(expires),
});

const rowsOf = ({ id, capability }: ClaimedToken): (readonly [string, string])[] => {
  const { subject, actions, audience, notBefore, expires, issuer, depth, holder, parent } = capability;
  return [
    ['token', id],
    ...(parent === undefined ? [] : [['narrows', parent] as const]),
    ['subject', subject],
    ['grants', actions[0] ?? 'nothing'],
    ...actions.slice(1).map((action) => ['', action] as const),
    ['meant for', audience ?? 'all that it names'],
    ['valid', `${time(notBefore)} to ${time(expires)}`],
    ['signed by key', issuer],
    ['delegations', depth === 0 ? 'none' : `${depth}, by ${holder}`],
  ];
};
