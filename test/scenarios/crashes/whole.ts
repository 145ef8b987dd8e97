import type { NodeId } from '../../../src/names.ts';
import type { TestCluster } from '../../../src/testing/test-cluster.ts';

/** The tree of a node as it should be: connections by their number, for each has a name of its own. */
export function shapeOf(cluster: TestCluster, id: string): string {
  const actors = cluster.node(id).control.actors();
  return actors
    .map(({ path, kind, state }) => {
      const isConnection = path.startsWith('/node/cluster/links/');
      return `${isConnection ? '/node/cluster/links/*' : path} ${kind} ${JSON.stringify(state) ?? ''}`;
    })
    .sort()
    .join('\n');
}

/** What keeps the cluster from being as it was: nothing when it is whole. */
export function missing(cluster: TestCluster, shapes: ReadonlyMap<NodeId, string>): string[] {
  const faults: string[] = [];
  for (const id of cluster.running) {
    const { control } = cluster.node(id);
    if (shapeOf(cluster, id) !== shapes.get(id)) faults.push(`${id}: another tree\n${shapeOf(cluster, id)}`);
    for (const { nodeId, status, link } of control.members())
      if (status !== 'alive' || link === 'down') faults.push(`${id}: ${nodeId} is ${status}, link ${link}`);
    if (control.members().length !== cluster.nodes.length) faults.push(`${id}: ${control.members().length} members`);
    if (control.status().partition !== 'majority') faults.push(`${id}: ${control.status().partition}`);
    for (const { agentId, state } of control.agents())
      if (state !== 'running' && state !== 'remote') faults.push(`${id}: ${agentId} is ${state}`);
    if (control.status().audit.state !== 'writing') faults.push(`${id}: audit ${control.status().audit.state}`);
  }
  return faults;
}
