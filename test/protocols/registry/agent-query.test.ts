import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AgentId, NodeId } from '../../../src/names.ts';
import { type AgentQuery, agentsOf } from '../../../src/protocols/registry/agent-query.ts';
import { node1, node2 } from '../deployment/fixtures.ts';
import { apply, booted, everywhere, live } from './fixtures.ts';

const agents = Array.from({ length: 40 }, (_, i) => ({
  agentId: `${['shop', 'bank', 'a-b'][i % 3]}/n${(i * 7) % 40}` as AgentId,
  node: [node1, node2][i % 2]!,
  service: ['pay', 'ship', ''][Math.trunc(i / 2) % 3]!,
}));

const state = agents.reduce(
  (before, { agentId, node, service }, i) =>
    apply(before, node, live(agentId, node, i + 1, `1 ${everywhere} ${service}`)).state,
  booted(node1, node2),
);

const query = fc.record(
  {
    service: fc.constantFrom('pay', 'ship', 'shop/pay', 'bank/ship', 'none', 'shop/none'),
    node: fc.constantFrom(node1, node2, 'node-9' as NodeId),
    tenant: fc.constantFrom('shop', 'bank', 'nobody'),
    after: fc.constantFrom(...agents.map(({ agentId }) => agentId), 'zz/z' as AgentId),
    limit: fc.integer({ min: 1, max: 50 }),
  },
  { requiredKeys: [] },
);

test('agents are found by service, node and tenant as a walk over all of them finds them, page by page', () => {
  fc.assert(
    fc.property(query, (asked: AgentQuery) => {
      const { service, node, tenant, after = '', limit = 1_000 } = asked;
      const walked = agents
        .filter(
          (agent) =>
            agent.agentId > after &&
            (node === undefined || agent.node === node) &&
            (tenant === undefined || agent.agentId.startsWith(`${tenant}/`)) &&
            (service === undefined ||
              service === agent.service ||
              service === `${agent.agentId.split('/')[0]}/${agent.service}`),
        )
        .map(({ agentId }) => agentId)
        .sort();
      expect(agentsOf(state, asked).map(({ manifest }) => manifest.agentId)).toEqual(walked.slice(0, limit));
    }),
    { numRuns: 2_000 },
  );
});
