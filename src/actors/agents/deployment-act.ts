import type { Refusal } from '../../errors.ts';
import type { Manifest } from '../../protocols/deployment/manifest.ts';
import type { Caller } from '../operations/control.ts';

/** What the audit log is told of a deployment or removal. */
export interface DeploymentAct {
  /** AgentCompromised: its module changed since it was deployed; PrivilegeEscalation: a replacement may do what the agent could not; TokenRefresh: it has another capability. */
  readonly type: 'AgentDeployed' | 'AgentRemoved' | 'AgentCompromised' | 'PrivilegeEscalation' | 'TokenRefresh';
  readonly manifest: Manifest;
  /** Who asked for it; undefined: the program around the node, or the node itself at its start. */
  readonly caller: Caller | undefined;
  /** Why it failed after it had been recorded as done; none for the record of the act itself. */
  readonly failure?: Refusal;
  /** Why the node did it by itself: a document is revoked. */
  readonly because?: Refusal;
  /** What the type has to say beside the manifest. */
  readonly detail?: Readonly<Record<string, string>>;
}
