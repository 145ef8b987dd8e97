import type { AgentId } from '../../names.ts';
import type { Performative } from './performative.ts';

/**
 * The header of a message: FIPA-ACL’s fields (SC00061G) and ours. The content travels beside it as opaque bytes.
 * An empty string means “not given” for the FIPA fields that are optional.
 */
export interface MessageHeader {
  /** UUIDv7 in its text form; unique, and sorted by time. */
  readonly id: string;
  readonly performative: Performative;
  readonly sender: AgentId;
  readonly receiver: AgentId;
  /** How the content is encoded: `json`, `text`, `bytes`, or a name of the agents’ own. */
  readonly language: string;
  readonly ontology: string;
  readonly protocol: string;
  readonly conversationId: string;
  readonly replyWith: string;
  readonly inReplyTo: string;
  /** Milliseconds since 1970 after which an answer is of no use; 0 for none. */
  readonly replyBy: number;
  readonly guarantee: Guarantee;
  /** The boot epoch of the sender’s node; with `counter` it makes a replay visible. */
  readonly epoch: number;
  /** Counts messages of the sender’s node within its epoch; starts at 1. */
  readonly counter: number;
  /** A capability token to use instead of the one in the sender’s registry record; empty for none. */
  readonly token: string;
  /** W3C trace context `traceparent`; empty for none. */
  readonly trace: string;
}

export type Guarantee = 'at-most-once' | 'at-least-once' | 'exactly-once';
