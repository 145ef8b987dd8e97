import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { openFault, readKeyFile } from '../../config/key-file.ts';
import { parseDuration } from '../../config/quantity.ts';
import { privateKeyFromPem } from '../../crypto/keys.ts';
import { issueRevocationList } from '../../crypto/revocation-list.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import type { RevocationReason } from '../../protocols/notice/revocation.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { knownRevocations } from './known-revocations.ts';

/** CRLReason of RFC 5280 §5.3.1. */
const codeOf: Readonly<Record<RevocationReason, number>> = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
};

/** Writes what the cluster has revoked as a CRL, signed by the CA: for programs that know no notices. */
export async function exportCrl(invocation: Invocation): Promise<ExitCode> {
  const { terminal, text } = invocation;
  const at = (option: string): string => resolve(terminal.cwd, text(option)!);
  const validityMs = parseDuration(text('validity') ?? '7d');
  if (validityMs === undefined || validityMs < 60_000)
    throw new UsageError('--validity is a time such as 7d, at least 1m.', 'caxton security export-crl --help');
  const caCertPem = await readFile(at('ca-cert'), 'utf8').catch((error: unknown) => {
    throw new CaxtonError('FILE_UNREADABLE', openFault(at('ca-cert'), error));
  });
  const caKey = unwrap(privateKeyFromPem(new TextDecoder().decode(unwrap(await readKeyFile(at('ca-key'))))));
  const { revocations, generation, silent } = await knownRevocations(invocation);
  const now = nodeClock.now();
  const revoked = revocations.flatMap(({ kind, id, reason, at: since }) =>
    kind === 'serial' ? [{ serial: id, at: since, reason: codeOf[reason] }] : [],
  );
  const plan = { caCertPem, caKey, number: generation, thisUpdate: now, nextUpdate: now + validityMs, revoked };
  const crl = unwrap(issueRevocationList(plan));
  const out = text('out');
  if (out === undefined) terminal.out(crl);
  else {
    await writeFile(resolve(terminal.cwd, out), crl, { mode: 0o644 });
    terminal.err(`${out}: ${revoked.length} certificates, until ${new Date(plan.nextUpdate).toISOString()}\n`);
  }
  if (silent.length > 0) terminal.err(`${silent.join(', ')} did not answer.\n`);
  return 0;
}
