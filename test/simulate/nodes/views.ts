import type { NodeId } from '../../../src/names.ts';
import type { TestCluster } from '../../../src/testing/test-cluster.ts';
import type { EchoName } from './load.ts';

/** What is true, as whoever runs the machines knows it. */
export interface Truth {
  /** Those that run and are neither revoked nor suspended. */
  readonly members: readonly NodeId[];
  /** The others. */
  readonly gone: readonly NodeId[];
  readonly revoked: ReadonlySet<NodeId>;
  /** Where the agents live: the nodes that host each. */
  readonly agents: ReadonlyMap<EchoName, readonly NodeId[]>;
  /** The highest generation of each kind of notice that some member has taken. */
  readonly generations: ReadonlyMap<string, number>;
}

/** In what the members’ views differ from the truth and from each other: nothing when they have converged. */
export function disagreements(cluster: TestCluster, truth: Truth): string[] {
  // As the first one sees it, so does everybody.
  const [first] = truth.members;
  const hosts = new Map(
    first &&
      cluster
        .node(first)
        .control.agents()
        .map(({ agentId, node }) => [agentId as string, node]),
  );
  return [
    ...truth.members.flatMap((id) => [
      ...ofMembers(cluster, id, truth),
      ...ofLinks(cluster, id, truth),
      ...ofAgents(cluster, id, truth, hosts),
      ...ofNotices(cluster, id, truth),
    ]),
    ...ofKeys(cluster, truth),
  ];
}

function ofMembers(cluster: TestCluster, id: NodeId, { members, gone, revoked }: Truth): string[] {
  const { control } = cluster.node(id);
  const seen = new Map(control.members().map((member) => [member.nodeId, member]));
  const wrong: string[] = [];
  for (const other of members) {
    const { bootEpoch } = cluster.node(other).control.status();
    const member = seen.get(other);
    if (member?.status !== 'alive') wrong.push(`${id}: ${other} lives and is ${member?.status ?? 'unknown'}`);
    else if (member.bootEpoch !== bootEpoch)
      wrong.push(`${id}: ${other} runs boot ${bootEpoch}, not ${member.bootEpoch}`);
  }
  for (const other of gone) {
    const status = seen.get(other)?.status;
    if (status === 'alive' || status === 'suspect') wrong.push(`${id}: ${other} is gone and ${status}`);
    if (revoked.has(other) && status !== undefined && status !== 'revoked')
      wrong.push(`${id}: ${other} is revoked and ${status}`);
  }
  const quorum = 2 * members.length > cluster.machine(id).config.cluster.expectedSize;
  const { partition, state } = control.status();
  if (quorum !== (partition === 'majority'))
    wrong.push(`${id}: ${members.length} live, and it sees itself as ${partition}`);
  if (state !== 'running') wrong.push(`${id} is ${state}`);
  return wrong;
}

function ofLinks(cluster: TestCluster, id: NodeId, { members }: Truth): string[] {
  const peers = cluster
    .node(id)
    .control.links()
    .map(({ peer }) => peer)
    .sort()
    .join(' ');
  const wanted = members
    .filter((other) => other !== id)
    .sort()
    .join(' ');
  return peers === wanted ? [] : [`${id}: links with “${peers}”, not “${wanted}”`];
}

function ofAgents(cluster: TestCluster, id: NodeId, { agents }: Truth, others: ReadonlyMap<string, NodeId>): string[] {
  const found = new Map(
    cluster
      .node(id)
      .control.agents()
      .map((agent) => [agent.agentId as string, agent]),
  );
  const wrong: string[] = [];
  for (const [name, hosts] of agents) {
    const agent = found.get(name);
    if (hosts.length === 0) {
      if (agent?.reachable) wrong.push(`${id}: ${name} is nowhere, and found on ${agent.node}`);
      continue;
    }
    if (!agent || !hosts.includes(agent.node)) wrong.push(`${id}: ${name} is on ${hosts}, not on ${agent?.node}`);
    else if (!agent.reachable) wrong.push(`${id}: ${name} on ${agent.node} is not reachable`);
    else if (agent.node !== others.get(name))
      wrong.push(`${id}: ${name} is on ${agent.node}, to others on ${others.get(name)}`);
  }
  return wrong;
}

function ofNotices(cluster: TestCluster, id: NodeId, { generations }: Truth): string[] {
  const held = new Map(
    cluster
      .node(id)
      .control.notices()
      .map((notice) => [notice.kind as string, notice]),
  );
  return [...generations].flatMap(([kind, generation]) => {
    const notice = held.get(kind);
    if (notice?.generation !== generation)
      return [`${id}: the ${kind} have generation ${notice?.generation}, not ${generation}`];
    return notice.rivals > 0 ? [`${id}: the ${kind} have ${notice.rivals} rivals`] : [];
  });
}

function ofKeys(cluster: TestCluster, { members }: Truth): string[] {
  const keys = members.map((id) => {
    const { sealing } = cluster.node(id).control.gossipKeys();
    return { id, key: `${sealing.epoch} ${sealing.hash}` };
  });
  return keys
    .filter(({ key }) => key !== keys[0]!.key)
    .map(({ id, key }) => `${id} seals with ${key}, ${keys[0]!.id} with ${keys[0]!.key}`);
}
