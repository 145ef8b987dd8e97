import type { RotationSurvey } from '../../actors/cluster/identity/root-rotation.ts';
import { rotationMember } from '../../actors/cluster/identity/rotation-member.ts';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import type { RootsView } from '../../actors/operations/roots-view.ts';
import { createClient } from '../../client.ts';
import { type RootBundle, readRootBundle } from '../../crypto/root-bundle.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { isNodeId, type NodeId, type TrustDomain } from '../../names.ts';
import { revocationsInForce, rootsInForce, suspensionsInForce } from '../../protocols/notice/reconciliation.ts';
import { revocationIndex } from '../../protocols/notice/revocation.ts';
import { type Missing, rotationStage } from '../../protocols/notice/root-rotation.ts';
import type { RootsBody } from '../../protocols/notice/roots.ts';
import { type AuthorityKeys, verifiedNotices } from '../notice/verified-notice.ts';
import type { Profile, ProfileNode } from '../profile.ts';

/** What the cluster shows of its roots, as far as signatures carry it. */
export interface CliSurvey extends RotationSurvey {
  readonly bundle: RootBundle;
  /** Nodes of the profile that answered and are not revoked. */
  readonly heard: readonly ProfileNode[];
  readonly silent: readonly NodeId[];
  /** Those that can sign under the newest root, in their own words. */
  readonly issuers: readonly NodeId[];
}

export interface SurveyQuestion {
  readonly profile: Profile;
  /** Whose documents are believed. */
  readonly anchors: AuthorityKeys;
  /** The roots of a cluster that has no bundle yet, by the operator’s own file. */
  readonly first: RootsBody;
}

interface Answer {
  readonly node: ProfileNode;
  readonly documents: readonly string[];
  readonly view: RootsView;
}

const answerMsMax = 5_000;

/**
 * Asks the nodes of the profile. What decides is signed: the bundle by an authority, each acknowledgement by its member. A
 * node that lies can hide what it alone knows, which only makes the rotation wait; a member that it names is none without a
 * certificate. UNREACHABLE,
 * CERTIFICATE_REFUSED when nodes without a bundle believe other roots.
 */
export async function surveyRotation({ profile, anchors, first }: SurveyQuestion): Promise<CliSurvey> {
  const answers = await Promise.all(profile.nodes.map((node) => ask(profile, node)));
  const all = answers.flatMap((answer) => (answer instanceof CaxtonError ? [] : [answer]));
  if (all.length === 0)
    throw new CaxtonError('UNREACHABLE', [
      'No node of the profile answers.',
      ...answers.flatMap((one, at) => (one instanceof CaxtonError ? [`${profile.nodes[at]!.id}: ${one.message}`] : [])),
    ]);
  const { state } = verifiedNotices(
    profile.clusterId,
    anchors,
    all.flatMap(({ documents }) => documents),
  );
  const revoked = revocationsInForce(state).flatMap(({ kind, id }) => (kind === 'node' ? [id] : []));
  const suspended = suspensionsInForce(state).map(({ node }) => node);
  const heard = all.filter(({ node }) => !revoked.includes(node.id));
  const document = state.shelves.roots?.current;
  const body = document ? rootsInForce(state) : agreedFirst(first, heard);
  if (!body)
    throw new CaxtonError('CERTIFICATE_REFUSED', [
      'Two bundles of one generation have no root in common, so neither is in force: an authority key is misused.',
      'Sign a bundle with a higher generation: caxton notice show roots --body, then caxton notice sign.',
    ]);
  const bundle = unwrap(readRootBundle(body, body.trustDomain));
  const generation = document?.notice.generation ?? 0;
  const now = nodeClock.now();
  const judge = {
    ...{ clusterId: profile.clusterId, trustDomain: body.trustDomain as TrustDomain, bundle, generation, now },
    hashes: [...(document ? [document] : []), ...(state.shelves.roots?.rivals ?? [])].map(({ hash }) => hash),
    revoked: revocationIndex(revocationsInForce(state)),
  };
  const newest = bundle.roots.at(-1)!.serial;
  const issuers = heard
    .filter(({ node, view }) => view.held.includes(newest) && !suspended.includes(node.id))
    .map(({ node }) => node.id);
  return {
    ...{ bundle, issuers },
    heard: heard.map(({ node }) => node),
    silent: profile.nodes.filter((_, at) => answers[at] instanceof CaxtonError).map(({ id }) => id),
    state: {
      ...{ bundle: body, generation, now },
      members: idsOf(profile, heard, revoked)
        .map((id) => ({ ...rotationMember(id, ...evidenceOf(heard, id), judge), suspended: suspended.includes(id) }))
        // A name alone is no member: whoever made one up would have every rotation wait for it.
        .filter(({ nodeId, endsAt }) => endsAt !== undefined || profile.nodes.some(({ id }) => id === nodeId)),
    },
    canIssue: issuers.length > 0,
    alsoMissing:
      rotationStage(body) === 'issuing' ? [...(await oldApis(profile, heard, bundle)), ...oldLinks(heard)] : [],
  };
}

/** Everybody that somebody names, and whom the profile names. */
function idsOf(profile: Profile, heard: readonly Answer[], revoked: readonly string[]): readonly NodeId[] {
  const named = heard.flatMap(({ view }) => view.members.map(({ nodeId }) => nodeId)).filter(isNodeId);
  return [...new Set([...profile.nodes.map(({ id }) => id), ...named])].filter((id) => !revoked.includes(id)).sort();
}

const evidenceOf = (
  heard: readonly Answer[],
  id: NodeId,
): readonly [lines: readonly string[], certificates: readonly Uint8Array[]] => {
  const said = heard.flatMap(({ view }) => view.members.filter(({ nodeId }) => nodeId === id));
  return [
    said.flatMap(({ acknowledgement }) => acknowledgement ?? []),
    said.flatMap(({ certificate }) =>
      certificate === undefined ? [] : [new Uint8Array(Buffer.from(certificate, 'base64'))],
    ),
  ];
};

/** Before there is a bundle the operator’s own file says what the roots are, and every node has to say the same. */
function agreedFirst(first: RootsBody, heard: readonly Answer[]): RootsBody {
  const others = heard.filter(({ view }) => view.roots.toSorted().join() !== first.roots.toSorted().join());
  if (others.length === 0) return first;
  throw new CaxtonError('CERTIFICATE_REFUSED', [
    `${others.map(({ node }) => node.id).join(', ')} believes other roots than ${first.roots.length === 1 ? 'the one' : 'those'} given here.`,
    'Compare node.ca_certificate_path there with --ca-cert, or with the CA of the profile.',
  ]);
}

/** A link is replaced some seconds after a certificate; whoever drops the old root before that cuts it. */
const oldLinks = (heard: readonly Answer[]): readonly Missing[] =>
  heard.flatMap(({ node, view }) =>
    view.oldLinks.filter(isNodeId).map((nodeId) => ({
      nodeId,
      reason: `a link of it with ${node.id} stands on its old certificate, and is about to be replaced`,
    })),
  );

/** Once the old root is dropped nobody would believe an API that still shows a certificate under it. */
async function oldApis(
  profile: Profile,
  heard: readonly Answer[],
  { issuing, roots }: RootBundle,
): Promise<readonly Missing[]> {
  // A profile may have another CA than the cluster’s: then its APIs have nothing to do with the rotation.
  if (!roots.some(({ pem }) => profile.caPem.includes(pem.trim()))) return [];
  const found = await Promise.all(
    heard.map(async ({ node }) => {
      const client = createClient({ address: node.api, caPem: issuing.pem, apiKey: profile.apiKey });
      try {
        await client.live({ timeoutMs: answerMsMax });
        return [];
      } catch (error) {
        const isOld = error instanceof CaxtonError && error.code === 'CERTIFICATE_REFUSED';
        return isOld ? [{ nodeId: node.id, reason: 'its management API shows a certificate under the old root' }] : [];
      } finally {
        client.close();
      }
    }),
  );
  return found.flat();
}

async function ask({ caPem, apiKey }: Profile, node: ProfileNode): Promise<Answer | CaxtonError> {
  const client = createClient({ address: node.api, caPem, apiKey });
  try {
    const call = { timeoutMs: answerMsMax };
    const [views, view] = await Promise.all([client.notices(call), client.roots(call)]);
    return { node, view, documents: views.map(({ document }) => document) };
  } catch (error) {
    if (error instanceof CaxtonError) return error;
    throw error;
  } finally {
    client.close();
  }
}
