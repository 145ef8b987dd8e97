import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isAgentId } from '../../names.ts';
import type { MessageHeader } from './message.ts';
import { isPerformative } from './performative.ts';

const texts = ['language', 'ontology', 'protocol', 'conversationId', 'replyWith', 'inReplyTo', 'trace'] as const;

/** Half of a surrogate pair: UTF-8 cannot carry it, and the receiver would read another text than was sent. */
const loneSurrogate = /\p{Surrogate}/u;
/** Tokens are ASCII: one character is one byte, so that a peer’s bound in bytes holds as well. */
const notAscii = /[^\x20-\x7e]/;

/** Whether a header that an agent composed can be written and will be read; MALFORMED with every reason. */
export function checkHeader(header: MessageHeader): Result<void> {
  const reasons: string[] = [];
  const receiver: unknown = header.receiver;
  if (typeof receiver !== 'string' || !isAgentId(receiver))
    reasons.push('The receiver is not an agent id: expected tenant/name.');
  const performative: unknown = header.performative;
  if (typeof performative !== 'string') reasons.push('The performative must be text.');
  else if (!isPerformative(performative)) reasons.push(`“${performative.slice(0, 32)}” is not a FIPA performative.`);
  for (const field of texts) {
    const text: unknown = header[field];
    if (typeof text !== 'string' || text.length > limits.headerTextCharsMax)
      reasons.push(`The field ${field} must be text of at most ${limits.headerTextCharsMax} characters.`);
    else if (text !== '' && loneSurrogate.test(text)) reasons.push(`The field ${field} is not well-formed Unicode.`);
  }
  const token: unknown = header.token;
  if (typeof token !== 'string' || token.length > limits.tokenBytesMax || (token !== '' && notAscii.test(token)))
    reasons.push(`A capability token has at most ${limits.tokenBytesMax} characters, all of them ASCII.`);
  if (!Number.isSafeInteger(header.replyBy) || header.replyBy < 0)
    reasons.push('The field replyBy must be whole milliseconds since 1970, or 0 for none.');
  const [first, ...more] = reasons;
  return first === undefined ? ok(undefined) : refuse('MALFORMED', first, ...more);
}
