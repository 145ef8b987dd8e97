import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { keyIdOf, publicHalf } from '../../crypto/keys.ts';
import { CaxtonError } from '../../errors.ts';
import type { NodeId } from '../../names.ts';
import type { Notice, NoticeBodies, NoticeKind } from '../../protocols/notice/notice.ts';
import type { NoticesState } from '../../protocols/notice/reconciliation.ts';
import type { Invocation } from '../command.ts';
import { knownRevocations } from '../security/known-revocations.ts';
import { type InForce, putInForce } from '../security/put-in-force.ts';
import { authorityKey, signedBy } from './authority-key.ts';
import { givenAuthorities } from './verified-notice.ts';

export interface NextDocument<K extends NoticeKind> {
  readonly kind: K;
  /** What the next one says, of what verified ones come to; undefined when it would say nothing new. */
  readonly body: (state: NoticesState) => NoticeBodies[K] | undefined | Promise<NoticeBodies[K] | undefined>;
  /**
   * It changes what is held and replaces nothing: not while several of one generation are about, of which nodes show one. What
   * it had more than the others would be signed for good.
   */
  readonly changes?: true;
  /** A node that has no say in it. */
  readonly except?: NodeId;
  /** The node that is given it; undefined: the first that takes it. */
  readonly via?: string | undefined;
}

export interface Published extends InForce {
  readonly generation: number;
  /** Nodes of the profile that did not answer. */
  readonly silent: readonly NodeId[];
}

/**
 * Signs the next generation of a document, puts it in force at one node, and reads it back from another. What it goes on from is what authorities have signed, never the word of a node.
 * Undefined when there is nothing to say. As `knownRevocations` and `putInForce`.
 */
export async function publishNext<K extends NoticeKind>(
  invocation: Invocation,
  { kind, body: next, changes, except, via }: NextDocument<K>,
): Promise<Published | undefined> {
  const key = await authorityKey(invocation);
  const publicKey = publicHalf(key);
  const anchors = new Map([...(await givenAuthorities(invocation)), [keyIdOf(publicKey), publicKey] as const]);
  const known = await knownRevocations(invocation, { anchors, except: except === undefined ? [] : [except] });
  if (changes && known.forked.has(kind))
    throw new CaxtonError('PROTOCOL_VIOLATION', [
      `There are several documents of the ${kind} with one generation: an authority key is misused.`,
      `Look at them (caxton notice show ${kind}), and sign the next one whole: caxton notice sign, caxton notice publish.`,
    ]);
  const body = await next(known.state);
  if (body === undefined) return undefined;
  const generation = (known.state.shelves[kind]?.current.notice.generation ?? 0) + 1;
  const { clusterId } = known.profile;
  const notice = { v: 1, kind, generation, clusterId, issuedAt: nodeClock.now(), body } as unknown as Notice;
  const isOut = (id: NodeId): boolean => known.suspended.suspensions.some((entry) => entry.node === id);
  const heard = known.heard.filter(({ id }) => !isOut(id));
  const publishers = via === undefined ? heard : heard.filter(({ id }) => id === via);
  if (publishers.length === 0)
    throw new CaxtonError('UNREACHABLE', `${via ?? 'No node of the profile'} does not answer, or is out.`);
  const inForce = await putInForce(known.profile, signedBy(key, notice), publishers, heard);
  return { ...inForce, generation, silent: known.silent };
}

/** What a person is told of it, on standard error but for the first line. */
export function tellPublished(
  { terminal }: Invocation,
  kind: NoticeKind,
  { generation, node, seenAt, silent }: Published,
): void {
  terminal.err(`generation ${generation} of the ${kind} is in force at ${node}, which tells the others\n`);
  terminal.err(
    seenAt === undefined ? `Only ${node} answered: no other node confirms it.\n` : `${seenAt} has it too.\n`,
  );
  if (silent.length > 0)
    terminal.err(`${silent.join(', ')} did not answer: it hears of this when it is linked again.\n`);
}
