import { expect, it } from 'vitest';
import type { WitnessParts } from '../../../../src/actors/operations/audit/assemble-witness.ts';
import { AuditProofs } from '../../../../src/actors/operations/audit/audit-proofs.ts';
import { CaxtonError, unwrap } from '../../../../src/errors.ts';
import type { NodeId } from '../../../../src/names.ts';
import { auditLab, deployed, inState } from './audit-lab.ts';

/** A log of three records whose third is another one than was signed, and the checkpoints kept of it. */
async function forked(goodThrough: () => Promise<number>): Promise<AuditProofs> {
  const { log, clock, start } = auditLab();
  await inState(start(), 'writing');
  for (const name of ['default/a', 'default/b', 'default/c']) unwrap(await log.record(deployed(name)));
  const checkpoints = { fork: { kind: 'equivocation', size: 3, by: undefined }, goodThrough };
  const witness = { checkpoints } as unknown as WitnessParts;
  return new AuditProofs({ clock, nodeId: 'node-1' as NodeId, audit: log, witness, accepted: () => {} });
}

it('a log that was forked is not valid from behind the last checkpoint that it fits', async () => {
  const proofs = await forked(async () => 1);
  expect(unwrap(await proofs.verify())).toMatchObject({ valid: false, firstBad: { sequence: 2 } });
});

it('a log that was forked is not valid though its checkpoints cannot be read any more', async () => {
  const proofs = await forked(() => Promise.reject(new CaxtonError('FILE_UNREADABLE', 'EIO')));
  expect(unwrap(await proofs.verify())).toMatchObject({ valid: false, firstBad: { sequence: 1 } });
});
