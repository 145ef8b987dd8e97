import type { KeyObject } from 'node:crypto';
import type { Refusal, Result } from '../../errors.ts';
import type { AgentId } from '../../names.ts';
import type { ReceivedMessage } from '../agents/behaviour.ts';

/** Where messages for local agents end. */
export interface LocalAgents {
  /** INBOX_FULL, STOPPED (suspended agents still take), UNKNOWN_AGENT. */
  deliver(message: ReceivedMessage): Result<void>;
  /** Tells a local agent that a message of its was refused after `tell` had accepted it. */
  refused(agent: AgentId, refusal: Refusal, messageId: string): void;
  /** The agent’s private key, where the node holds it. */
  keyOf(agent: AgentId): KeyObject | undefined;
}
