import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import type { Client } from '../../client.ts';
import { privateKeyFromPem } from '../../crypto/keys.ts';
import { osCrypto } from '../../crypto/port.ts';
import type { ClusterLayout } from '../../development/layout.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import type { NodeId } from '../../names.ts';
import { demoAgents, signDeployment } from './deployments.ts';
import type { Narrator } from './narrate.ts';

/** A machine that is busy with other things takes its time. */
const convergeMsMax = 30_000;
const pollMs = 25;

/**
 * Waits until every node sees every other, then deploys the agents that are not there yet. Agents of an earlier run
 * were brought back by their nodes; those whose code or rights have changed since get a higher generation.
 */
export async function deployDemoAgents(
  layout: ClusterLayout,
  clients: ReadonlyMap<NodeId, Client>,
  narrator: Narrator,
): Promise<void> {
  await waitUntil('the nodes see each other', async () => {
    const views = await viewsOf(clients, (client) => client.members());
    return views
      .filter(([, members]) => members.filter(({ status }) => status === 'alive').length < clients.size)
      .map(([id, members]) => `${id} sees ${members.map(({ nodeId, status }) => `${nodeId} ${status}`).join(', ')}`);
  });
  narrator.line(`${clients.size} nodes see each other`);
  const deployer = unwrap(privateKeyFromPem(await readFile(layout.deployerKey, 'utf8')));
  for (const demo of demoAgents) {
    const client = clients.get(demo.node)!;
    const present = (await client.agents()).find((agent) => agent.agentId === demo.agentId && agent.node === demo.node);
    if (present) continue;
    const signed = await signDeployment(demo, deployer, osCrypto, 1, nodeClock.now());
    await client.deploy({ manifest: signed.manifest, capability: signed.capability });
  }
  await waitUntil('every node knows every agent', async () => {
    const views = await viewsOf(clients, (client) => client.agents());
    return views.flatMap(([id, agents]) =>
      demoAgents
        .map(({ agentId }) => ({ agentId, known: agents.find((agent) => agent.agentId === agentId) }))
        .filter(({ known }) => !known?.reachable)
        .map(
          ({ agentId, known }) => `${id} ${known ? `cannot reach ${agentId} on ${known.node}` : `misses ${agentId}`}`,
        ),
    );
  });
}

const viewsOf = <T>(
  clients: ReadonlyMap<NodeId, Client>,
  view: (client: Client) => Promise<T>,
): Promise<readonly (readonly [NodeId, T])[]> =>
  Promise.all([...clients].map(async ([id, client]) => [id, await view(client)] as const));

/** `missing` says what is still to come; nothing when it holds. */
async function waitUntil(what: string, missing: () => Promise<readonly string[]>): Promise<void> {
  const deadline = nodeClock.monotonic() + convergeMsMax;
  for (;;) {
    const left = await missing();
    if (left.length === 0) return;
    if (nodeClock.monotonic() > deadline)
      throw new CaxtonError(
        'TIMED_OUT',
        `After ${convergeMsMax / 1000} s it still does not hold that ${what}: ${left.slice(0, 5).join('; ')}.`,
      );
    await sleep(pollMs);
  }
}
