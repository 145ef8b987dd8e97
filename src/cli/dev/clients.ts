import { readFile } from 'node:fs/promises';
import { type Client, createClient } from '../../client.ts';
import type { ClusterLayout } from '../../development/layout.ts';
import type { NodeId } from '../../names.ts';

/** A client for each node of the development cluster, as its profile names them. */
export async function clientsOf(layout: ClusterLayout): Promise<ReadonlyMap<NodeId, Client>> {
  const profile = JSON.parse(await readFile(layout.profile, 'utf8')) as { nodes: { id: NodeId; api: string }[] };
  const caPem = await readFile(layout.caCert, 'utf8');
  const apiKey = (await readFile(layout.apiKey, 'utf8')).trim();
  return new Map(profile.nodes.map(({ id, api }) => [id, createClient({ address: api, caPem, apiKey })]));
}
