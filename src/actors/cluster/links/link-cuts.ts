import type { LinkSession } from './link-session.ts';
import type { LinksOptions } from './links-options.ts';
import { closeReasonOf, type JudgementOptions, judgePeer, ownRefusal } from './peer-judgement.ts';

/** Closes every connection with an identity that is revoked or suspended now; all, with a goodbye, when this node is revoked. */
export function cutRevoked(sessions: Iterable<LinkSession>, options: LinksOptions): void {
  const own = ownRefusal(options);
  for (const session of sessions) {
    const refusal = options.revoked?.(session.svid);
    if (own) session.goodbye(own.reasons[0]);
    else if (refusal) session.close(closeReasonOf(refusal), refusal.reasons[0], refusal);
  }
}

/** Closes every connection whose certificate would be refused now: a link was judged when it came up, and roots change. */
export function cutUntrusted(sessions: Iterable<LinkSession>, options: JudgementOptions): void {
  for (const session of sessions) {
    const judged = judgePeer(options, session.svid.der, session.nodeId);
    if (!judged.ok) session.close(closeReasonOf(judged.refusal), judged.refusal.reasons[0], judged.refusal);
  }
}
