import { setTimeout as pause } from 'node:timers/promises';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { type Client, createClient } from '../../client.ts';
import { CaxtonError } from '../../errors.ts';
import type { NodeId } from '../../names.ts';
import type { Profile, ProfileNode } from '../profile.ts';

export interface InForce {
  /** The node that took it. */
  readonly node: NodeId;
  /** Another one that shows it too. Undefined when there is no other to ask, so that its word stands alone. */
  readonly seenAt: NodeId | undefined;
}

const answerMsMax = 3_000;
const spreadMsMax = 2_000;
const pauseMs = 50;

/**
 * Gives a document to one of the nodes and reads it back from another: a node may say that it took it and keep it to
 * itself, and then the next one is given it. The document is the same each time, so two nodes may well have it.
 * Rejects with the code of the first failure when no node puts it in force.
 */
export async function putInForce(
  profile: Profile,
  document: string,
  publishers: readonly ProfileNode[],
  heard: readonly ProfileNode[],
): Promise<InForce> {
  const failures: { readonly id: NodeId; readonly error: CaxtonError }[] = [];
  for (const node of publishers) {
    const error = await failureOf(() => asking(profile, node, (client) => client.publishNotice(document)));
    if (error) {
      failures.push({ id: node.id, error });
      continue;
    }
    const others = heard.filter(({ id }) => id !== node.id);
    if (others.length === 0) return { node: node.id, seenAt: undefined };
    const seenAt = await firstThatShows(profile, document, others);
    if (seenAt !== undefined) return { node: node.id, seenAt };
    const words = `It says that it took the document, and ${others.map(({ id }) => id).join(', ')} did not get it.`;
    failures.push({ id: node.id, error: new CaxtonError('TIMED_OUT', words) });
  }
  throw new CaxtonError(failures[0]?.error.code ?? 'UNREACHABLE', [
    'The document is not in force for all that can be seen.',
    ...failures.map(({ id, error }) => `${id}: ${error.message}`),
  ]);
}

async function firstThatShows(
  profile: Profile,
  document: string,
  nodes: readonly ProfileNode[],
): Promise<NodeId | undefined> {
  const until = nodeClock.monotonic() + spreadMsMax;
  do {
    const shown = await Promise.all(nodes.map((node) => shows(profile, document, node)));
    const at = shown.indexOf(true);
    if (at >= 0) return nodes[at]!.id;
    await pause(pauseMs);
  } while (nodeClock.monotonic() < until);
  return undefined;
}

async function shows(profile: Profile, document: string, node: ProfileNode): Promise<boolean> {
  let found = false;
  await failureOf(async () => {
    const views = await asking(profile, node, (client) => client.notices({ timeoutMs: answerMsMax }));
    found = views.some((view) => view.document === document);
  });
  return found;
}

async function asking<T>(
  { caPem, apiKey }: Profile,
  { api }: ProfileNode,
  act: (client: Client) => Promise<T>,
): Promise<T> {
  const client = createClient({ address: api, caPem, apiKey });
  try {
    return await act(client);
  } finally {
    client.close();
  }
}

async function failureOf(act: () => Promise<unknown>): Promise<CaxtonError | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    if (error instanceof CaxtonError) return error;
    throw error;
  }
}
