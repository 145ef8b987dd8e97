import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type Action, covers, parseAction } from './action.ts';
import { containsAgents } from './agent-pattern.ts';
import type { Capability } from './capability.ts';

/**
 * A token as it is presented: one that a trusted issuer signed, and behind it those that narrow it, each signed with the
 * holder’s key of the one before. The texts of signed documents have no `~`.
 */
export type TokenChain = readonly [root: string, ...narrowed: string[]];

const separator = '~';

/** The text in which a chain travels. */
export const chainText = (chain: readonly string[]): string => chain.join(separator);

/**
 * Takes a presented token apart, before anything of it is decoded. LIMIT_EXCEEDED past `limits.tokenBytesMax` for all of
 * it, or `limits.proofDepthMax` delegations.
 */
export function readChain(text: string): Result<TokenChain> {
  if (text.length > limits.tokenBytesMax)
    return refuse(
      'LIMIT_EXCEEDED',
      `A capability token may have ${limits.tokenBytesMax} bytes at most, with all that it narrows.`,
    );
  const [root = '', ...narrowed] = text.split(separator, limits.proofDepthMax + 2);
  if (narrowed.length > limits.proofDepthMax)
    return refuse('LIMIT_EXCEEDED', `A capability token may be delegated ${limits.proofDepthMax} times at most.`);
  return ok([root, ...narrowed]);
}

/**
 * Every reason why `child` is not a part of what `parent` grants; an empty list when it is: no action, receiver, moment or
 * further delegation that the parent has not, and no agent of another tenant. That `child` was signed with the parent’s
 * holder key, and names this very parent, is for the caller to know.
 */
export function wideningReasons(parent: Capability, child: Capability): readonly string[] {
  const reasons: string[] = [];
  if (parent.depth === 0) reasons.push(`The capability token of ${parent.subject} may not be delegated.`);
  else if (child.depth >= parent.depth)
    reasons.push(`It may be delegated ${child.depth} times more, and what it narrows ${parent.depth} times in all.`);
  if (child.tenant !== parent.tenant)
    reasons.push(`It is for ${child.subject}, and authority of the tenant ${parent.tenant} stays there.`);
  if (child.notBefore < parent.notBefore) reasons.push('It begins before what it narrows.');
  if (child.expires > parent.expires) reasons.push('It expires after what it narrows.');
  if (
    parent.audience !== undefined &&
    !(child.audience !== undefined && containsAgents(parent.audience, child.audience))
  )
    reasons.push(`It is meant for ${child.audience ?? 'all receivers'}, and what it narrows for ${parent.audience}.`);
  const held = parent.actions.map(actionIn);
  for (const text of child.actions) {
    const wanted = actionIn(text);
    if (!held.some((granted) => granted && wanted && covers(granted, wanted)))
      reasons.push(`It grants “${text}”, which what it narrows does not.`);
  }
  return reasons.slice(0, limits.reasonsMax);
}

function actionIn(text: string): Action | undefined {
  const read = parseAction(text);
  return read.ok ? read.value : undefined;
}

/** What a holder gives on, of what it holds. */
export interface Narrowing {
  readonly subject: Capability['subject'];
  /** Default: those of the parent. */
  readonly actions?: readonly string[];
  readonly audience?: Capability['audience'];
  /** Milliseconds since 1970; default: as the parent. */
  readonly notBefore?: number;
  readonly expires?: number;
  /** Default 0: it goes no further. */
  readonly depth?: number;
  /** Needed with a depth. */
  readonly holder?: Capability['holder'];
}

/**
 * The capability that narrows `parent`, to be signed with its holder’s key, or every reason why there is none
 * (UNAUTHORIZED): nobody should sign what nobody accepts.
 *
 * @param parentId the document id of the parent’s text. @param issuer the id of its holder’s key.
 */
export function narrowed(
  parent: Capability,
  parentId: string,
  issuer: string,
  by: Narrowing & { readonly nonce: string },
): Result<Capability> {
  const { subject, actions = parent.actions, notBefore = parent.notBefore, expires = parent.expires } = by;
  const { audience = parent.audience, depth = 0, holder, nonce } = by;
  const child: Capability = {
    v: 1,
    issuer,
    subject,
    tenant: subject.slice(0, subject.indexOf('/')),
    ...(audience !== undefined && { audience }),
    actions,
    notBefore,
    expires,
    depth,
    ...(holder !== undefined && { holder }),
    parent: parentId,
    nonce,
  };
  const [first, ...more] = wideningReasons(parent, child);
  return first === undefined ? ok(child) : refuse('UNAUTHORIZED', first, ...more);
}
