import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { keyIdOf, publicHalf } from '../../crypto/keys.ts';
import { documentId } from '../../crypto/signed-document.ts';
import type { NodeSvid } from '../../crypto/svid.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { isNodeId, type NodeId } from '../../names.ts';
import { readChain } from '../../protocols/authorization/delegation.ts';
import {
  isCertificateKeyId,
  type RevocableKind,
  type Revocation,
  type RevocationReason,
  revocableForm,
  revocableKinds,
  revocationIndex,
  revocationOf,
  revocationReasons,
  unionOf,
} from '../../protocols/notice/revocation.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { authorityKey, signedBy } from '../notice/authority-key.ts';
import { givenAuthorities } from '../notice/verified-notice.ts';
import { writeJson } from '../output.ts';
import type { ProfileNode } from '../profile.ts';
import { type KnownRevocations, knownRevocations } from './known-revocations.ts';
import { putInForce } from './put-in-force.ts';
import { shownCertificate } from './shown-certificate.ts';
import { allCertificatesOf } from './supersede.ts';

const help = 'caxton security revoke --help';

/** Makes the next generation of the revocations from what verified notices say, signs it and puts it in force. */
export async function revoke(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json, flag } = invocation;
  const named = await namedBy(invocation);
  const key = await authorityKey(invocation);
  const publicKey = publicHalf(key);
  const anchors = new Map([...(await givenAuthorities(invocation)), [keyIdOf(publicKey), publicKey] as const]);
  const except = named.flatMap((revocation) => nodeOf(revocation) ?? []);
  const known = await knownRevocations(invocation, { anchors, except });
  const base = flag('include-unverified') ? unionOf(known.revocations, known.claimed) : known.revocations;
  const revocations = unionOf(base, unionOf(named, await certificatesOf(invocation, named, known)));
  const news = revocations.slice(known.revocations.length);
  sayDoubts(invocation, known);
  if (news.length === 0) {
    terminal.err('All of it is revoked already.\n');
    return 0;
  }
  const generation = known.generation + 1;
  // Before anything is signed: a revocation is for good.
  terminal.err(`To be signed: generation ${generation} for cluster ${known.profile.clusterId}, ${news.length} new:\n`);
  for (const { kind, id, reason } of news) terminal.err(`  ${kind} ${id} (${reason})\n`);
  if (flag('dry-run')) {
    if (json) writeJson(terminal, { generation, revoked: news, silent: known.silent });
    return 0;
  }
  const publishers = publishersOf(invocation, known, except);
  const document = signedBy(key, {
    ...{ v: 1, kind: 'revocations', generation, clusterId: known.profile.clusterId, issuedAt: nodeClock.now() },
    body: { revocations },
  });
  const { node, seenAt } = await putInForce(known.profile, document, publishers, known.heard);
  if (json) {
    writeJson(terminal, { generation, node, seenAt: seenAt ?? null, revoked: news, silent: known.silent });
    return 0;
  }
  for (const { kind, id, reason } of news) terminal.out(`revoked ${kind} ${id} (${reason})\n`);
  terminal.out(`generation ${generation} is in force at ${node}, which tells the others\n`);
  terminal.err(
    seenAt === undefined ? `Only ${node} answered: no other node confirms it.\n` : `${seenAt} has it too.\n`,
  );
  if (known.silent.length > 0)
    terminal.err(`${known.silent.join(', ')} did not answer: it hears of this when it is linked again.\n`);
  return 0;
}

function sayDoubts({ terminal, flag }: Invocation, { doubts, claimed }: KnownRevocations): void {
  for (const doubt of doubts) terminal.err(`${doubt}\n`);
  if (claimed.length === 0 || flag('include-unverified')) return;
  terminal.err('They are left out:\n');
  for (const { kind, id, reason } of claimed) terminal.err(`  ${kind} ${id} (${reason})\n`);
  terminal.err('Name other authorities with --authority, or sign what is claimed with --include-unverified.\n');
}

/** `--via`, or whoever answered: never one that is being revoked. */
function publishersOf(
  { text }: Invocation,
  { profile, heard }: KnownRevocations,
  except: readonly string[],
): readonly ProfileNode[] {
  const via = text('via');
  if (via === undefined) return heard;
  if (except.includes(via)) throw new UsageError(`--via ${via} is being revoked: name another node.`, help);
  const found = profile.nodes.filter(({ id }) => id === via);
  if (found.length > 0) return found;
  throw new UsageError(`--via: the profile has ${profile.nodes.map(({ id }) => id).join(', ')}.`, help);
}

async function namedBy({ text, list, terminal }: Invocation): Promise<readonly Revocation[]> {
  const reason = text('reason') ?? 'unspecified';
  if (!isReason(reason)) throw new UsageError(`--reason is one of ${revocationReasons.join(', ')}.`, help);
  const at = nodeClock.now();
  const named: Revocation[] = [];
  for (const kind of revocableKinds)
    for (const word of list(kind)) {
      const id =
        kind === 'token' || kind === 'deployment' ? await idOf(kind, word, terminal.cwd) : normal(kind, word, at);
      const form = revocableForm(kind, id);
      if (form !== undefined) throw new UsageError(`--${kind} takes ${form}.`, help);
      named.push({ kind, id, reason, at });
    }
  if (named.length > 0) return named;
  throw new UsageError(`Say what: ${revocableKinds.map((kind) => `--${kind}`).join(', ')}.`, help);
}

const isRevokedBy = (revocation: Revocation, svid: NodeSvid): boolean =>
  revocationOf(revocationIndex([revocation]), { nodeId: svid.nodeId, serial: '', notBefore: svid.notBefore }) !==
  undefined;

const isReason = (text: string): text is RevocationReason => (revocationReasons as readonly string[]).includes(text);

/** Serials and the hashes of certificates’ keys are written in many ways: `0a:1b`, `0A1B`. */
function normal(kind: RevocableKind, word: string, at: number): string {
  if (kind === 'serial') return word.replaceAll(':', '').toUpperCase();
  if (kind === 'certificates' && isNodeId(word)) return allCertificatesOf(word, at);
  const hex = word.replaceAll(':', '').toLowerCase();
  return kind === 'key' && isCertificateKeyId(hex) ? hex : word;
}

/** The node of which a revocation takes the certificates. */
const nodeOf = ({ kind, id }: Revocation): NodeId | undefined =>
  kind === 'node' || kind === 'certificates' ? (id.split('@')[0] as NodeId) : undefined;

/** `@FILE` is a document in a file; anything else is an id. */
async function idOf(kind: RevocableKind, word: string, cwd: string): Promise<string> {
  if (!word.startsWith('@')) return word;
  const path = resolve(cwd, word.slice(1));
  const content = await readFile(path, 'utf8').catch(() => {
    throw new CaxtonError('FILE_UNREADABLE', `${path} cannot be read.`);
  });
  const text = content.trim();
  // Of a token that narrows others, the last: what descends from it falls with it, and what it narrows stays.
  return documentId(kind === 'token' ? unwrap(readChain(text)).at(-1)! : text);
}

/**
 * The certificates that the named nodes show now, so that a CRL has them too. Only verified ones: in the cluster the id is
 * enough, and what anybody says about serials could name a certificate of another node.
 */
async function certificatesOf(
  { terminal }: Invocation,
  named: readonly Revocation[],
  { profile, addressesOf }: KnownRevocations,
): Promise<readonly Revocation[]> {
  const found = await Promise.all(
    named.map(async (revocation) => {
      const id = nodeOf(revocation);
      if (id === undefined) return [];
      const shown = await shownCertificate(profile, id, addressesOf(id));
      const isMeant = shown.ok && (revocation.kind === 'node' || isRevokedBy(revocation, shown.value));
      if (isMeant) return [{ ...revocation, kind: 'serial' as const, id: shown.value.serial }];
      if (shown.ok) return [];
      terminal.err(
        `Of ${id} only the ${revocation.kind === 'node' ? 'id' : 'moment'} is revoked, which is enough for nodes: ${shown.refusal.reasons[0]} For a CRL name its certificate with --serial.\n`,
      );
      return [];
    }),
  );
  return found.flat();
}
