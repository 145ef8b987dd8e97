import type { NodeSvid } from '../../../crypto/svid.ts';
import { ok, type Refusal, type Result, refuse } from '../../../errors.ts';
import type { NodeId, TrustDomain } from '../../../names.ts';
import type { CloseReason } from '../../../protocols/link/close-codes.ts';
import type { Frame } from '../../../protocols/link/frame.ts';
import type { Hello } from '../../../protocols/link/hello.ts';
import type { Clock, LinkChannel } from '../../kernel/ports.ts';
import type { LinkSession } from './link-session.ts';

/** Why a link ended: the reason of the table, if it was one of ours or the peer’s, and words for people. */
export interface LinkEnd {
  readonly reason: CloseReason | 'lost';
  readonly text: string;
  /** Set when this side refused the peer: to be audited. */
  readonly refusal?: Refusal;
}

/** How two nodes come to hold the same cluster documents before their link is up: `NoticeExchange`. */
export interface GreetingNotices {
  /** The header of a `notice-request` when the peer holds what this node lacks. Refused when it could not give it. */
  request(peer: Hello): Result<Uint8Array | undefined>;
  /** The frames that answer the peer’s request, or why it is not answered. */
  answer(frame: Frame): Result<readonly Uint8Array[]>;
  /** Takes one document; true once it was the last one and nothing is missing any more. */
  take(frame: Frame): Result<boolean>;
}

/** For a node that keeps no cluster documents. */
export const withoutNotices: GreetingNotices = {
  request: () => ok(undefined),
  answer: () => refuse('NOT_SUPPORTED', 'No notices are kept here.'),
  take: () => refuse('NOT_SUPPORTED', 'No notices are kept here.'),
};

export interface LinkSessionOptions {
  readonly clock: Clock;
  readonly channel: LinkChannel;
  readonly svid: NodeSvid;
  readonly own: Hello;
  readonly trustDomain: TrustDomain;
  readonly clusterId: string;
  /** The number of this dial; 0 when the link was accepted. */
  readonly dial: number;
  /** Whom the dialer meant to reach. */
  readonly expected: NodeId | undefined;
  readonly notices: GreetingNotices;
  /** Whether this link is wanted beside those that exist; a text says why not. */
  readonly admit: (session: LinkSession, hello: Hello) => true | string;
  readonly onReady: (session: LinkSession) => void;
  readonly onFrame: (session: LinkSession, frame: Frame) => void;
  readonly onCongestion: (congested: boolean) => void;
  /** Exactly once. */
  readonly onEnd: (end: LinkEnd) => void;
}
