import type { AgentId } from '../../../src/names.ts';
import type { MessageHeader } from '../../../src/protocols/acl/message.ts';

let made = 0;

/** A plain request from default/alice to default/bob, with whatever differs. */
export const messageHeader = (over: Partial<MessageHeader> = {}): MessageHeader => {
  made++;
  const id = `01890a5d-ac96-774b-bcce-${String(made).padStart(12, '0')}`;
  return {
    id,
    performative: 'request',
    sender: 'default/alice' as AgentId,
    receiver: 'default/bob' as AgentId,
    language: 'text',
    ontology: '',
    protocol: '',
    conversationId: id,
    replyWith: '',
    inReplyTo: '',
    replyBy: 0,
    guarantee: 'at-most-once',
    epoch: 1,
    counter: made,
    token: '',
    trace: '',
    ...over,
  };
};
