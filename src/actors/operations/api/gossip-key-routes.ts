import { z } from 'zod';
import { ok } from '../../../errors.ts';
import type { GossipKeysView } from '../gossip-key-view.ts';
import { type ApiRoute, route } from './route.ts';
import { nodeId } from './views.ts';

const key = z.object({ epoch: z.number().int().positive(), hash: z.string(), proposer: z.string() });

const keysView: z.ZodType<GossipKeysView> = z.object({
  stage: z.enum(['stable', 'proposing', 'distributing', 'switching', 'retiring']),
  sealing: key.extend({ since: z.string() }),
  candidate: key.exactOptional(),
  retiring: z.array(key),
  nextAt: z.string(),
  due: z.string().exactOptional(),
  members: z.array(
    z.object({ nodeId, self: z.boolean(), sealing: key.exactOptional(), candidate: key.exactOptional() }),
  ),
});

/** The keys of the gossip, by name; no path gives a key out. */
export const gossipKeyRoutes: readonly ApiRoute[] = [
  route({
    method: 'GET',
    url: '/api/v1/cluster/keys',
    access: 'authenticated',
    needs: 'Inspect',
    response: keysView,
    handle: ({ control }) => ok(control.gossipKeys()),
  }),
  route({
    method: 'POST',
    url: '/api/v1/cluster/keys/rotations',
    access: 'authenticated',
    needs: 'ManageSecurity',
    response: keysView,
    status: () => 202,
    handle: ({ control, caller }) => control.rotateGossipKey(caller),
  }),
];
