import type { Crypto } from '../../../crypto/port.ts';
import type { VaultRing } from '../../../crypto/vault.ts';
import type { AuditPolicy } from '../../../protocols/audit/level.ts';
import type { Clock, Disk } from '../../kernel/ports.ts';

/** What the log’s writer is doing; `sparing`: it lives on its reserve. */
export type AuditMode = 'opening' | 'writing' | 'sparing' | 'rotating' | 'blocked' | 'closing' | 'closed';

export interface AuditLogOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly nodeId: string;
  /** The name of this log in its checkpoints. */
  readonly origin: string;
  /** Asked for at each new segment and reading, so that a rotated ring takes over. */
  readonly vault: () => VaultRing;
  /** Made when it is not there; files `audit-<first record>.seg`, mode 0600. */
  readonly folder: string;
  /** How much is kept of what; default `auditPolicy()`. */
  readonly policy?: AuditPolicy;
  /** As in `VerifyLogOptions`. */
  readonly verifyThreads?: number;
  /** Records that may wait; default `limits.auditQueueRecordsMax`. */
  readonly queueRecordsMax?: number;
}
