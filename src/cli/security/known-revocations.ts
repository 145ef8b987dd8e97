import type { MemberView } from '../../actors/operations/control.ts';
import { createClient } from '../../client.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import type { NodeId } from '../../names.ts';
import { malformed, readShape } from '../../protocols/json/shape.ts';
import { type NoticeKind, noticeKinds } from '../../protocols/notice/notice.ts';
import { type NoticesState, revocationsInForce, suspensionsInForce } from '../../protocols/notice/reconciliation.ts';
import { leftOut, type Revocation, revocationsBody, unionOf } from '../../protocols/notice/revocation.ts';
import type { Suspension } from '../../protocols/notice/suspension.ts';
import { printable } from '../../protocols/printable.ts';
import type { Invocation } from '../command.ts';
import { profileOf } from '../connect.ts';
import {
  type AuthorityKeys,
  authorityKeys,
  claimedNotice,
  verifiedNotice,
  verifiedNotices,
} from '../notice/verified-notice.ts';
import type { Profile, ProfileNode } from '../profile.ts';

/**
 * What is revoked in a cluster, as far as documents show it that authorities signed. No node is believed in anything: each of
 * them may be the one that is about to be revoked, and what is found here is signed by the operator next.
 */
export interface KnownRevocations {
  readonly profile: Profile;
  /** What all verified notices of the cluster come to. */
  readonly state: NoticesState;
  /** Of the newest verified notice of revocations; 0 when there is none. */
  readonly generation: number;
  /** What verified notices revoke. */
  readonly revocations: readonly Revocation[];
  /** Who is suspended by verified notices, and the generation of the newest of those. */
  readonly suspended: { readonly generation: number; readonly suspensions: readonly Suspension[] };
  /** What nodes say is in force besides, without a document that shows it. */
  readonly claimed: readonly Revocation[];
  /** Kinds of which a node holds several documents of one generation. */
  readonly forked: ReadonlySet<NoticeKind>;
  /** Which node says so, or shows a document of a signer that is not known as an authority: sentences for people. */
  readonly doubts: readonly string[];
  /** Those that answered and are not revoked. */
  readonly heard: readonly ProfileNode[];
  readonly silent: readonly NodeId[];
  /** Where a node’s links are, in the words of the others. */
  readonly addressesOf: (id: NodeId) => readonly string[];
}

export interface RevocationsQuestion {
  /** Whose notices are believed. Undefined: the authorities that all nodes name alike. */
  readonly anchors: AuthorityKeys | undefined;
  /** Nodes that are not asked, since they are being revoked. */
  readonly except: readonly string[];
}

const answerMsMax = 3_000;

interface Answer {
  readonly node: ProfileNode;
  readonly trust: string | undefined;
  readonly document: string | undefined;
  /** All that it shows. */
  readonly documents: readonly string[];
  readonly forked: readonly NoticeKind[];
  readonly body: readonly Revocation[];
  readonly members: readonly MemberView[];
}

/** Asks the nodes of the profile. UNREACHABLE when none answers, UNAUTHORIZED when it is open whom to believe. */
export async function knownRevocations(
  invocation: Invocation,
  { anchors, except }: RevocationsQuestion,
): Promise<KnownRevocations> {
  const profile = await profileOf(invocation);
  const asked = profile.nodes.filter(({ id }) => !except.includes(id));
  if (asked.length === 0)
    throw new CaxtonError('UNREACHABLE', [
      'Every node of the profile is being revoked, so there is none to ask.',
      'Name another node’s address in the profile, or use caxton notice sign and publish.',
    ]);
  const answers = await Promise.all(asked.map((node) => ask(profile, node)));
  const all = answers.flatMap((answer) => (answer instanceof CaxtonError ? [] : [answer]));
  if (all.length === 0) {
    const reasons = answers.flatMap((one, at) =>
      one instanceof CaxtonError ? [`${asked[at]!.id}: ${one.message}`] : [],
    );
    throw new CaxtonError('UNREACHABLE', ['No node of the profile answers as a node should.', ...reasons]);
  }
  const believed = anchors ?? authoritiesOfAll(all);
  const documents = all.flatMap((answer) => answer.documents);
  const { state, keys } = verifiedNotices(profile.clusterId, believed, documents);
  const revocations = revocationsInForce(state);
  // Whoever is revoked already has no say either.
  const heard = all.filter(({ node }) => !revocations.some(({ kind, id }) => kind === 'node' && id === node.id));
  const claims = heard.map(({ body }) => leftOut(body, revocations));
  return {
    ...{ profile, revocations, state },
    generation: state.shelves.revocations?.current.notice.generation ?? 0,
    suspended: {
      generation: state.shelves.suspensions?.current.notice.generation ?? 0,
      suspensions: suspensionsInForce(state),
    },
    claimed: claims.reduce(unionOf, []),
    forked: new Set([
      ...all.flatMap((answer) => answer.forked),
      ...noticeKinds.filter((kind) => (state.shelves[kind]?.rivals.length ?? 0) > 0),
    ]),
    doubts: heard.flatMap(({ node, document }, at) => doubtsOf(node.id, document, keys, claims[at]!.length)),
    heard: heard.map(({ node }) => node),
    silent: asked.filter((_, at) => answers[at] instanceof CaxtonError).map(({ id }) => id),
    addressesOf: (id) => addressesIn(heard, id),
  };
}

/** One of each node at most, so that nobody makes this machine knock everywhere. */
const addressesIn = (heard: readonly Answer[], id: NodeId): readonly string[] => [
  ...new Set(heard.flatMap(({ members }) => members.find(({ nodeId }) => nodeId === id)?.address ?? [])),
];

function doubtsOf(id: NodeId, document: string | undefined, keys: AuthorityKeys, claims: number): readonly string[] {
  const judged = document === undefined ? undefined : verifiedNotice(document, keys);
  return [
    ...(judged?.ok === false
      ? [`${id} shows revocations that no known authority signed: ${printable(judged.refusal.reasons[0])}`]
      : []),
    ...(claims > 0 ? [`${id} claims ${claims} more revocations, and no document that was verified has them.`] : []),
  ];
}

/** What one node answers; whatever is not as it should be makes the node one that did not answer. */
async function ask({ caPem, apiKey }: Profile, node: ProfileNode): Promise<Answer | CaxtonError> {
  const client = createClient({ address: node.api, caPem, apiKey });
  try {
    const call = { timeoutMs: answerMsMax };
    const [views, members] = await Promise.all([client.notices(call), client.members(call)]);
    const viewOf = (kind: string) => views.find((view) => view.kind === kind);
    const [trust, view] = [viewOf('trust'), viewOf('revocations')];
    const body =
      view && unwrap(readShape(revocationsBody, view.body, malformed('What the node says is revoked'))).revocations;
    const documents = views.map((one) => one.document);
    const forked = views.filter(({ rivals }) => rivals > 0).map(({ kind }) => kind);
    return { node, trust: trust?.document, document: view?.document, documents, forked, body: body ?? [], members };
  } catch (error) {
    if (error instanceof CaxtonError) return error;
    throw error;
  } finally {
    client.close();
  }
}

/** The authorities that every node names: one that lies is found out by the first that does not. */
function authoritiesOfAll(answers: readonly Answer[]): AuthorityKeys {
  const [first, ...others] = new Set(answers.map(({ trust }) => trust));
  const notice = first === undefined ? undefined : claimedNotice(first);
  if (others.length > 0 || !notice?.ok || notice.value.notice.kind !== 'trust')
    throw new CaxtonError('UNAUTHORIZED', [
      'The nodes do not show one and the same trust notice, so it is open whom to believe.',
      'Name the public key of an authority with --authority FILE, such as authority.pub.',
    ]);
  return authorityKeys(notice.value.notice.body.authorities);
}
