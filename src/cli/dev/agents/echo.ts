import type { AgentHandler } from '../../../actors/agents/behaviour.ts';

/** Answers a request with what it was sent. */
export const handler: AgentHandler = (message, agent) => {
  if (message.performative !== 'request' && message.performative !== 'query-ref') return;
  const { language } = message.header;
  agent.reply(message, { performative: 'inform', content: message.content, language });
};
