import { resolve } from 'node:path';
import { publicKeyFromText } from '../../crypto/keys.ts';
import { CaxtonError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type AgentId, isAgentId } from '../../names.ts';
import { parseAction } from '../../protocols/authorization/action.ts';
import { type AgentPattern, parseAgentPattern } from '../../protocols/authorization/agent-pattern.ts';
import type { PublicKeyText } from '../../protocols/authorization/public-key.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { readTextFile } from '../read-text.ts';
import { writeNewFiles } from '../security/new-files.ts';

/** What the options of a verb say that makes a token. */
export interface GrantWords {
  readonly subject: AgentId;
  readonly audience?: AgentPattern;
  readonly depth: number;
  readonly holder?: PublicKeyText;
}

/** UsageError for what is no agent, pattern, number or key; FILE_UNREADABLE. */
export async function grantWords(invocation: Invocation): Promise<GrantWords> {
  const { text, terminal } = invocation;
  const subject = text('subject')!;
  if (!isAgentId(subject)) throw new UsageError('--subject is an agent: tenant/name.');
  const audience = text('audience');
  const pattern = audience === undefined ? undefined : parseAgentPattern(audience);
  if (pattern?.ok === false) throw new UsageError(`--audience: ${pattern.refusal.reasons[0]}`);
  const depth = depthGiven(invocation);
  const given = text('holder');
  if (depth > 0 && given === undefined)
    throw new UsageError('--delegations needs --holder: the public key of the agent that may hand the token on.');
  const holder = given?.startsWith('@')
    ? (await readTextFile(given.slice(1), terminal.cwd, limits.pemBytesMax)).trim()
    : given;
  if (holder !== undefined && !publicKeyFromText(holder).ok)
    throw new UsageError('--holder is a public key: ed25519: and 43 characters, or @ and a file that has it.');
  return {
    subject,
    ...(pattern && { audience: pattern.value }),
    depth,
    ...(holder !== undefined && { holder }),
  };
}

/** How many times a token may be handed on. UsageError. */
export function depthGiven({ text }: Invocation): number {
  const depth = Number(text('delegations') ?? '0');
  if (Number.isSafeInteger(depth) && depth >= 0 && depth <= limits.proofDepthMax) return depth;
  throw new UsageError(`--delegations is a whole number from 0 to ${limits.proofDepthMax}.`);
}

/** The actions that the command line names, each once. UsageError for what is none. */
export function actionsGiven({ list }: Invocation): readonly string[] {
  const actions = [...new Set(list('action'))];
  for (const action of actions) {
    const read = parseAction(action);
    if (!read.ok) throw new UsageError(`--action: ${read.refusal.reasons[0]}`);
  }
  return actions;
}

/** Prints what was signed, or writes it where `--out` says: never over another file, and for its owner’s eyes. */
export async function giveSigned({ text, terminal }: Invocation, token: string): Promise<ExitCode> {
  const out = text('out');
  if (out === undefined) {
    terminal.out(`${token}\n`);
    return 0;
  }
  const path = resolve(terminal.cwd, out);
  if (out === '') throw new CaxtonError('MALFORMED', '--out names no file.');
  await writeNewFiles([{ path, text: `${token}\n`, mode: 0o600 }], false);
  terminal.err(`${out}: written\n`);
  return 0;
}
