import type { AgentId } from '../../names.ts';
import type { MessageHeader } from '../../protocols/acl/message.ts';
import type { ReceivedMessage } from '../agents/behaviour.ts';
import type { Content } from './content.ts';

/** A message on its way, in the form that the receiver will see. */
export class ComposedMessage implements ReceivedMessage {
  readonly header: MessageHeader;
  readonly #content: Content;

  constructor(header: MessageHeader, content: Content) {
    this.header = header;
    this.#content = content;
  }

  get id(): string {
    return this.header.id;
  }
  get performative(): MessageHeader['performative'] {
    return this.header.performative;
  }
  get sender(): AgentId {
    return this.header.sender;
  }
  get protocol(): string {
    return this.header.protocol;
  }
  get conversationId(): string {
    return this.header.conversationId;
  }
  get content(): unknown {
    return this.#content.value;
  }
  get bytes(): Uint8Array {
    return this.#content.bytes;
  }
  preview(charsMax: number): string {
    return this.#content.preview(charsMax);
  }
}
