import type { AgentId } from '../../names.ts';
import type { Ref } from '../kernel/ref.ts';
import type { AgentKey } from './agent-keys.ts';
import { AgentVoice, type Voice } from './agent-voice.ts';
import type { AgentContext, Behaviour, ReceivedMessage } from './behaviour.ts';
import type { AgentMode } from './lifecycle.ts';
import type { CellEvent, CellHost, CellInput, Seat } from './seat.ts';

/**
 * All that a host keeps of an agent beside its actor, and what each life of its cell is given. One object, and what an
 * idle agent does not need is made when it is first asked for: a node may host 100,000.
 */
export class HostedAgent implements CellInput, Seat {
  readonly context: AgentContext;
  readonly behaviour: Behaviour;
  /** Held only for agents whose program is here; others cannot sign here. */
  readonly key: AgentKey | undefined;
  readonly host: CellHost;
  mode: AgentMode = 'verifying';
  queue: ReceivedMessage[] | undefined;
  answered: ReceivedMessage | undefined;
  crashes: number[] | undefined;
  /** Its start has succeeded, and nobody stops it: a supervisor that is restarted gets it back. */
  settled = false;
  #self: Ref<CellEvent> | undefined;

  constructor(id: AgentId, behaviour: Behaviour, key: AgentKey | undefined, host: CellHost, voice: Voice) {
    this.context = new AgentVoice(id, this, voice);
    this.behaviour = behaviour;
    this.key = key;
    this.host = host;
  }

  get agentId(): AgentId {
    return this.context.id;
  }

  /** It outlives the lives of its cell. */
  get seat(): Seat {
    return this;
  }

  get self(): Ref<CellEvent> {
    this.#self ??= this.host.refOf(this.agentId);
    return this.#self;
  }
}
