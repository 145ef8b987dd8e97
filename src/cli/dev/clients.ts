import { type Client, createClient } from '../../client.ts';
import type { ClusterLayout } from '../../development/layout.ts';
import { CaxtonError } from '../../errors.ts';
import type { NodeId } from '../../names.ts';
import { loadProfile } from '../profile.ts';

/** A client for each of the nodes, as the development cluster’s profile names them. CONFIG_INVALID when it misses one. */
export async function clientsOf(layout: ClusterLayout, ids: readonly NodeId[]): Promise<ReadonlyMap<NodeId, Client>> {
  const { path, nodes, caPem, apiKey } = await loadProfile({ flag: layout.profile, env: {}, cwd: layout.root });
  return new Map(
    ids.map((id) => {
      const node = nodes.find((known) => known.id === id);
      if (!node) throw new CaxtonError('CONFIG_INVALID', `${path} names no ${id}.`);
      return [id, createClient({ address: node.api, caPem, apiKey })];
    }),
  );
}
