import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isAgentId } from '../../names.ts';
import type { MessageHeader } from './message.ts';
import { isPerformative } from './performative.ts';

const texts = ['language', 'ontology', 'protocol', 'conversationId', 'replyWith', 'inReplyTo', 'trace'] as const;

/** Whether a header that an agent composed can be written and will be read; MALFORMED with every reason. */
export function checkHeader(header: MessageHeader): Result<void> {
  const reasons: string[] = [];
  if (!isAgentId(header.receiver)) reasons.push('The receiver is not an agent id: expected tenant/name.');
  if (!isPerformative(header.performative))
    reasons.push(`“${String(header.performative).slice(0, 32)}” is not a FIPA performative.`);
  for (const field of texts) {
    const text: unknown = header[field];
    if (typeof text !== 'string' || text.length > limits.headerTextCharsMax)
      reasons.push(`The field ${field} must be text of at most ${limits.headerTextCharsMax} characters.`);
  }
  if (typeof header.token !== 'string' || header.token.length > limits.tokenBytesMax)
    reasons.push(`A capability token has at most ${limits.tokenBytesMax} characters.`);
  if (!Number.isSafeInteger(header.replyBy) || header.replyBy < 0)
    reasons.push('The field replyBy must be whole milliseconds since 1970, or 0 for none.');
  const [first, ...more] = reasons;
  return first === undefined ? ok(undefined) : refuse('MALFORMED', first, ...more);
}
