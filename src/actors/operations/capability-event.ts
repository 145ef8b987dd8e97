import type { AgentId, NodeId } from '../../names.ts';

/** Capabilities of agents here end soon and are not renewed; told at half and at a tenth of the time, and at the end. */
export interface CapabilityEvent {
  readonly type: 'capability.expiring';
  readonly nodeId: NodeId;
  /** The one that ends first. */
  readonly agentId: AgentId;
  readonly leftMs: number;
  /** How many there are, this one included. */
  readonly agents: number;
  readonly reason: string;
}
