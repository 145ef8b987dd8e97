import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { documentId } from '../../crypto/signed-document.ts';
import { CaxtonError } from '../../errors.ts';
import {
  type RevocableKind,
  type Revocation,
  type RevocationReason,
  revocableForm,
  revocableKinds,
  revocationReasons,
  unionOf,
} from '../../protocols/notice/revocation.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { withNode } from '../connect.ts';
import { authorityKey, signedBy } from '../notice/authority-key.ts';
import { writeJson } from '../output.ts';
import { type KnownRevocations, knownRevocations } from './known-revocations.ts';

const help = 'caxton security revoke --help';

/** Makes the next generation of the revocations from all that the nodes hold, signs it and puts it in force. */
export async function revoke(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const named = await namedBy(invocation);
  const key = await authorityKey(invocation);
  const known = await knownRevocations(invocation);
  const added = withSerials(named, known);
  const revocations = unionOf(known.revocations, added);
  if (revocations.length === known.revocations.length) {
    terminal.err('All of it is revoked already.\n');
    return 0;
  }
  const document = signedBy(key, {
    v: 1,
    kind: 'revocations',
    generation: known.generation + 1,
    clusterId: known.clusterId,
    issuedAt: nodeClock.now(),
    body: { revocations },
  });
  // Elsewhere `--node` says whom to ask; here it is what is revoked.
  const asked = { ...invocation, text: (option: string) => invocation.text(option === 'node' ? 'via' : option) };
  const { view, node } = await withNode(asked, async ({ client, node: { id } }) => ({
    view: await client.publishNotice(document),
    node: id,
  }));
  const news = revocations.slice(known.revocations.length);
  if (json) writeJson(terminal, { generation: view.generation, node, revoked: news, silent: known.silent });
  else {
    for (const { kind, id, reason } of news) terminal.out(`revoked ${kind} ${id} (${reason})\n`);
    terminal.out(`generation ${view.generation} is in force at ${node}, which tells the others\n`);
  }
  if (known.silent.length > 0 && !json)
    terminal.err(`${known.silent.join(', ')} did not answer: it hears of this when it is linked again.\n`);
  return 0;
}

async function namedBy({ text, list, terminal }: Invocation): Promise<readonly Revocation[]> {
  const reason = text('reason') ?? 'unspecified';
  if (!isReason(reason)) throw new UsageError(`--reason is one of ${revocationReasons.join(', ')}.`, help);
  const at = nodeClock.now();
  const named: Revocation[] = [];
  for (const kind of revocableKinds)
    for (const word of list(kind)) {
      const id = kind === 'token' || kind === 'deployment' ? await idOf(word, terminal.cwd) : normal(kind, word);
      const form = revocableForm(kind, id);
      if (form !== undefined) throw new UsageError(`--${kind} takes ${form}.`, help);
      named.push({ kind, id, reason, at });
    }
  if (named.length > 0) return named;
  throw new UsageError(`Say what: ${revocableKinds.map((kind) => `--${kind}`).join(', ')}.`, help);
}

const isReason = (text: string): text is RevocationReason => (revocationReasons as readonly string[]).includes(text);

/** Serials are written in many ways: `0a:1b`, `0A1B`. */
const normal = (kind: RevocableKind, word: string): string =>
  kind === 'serial' ? word.replaceAll(':', '').toUpperCase() : word;

/** `@FILE` is a document in a file; anything else is an id. */
async function idOf(word: string, cwd: string): Promise<string> {
  if (!word.startsWith('@')) return word;
  const path = resolve(cwd, word.slice(1));
  const content = await readFile(path, 'utf8').catch(() => {
    throw new CaxtonError('FILE_UNREADABLE', `${path} cannot be read.`);
  });
  return documentId(content.trim());
}

/** The certificates that a revoked node shows now go with it, so that a CRL has them too. */
function withSerials(named: readonly Revocation[], { serials }: KnownRevocations): readonly Revocation[] {
  const theirs = named.flatMap((revocation) =>
    revocation.kind === 'node'
      ? serials
          .filter(({ node, serial }) => node === revocation.id && revocableForm('serial', serial) === undefined)
          .map(({ serial }): Revocation => ({ ...revocation, kind: 'serial', id: serial }))
      : [],
  );
  return unionOf(
    named,
    theirs.reduce<readonly Revocation[]>((all, one) => unionOf(all, [one]), []),
  );
}
