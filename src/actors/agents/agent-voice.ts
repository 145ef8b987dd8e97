import { refuse } from '../../errors.ts';
import { type AgentId, tenantOf } from '../../names.ts';
import type { AgentContext, Draft, Grant, ReceivedMessage } from './behaviour.ts';
import { isAbandoned } from './cell.ts';
import type { Seat } from './seat.ts';

/** What the host needs to give an agent a voice. */
export interface Voice {
  tell(sender: AgentId, draft: Draft): ReturnType<AgentContext['tell']>;
  ask(sender: AgentId, draft: Draft, options?: Parameters<AgentContext['ask']>[1]): ReturnType<AgentContext['ask']>;
  find(service: string, tenant: string): readonly AgentId[];
  delegate(holder: AgentId, grant: Grant): ReturnType<AgentContext['delegate']>;
}

/**
 * The voice of one agent, in nobody’s name but its own. Its functions are made when they are asked for: code takes them
 * out of the object (`{ reply }`), and an agent that is silent should not hold four of them.
 */
export class AgentVoice implements AgentContext {
  readonly id: AgentId;
  readonly #seat: Pick<Seat, 'answered'>;
  readonly #voice: Voice;

  constructor(id: AgentId, seat: Pick<Seat, 'answered'>, voice: Voice) {
    this.id = id;
    this.#seat = seat;
    this.#voice = voice;
  }

  get tell(): AgentContext['tell'] {
    return (draft) => this.#voice.tell(this.id, draft);
  }

  get ask(): AgentContext['ask'] {
    return (draft, options) => this.#voice.ask(this.id, draft, options);
  }

  get find(): AgentContext['find'] {
    return (service) => this.#voice.find(service, tenantOf(this.id));
  }

  get delegate(): AgentContext['delegate'] {
    return (grant) => this.#voice.delegate(this.id, grant);
  }

  get reply(): AgentContext['reply'] {
    return (to, answer) => {
      if (isAbandoned(to)) return refuse('STOPPED', 'The life that had this message in hand has ended.');
      // Who agrees has more to say.
      if (answer.performative !== 'agree') this.#seat.answered = to;
      return this.#voice.tell(this.id, answerTo(to, answer));
    };
  }
}

const answerTo = (to: ReceivedMessage, answer: Parameters<AgentContext['reply']>[1]): Draft => ({
  to: to.sender,
  performative: answer.performative,
  content: answer.content,
  ...(answer.language === undefined ? {} : { language: answer.language }),
  protocol: to.protocol,
  ontology: to.header.ontology,
  conversationId: to.conversationId,
  inReplyTo: to.header.replyWith === '' ? to.id : to.header.replyWith,
});
