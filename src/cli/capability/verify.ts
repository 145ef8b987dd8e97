import type { KeyObject } from 'node:crypto';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { grantedBy, verifyChain } from '../../actors/messaging/token-chain.ts';
import { ok, type Result, refuse, unwrap } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isAgentId } from '../../names.ts';
import { parseAction } from '../../protocols/authorization/action.ts';
import { type Capability, checkCapability, grants } from '../../protocols/authorization/capability.ts';
import { type FindRevocation, revocationIndex } from '../../protocols/notice/revocation.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { authorityKeys, givenKeys, verifiedNotice } from '../notice/verified-notice.ts';
import { writeJson } from '../output.ts';
import { readTextFile } from '../read-text.ts';
import { actionsGiven } from './grant.ts';
import { tokenIn } from './token-file.ts';

/** Judges a token as a node would that trusts what the options name. */
export async function verify(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json, text } = invocation;
  const asked = questionOf(invocation);
  const issuers = await issuersOf(invocation);
  const revoked = await revocationsOf(invocation);
  const judged = judge(await tokenIn(text('file')!, terminal), issuers, revoked ?? (() => undefined), asked);
  if (json)
    writeJson(terminal, {
      valid: judged.ok,
      ...(judged.ok
        ? {
            subject: judged.value.subject,
            actions: judged.value.actions,
            expires: new Date(judged.value.expires).toISOString(),
          }
        : judged.refusal),
      revocationsLookedAt: revoked !== undefined,
    });
  else if (judged.ok)
    terminal.out(`valid: ${judged.value.subject} until ${new Date(judged.value.expires).toISOString()}\n`);
  else terminal.out(`${judged.refusal.code}\n${judged.refusal.reasons.join('\n')}\n`);
  if (revoked === undefined) terminal.err('Revocations were not looked at: name them with --revocations.\n');
  return judged.ok ? 0 : 1;
}

interface Question {
  readonly subject?: string;
  readonly actions: readonly string[];
  readonly at: number;
}

function judge(
  token: string,
  issuers: ReadonlyMap<string, KeyObject>,
  revoked: FindRevocation,
  { subject, actions, at }: Question,
): Result<Capability> {
  const chain = verifyChain(token, { issuer: (id) => issuers.get(id), revoked });
  if (!chain.ok) return chain;
  const capability = grantedBy(chain.value);
  const [first, ...more] = [
    ...checkCapability(capability, {
      subject: subject !== undefined && isAgentId(subject) ? subject : capability.subject,
      now: at,
      skewMs: limits.clockSkewMsMax,
    }),
    ...actions
      .filter((action) => !grants(capability, unwrap(parseAction(action))))
      .map((action) => `It does not grant “${action}”.`),
  ];
  return first === undefined ? ok(capability) : refuse('UNAUTHORIZED', first, ...more);
}

function questionOf(invocation: Invocation): Question {
  const { text } = invocation;
  const subject = text('subject');
  if (subject !== undefined && !isAgentId(subject)) throw new UsageError('--subject is an agent: tenant/name.');
  const moment = text('at');
  const at = moment === undefined ? nodeClock.now() : Date.parse(moment);
  if (Number.isNaN(at)) throw new UsageError('--at is a time such as 2026-01-31T12:00:00Z.');
  return { ...(subject !== undefined && { subject }), actions: actionsGiven(invocation), at };
}

async function issuersOf(invocation: Invocation): Promise<ReadonlyMap<string, KeyObject>> {
  const given = await givenKeys(invocation, 'issuer', 'an issuer’s');
  const file = invocation.text('trust');
  if (file === undefined) {
    if (given.size > 0) return given;
    throw new UsageError('Say whose tokens count: --issuer, or --trust with --authority.');
  }
  const notice = await noticeIn(invocation, file);
  if (notice.kind !== 'trust') throw new UsageError(`--trust: ${file} is about ${notice.kind}.`);
  return new Map([...given, ...authorityKeys(notice.body.issuers)]);
}

async function revocationsOf(invocation: Invocation): Promise<FindRevocation | undefined> {
  const file = invocation.text('revocations');
  if (file === undefined) return undefined;
  const notice = await noticeIn(invocation, file);
  if (notice.kind !== 'revocations') throw new UsageError(`--revocations: ${file} is about ${notice.kind}.`);
  return revocationIndex(notice.body.revocations);
}

/** A cluster document that one of the authorities on the command line signed. */
async function noticeIn(invocation: Invocation, file: string) {
  const authorities = await givenKeys(invocation, 'authority', 'an authority’s');
  if (authorities.size === 0) throw new UsageError(`--authority: whose signature counts under ${file}?`);
  const text = await readTextFile(file, invocation.terminal.cwd, limits.noticeBytesMax + 2);
  return unwrap(verifiedNotice(text.trim(), authorities)).notice;
}
