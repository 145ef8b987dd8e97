import type { NodeId } from '../../../names.ts';
import type { ForkKind } from '../../../protocols/audit/witness.ts';

/** What this node’s own log says now and what was signed of it once do not go together. */
export interface LogFork {
  readonly kind: ForkKind;
  /** The size that was signed once and does not fit the log as it is. */
  readonly size: number;
  /** Which witness showed it; undefined: this node’s own memory. */
  readonly by: NodeId | undefined;
}

/** What happens to this node’s own log, to be recorded and told. */
export type CheckpointNews =
  | ({ readonly type: 'forked' } & LogFork)
  | { readonly type: 'witness.forgot'; readonly witness: NodeId; readonly size: number }
  | { readonly type: 'unwitnessed'; readonly since: number }
  | { readonly type: 'witnessed' };
