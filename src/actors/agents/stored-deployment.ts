import { ok, type Result, refuse } from '../../errors.ts';
import { utf8 } from '../kernel/utf8.ts';
import type { AgentKey } from './agent-keys.ts';
import type { Behaviour } from './behaviour.ts';

/** The two documents that make an agent. */
export interface SignedDeployment {
  /** Signed by a trusted deployer; text form. */
  readonly manifest: string;
  /** Issued by a trusted issuer; text form, or empty for an agent that only answers. */
  readonly capability: string;
}

/** What a program brings. */
export interface EmbeddedAgent {
  readonly signed: SignedDeployment;
  readonly behaviour: Behaviour;
  /** Its private key; needed only by agents that sign their messages. */
  readonly key: AgentKey | undefined;
}

/** A deployment as the state database keeps it. */
export const storedBytes = ({ manifest, capability }: SignedDeployment): Uint8Array =>
  utf8.encode(JSON.stringify({ manifest, capability }));

/** Reads what `storedBytes` wrote; its documents are judged by the caller. `where` is for the reason. MALFORMED. */
export function readStored(bytes: Uint8Array, where = 'the state database'): Result<SignedDeployment> {
  try {
    const stored = JSON.parse(utf8.decode(bytes)) as Partial<SignedDeployment> | null;
    if (typeof stored?.manifest === 'string' && typeof stored.capability === 'string')
      return ok({ manifest: stored.manifest, capability: stored.capability });
  } catch {
    // Refused below like any other form.
  }
  return refuse('MALFORMED', `What ${where} keeps of the deployment is not in its form.`);
}
