/**
 * Issue 7, “Build” 3: everything that can happen to a few nodes while they rotate the key of their gossip, breadth first
 * in all orders: proposals, messages, lost messages, failed links, crashes with and without the disk, and an eviction.
 * In no reachable state has a node gone back or a minority advanced, and none holds a key that the evicted one holds too
 * and that was made after its eviction; from each, once the faults stop, all others come to one key.
 *
 * `07-keys-search.ts [nodes] [states]`; three nodes and 200,000 states by default, some minutes.
 */
import { search } from '../protocols/gossip-keys/model.ts';
import { claim } from './launcher.ts';

const nodes = Number(process.argv[2] ?? 3);
const states = Number(process.argv[3] ?? 200_000);
const bounds = { nodes, crashes: 1, diskLosses: 1, linkFailures: 1, losses: 1, rotations: 1, eviction: true };
const begun = performance.now();
const found = search(bounds, Number.POSITIVE_INFINITY, states);
claim(
  `${found.states} states of ${nodes} nodes, all that ${found.depth} events can lead to, lock nobody out and let nobody in`,
  found.wrong === undefined,
  found.wrong ? JSON.stringify(found.wrong) : `${Math.round((performance.now() - begun) / 1_000)} s`,
);
