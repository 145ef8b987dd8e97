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

const convergeMsMax = 15_000;
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
    const views = await Promise.all([...clients.values()].map((client) => client.members()));
    return views.every((members) => members.filter(({ status }) => status === 'alive').length === clients.size);
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
    const views = await Promise.all([...clients.values()].map((client) => client.agents()));
    return views.every((agents) =>
      demoAgents.every((demo) => agents.some((agent) => agent.agentId === demo.agentId && agent.reachable)),
    );
  });
}

async function waitUntil(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = nodeClock.monotonic() + convergeMsMax;
  while (!(await holds())) {
    if (nodeClock.monotonic() > deadline)
      throw new CaxtonError('TIMED_OUT', `After ${convergeMsMax / 1000} s it still does not hold that ${what}.`);
    await sleep(pollMs);
  }
}
