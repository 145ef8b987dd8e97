import { type AgentId, isAgentId } from '../../names.ts';
import { type Invocation, UsageError } from '../command.ts';

/** The agent that a verb is about. UsageError. */
export function agentGiven({ text }: Invocation): AgentId {
  const agent = text('agent')!;
  if (isAgentId(agent)) return agent;
  throw new UsageError(`“${agent}” is no agent: tenant/name of a-z, 0-9, “_” and “-”.`);
}
