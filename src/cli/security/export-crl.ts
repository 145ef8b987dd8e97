import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { parseDuration } from '../../config/quantity.ts';
import { privateKeyFromPem } from '../../crypto/keys.ts';
import { issueRevocationList } from '../../crypto/revocation-list.ts';
import { unwrap } from '../../errors.ts';
import type { RevocationReason } from '../../protocols/notice/revocation.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { givenAuthorities } from '../notice/verified-notice.ts';
import { readHeldCa } from './held-ca.ts';
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
  const validityMs = parseDuration(text('validity') ?? '7d');
  if (validityMs === undefined || validityMs < 60_000)
    throw new UsageError('--validity is a time such as 7d, at least 1m.', 'caxton security export-crl --help');
  const ca = await readHeldCa(invocation, text('ca-cert')!, text('ca-key')!);
  const given = await givenAuthorities(invocation);
  const anchors = given.size > 0 ? given : undefined;
  const known = await knownRevocations(invocation, { anchors, except: [] });
  const { revocations, generation, silent } = known;
  const now = nodeClock.now();
  const revoked = revocations.flatMap(({ kind, id, reason, at: since }) =>
    kind === 'serial' ? [{ serial: id, at: since, reason: codeOf[reason] }] : [],
  );
  const plan = { number: generation, thisUpdate: now, nextUpdate: now + validityMs, revoked };
  const caKey = unwrap(privateKeyFromPem(ca.pair.keyPem));
  const crl = unwrap(issueRevocationList({ caCertPem: ca.certPem, caKey, ...plan }));
  const out = text('out');
  if (out === undefined) terminal.out(crl);
  else {
    await writeFile(resolve(terminal.cwd, out), crl, { mode: 0o644 });
    terminal.err(`${out}: ${revoked.length} certificates, until ${new Date(plan.nextUpdate).toISOString()}\n`);
  }
  for (const doubt of known.doubts) terminal.err(`${doubt} It is not in the list.\n`);
  if (!anchors)
    terminal.err(
      known.heard.length === 1
        ? 'Who the authorities are is the word of one node alone: name one with --authority.\n'
        : 'Who the authorities are is what all nodes say that answered; --authority names one.\n',
    );
  if (silent.length > 0) terminal.err(`${silent.join(', ')} did not answer.\n`);
  return 0;
}
