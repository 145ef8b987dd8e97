import type { AgentId, NodeId } from '../../names.ts';

/** What becomes of certificates and capabilities near their end. */
export type RenewalEvent =
  /** Renewals fail, and the certificate nears its end; told at half and at a tenth of the time, and at the end. */
  | { readonly type: 'certificate.expiring'; readonly nodeId: NodeId; readonly leftMs: number }
  | {
      readonly type: 'certificate.rotated';
      readonly nodeId: NodeId;
      readonly serial: string;
      readonly notAfter: string;
    }
  /** Capabilities of agents here end soon and are not renewed; told as for the certificate. */
  | {
      readonly type: 'capability.expiring';
      readonly nodeId: NodeId;
      /** The one that ends first. */
      readonly agentId: AgentId;
      readonly leftMs: number;
      /** How many there are, this one included. */
      readonly agents: number;
      readonly reason: string;
    };
