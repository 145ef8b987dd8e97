import { resolve } from 'node:path';
import { CaxtonError } from '../../errors.ts';
import { type FindRevocation, revocationIndex } from '../../protocols/notice/revocation.ts';
import { type Invocation, UsageError } from '../command.ts';
import { about, readPem } from '../security/held-ca.ts';
import { givenAuthorities, verifiedNotice } from './verified-notice.ts';

/** A revocations notice that an authority signed. */
export interface GivenRevocations {
  readonly generation: number;
  readonly clusterId: string;
  readonly find: FindRevocation;
}

/**
 * The document that the operator names with `--revocations`, signed by a key of `--authority`; undefined without both.
 * SIGNATURE_INVALID, MALFORMED, FILE_UNREADABLE.
 */
export async function givenRevocations(invocation: Invocation): Promise<GivenRevocations | undefined> {
  const { text, list, terminal } = invocation;
  const file = text('revocations');
  if ((file === undefined) !== (list('authority').length === 0))
    throw new UsageError('--revocations and --authority go together: the document, and the key that signed it.');
  if (file === undefined) return undefined;
  const content = await readPem(resolve(terminal.cwd, file));
  const { notice } = about(file, verifiedNotice(content.trim(), await givenAuthorities(invocation)));
  if (notice.kind === 'revocations') return { ...notice, find: revocationIndex(notice.body.revocations) };
  throw new CaxtonError('MALFORMED', `${file} is a notice about ${notice.kind}, and not about revocations.`);
}
