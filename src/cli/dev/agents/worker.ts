import type { AgentHandler } from '../../../actors/agents/behaviour.ts';

/**
 * A participant of the contract net: bids for factoring a number, and does it when the bid wins. Its price rises with
 * the jobs it has done, so that work spreads.
 */
let jobsDone = 0;

const largest = 9_007_199_254_740_991;

const numberIn = (content: unknown): number | undefined => {
  const value = typeof content === 'object' && content !== null && 'factor' in content ? content.factor : undefined;
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 1 && value <= largest ? value : undefined;
};

const factors = (value: number): number[] => {
  const found: number[] = [];
  let rest = value;
  for (let divisor = 2; divisor * divisor <= rest; divisor += divisor === 2 ? 1 : 2)
    while (rest % divisor === 0) {
      found.push(divisor);
      rest /= divisor;
    }
  if (rest > 1) found.push(rest);
  return found;
};

export const handler: AgentHandler = (message, agent) => {
  const value = numberIn(message.content);
  switch (message.performative) {
    case 'cfp': {
      if (value === undefined)
        agent.reply(message, { performative: 'refuse', content: { reason: 'I factor integers from 2 to 2^53−1.' } });
      else agent.reply(message, { performative: 'propose', content: { cost: jobsDone + agent.id.length / 100 } });
      break;
    }
    case 'accept-proposal': {
      if (value === undefined) {
        agent.reply(message, { performative: 'failure', content: { reason: 'The award names no number.' } });
        break;
      }
      jobsDone++;
      agent.reply(message, { performative: 'inform', content: { number: value, factors: factors(value) } });
      break;
    }
    default:
  }
};
