import { ok, type Result, refuse } from '../../errors.ts';
import { protocolTable } from './interaction-protocols.ts';
import type { Performative } from './performative.ts';
import type { ProtocolTable, Role } from './protocol-table.ts';

/** Where one conversation between two agents is. */
export interface ConversationState {
  readonly protocol: string;
  readonly state: string;
}

/** Before the first act. */
export const startConversation = (table: ProtocolTable): ConversationState => ({
  protocol: table.name,
  state: table.initial,
});

/** The state after an act. PROTOCOL_VIOLATION, with what would have fitted, when the act does not belong here. */
export function conversationStep(
  conversation: ConversationState,
  { act, by }: { readonly act: Performative; readonly by: Role },
): Result<ConversationState> {
  const table = protocolTable(conversation.protocol);
  if (!table) return refuse('PROTOCOL_VIOLATION', `No protocol is called “${conversation.protocol}”.`);
  const here = table.transitions.filter(({ from }) => from === conversation.state);
  const next = here.find((transition) => transition.act === act && transition.by === by);
  if (next) return ok({ protocol: table.name, state: next.to });
  const fitting = here.map((transition) => `${transition.act} by the ${transition.by}`);
  return refuse(
    'PROTOCOL_VIOLATION',
    `In ${table.name}, ${act} by the ${by} does not fit the state “${conversation.state}”.`,
    fitting.length > 0 ? `What fits: ${fitting.join(', ')}.` : 'The conversation is over.',
  );
}
