import type { AgentHandler } from '../../../actors/agents/behaviour.ts';

/**
 * An agent that was deployed properly but holds no capability for the workers. Asked to, it tries all the same, and
 * reports what the cluster said.
 */
export const handler: AgentHandler = async (message, agent) => {
  if (message.performative !== 'request') return;
  // Those of this node come first: the last is on another, where the refusal is worth more to see.
  const target = agent.find('factoring').at(-1);
  if (!target) {
    agent.reply(message, { performative: 'failure', content: { reason: 'There is nobody to try.' } });
    return;
  }
  const answer = await agent.ask(
    { to: target, performative: 'cfp', content: { factor: 91 }, protocol: 'fipa-contract-net' },
    { timeoutMs: 5_000 },
  );
  agent.reply(message, {
    performative: 'inform',
    content: answer.ok
      ? { refused: false, tried: target }
      : { refused: true, tried: target, code: answer.refusal.code, reasons: answer.refusal.reasons },
  });
};
