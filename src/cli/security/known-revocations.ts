import type { NoticeView } from '../../actors/operations/notice-view.ts';
import { createClient } from '../../client.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import type { NodeId } from '../../names.ts';
import { malformed, readShape } from '../../protocols/json/shape.ts';
import { type Revocation, revocationsBody, unionOf } from '../../protocols/notice/revocation.ts';
import type { Invocation } from '../command.ts';
import { profileOf } from '../connect.ts';

/** What the nodes of a profile hold, all of them taken together: no single one is believed to know everything. */
export interface KnownRevocations {
  readonly clusterId: string;
  /** Of the newest notice; 0 when there is none. */
  readonly generation: number;
  readonly revocations: readonly Revocation[];
  /** The certificates that members show each other now. */
  readonly serials: readonly { readonly node: NodeId; readonly serial: string }[];
  readonly silent: readonly NodeId[];
}

const answerMsMax = 3_000;

/** Asks every node of the profile. UNREACHABLE when none answers. */
export async function knownRevocations(invocation: Invocation): Promise<KnownRevocations> {
  const profile = await profileOf(invocation);
  const answers = await Promise.all(
    profile.nodes.map(async ({ id, api }) => {
      const client = createClient({ address: api, caPem: profile.caPem, apiKey: profile.apiKey });
      const call = { timeoutMs: answerMsMax };
      try {
        const [notices, links, status] = await Promise.all([
          client.notices(call),
          client.links(call),
          client.status(call),
        ]);
        return { id, notices, links, status };
      } catch (error) {
        if (!(error instanceof CaxtonError)) throw error;
        return { id, error };
      } finally {
        client.close();
      }
    }),
  );
  const heard = answers.flatMap((answer) => ('notices' in answer && answer.notices ? [answer] : []));
  const [first] = heard;
  if (!first) {
    const reasons = answers.map(({ id, error }) => `${id}: ${error?.message ?? 'no answer'}`);
    throw new CaxtonError('UNREACHABLE', ['No node of the profile answers.', ...reasons]);
  }
  const views = heard.flatMap(({ notices }) => notices.filter(({ kind }) => kind === 'revocations'));
  return {
    clusterId: first.status.clusterId,
    generation: Math.max(0, ...views.map(({ generation }) => generation)),
    revocations: views.map(bodyOf).reduce(unionOf, []),
    serials: heard.flatMap(({ links, status: { nodeId, certificate } }) => [
      ...links.map(({ peer, serial }) => ({ node: peer as NodeId, serial })),
      { node: nodeId, serial: certificate.serial },
    ]),
    silent: answers.filter(({ id }) => !heard.some((one) => one.id === id)).map(({ id }) => id),
  };
}

const bodyOf = ({ body }: NoticeView): readonly Revocation[] =>
  unwrap(readShape(revocationsBody, body, malformed('What the node says is revoked'))).revocations;
