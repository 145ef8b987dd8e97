import { errorCodes } from '../../errors.ts';
import type { Decision, Layer } from './authorize.ts';

const layers: Readonly<Record<Layer, string>> = {
  sender: 'who the sender is',
  capability: 'the capability token',
  policy: 'the receiver’s policy',
  rate: 'the rate limit',
  signature: 'the message’s signature',
  fault: 'a failure of the check itself',
};

/** A decision as lines for a terminal: what was decided and where, each reason, and how to mend it. */
export function explain(decision: Decision): readonly string[] {
  if (decision.effect === 'allow')
    return [`Allowed by ${decision.policy}.`, ...decision.reasons.map((reason) => `  ${reason}`)];
  const { code, reasons, retryAfterMs } = decision.refusal;
  const lines = [
    `Denied by ${layers[decision.layer]} (${code}); judged by ${decision.policy}.`,
    ...reasons.map((reason) => `  ${reason}`),
  ];
  if (retryAfterMs !== undefined) lines.push(`  Retry after ${retryAfterMs} ms.`);
  lines.push(`To mend it: ${errorCodes[code].mend}`);
  return lines;
}
