import type { AgentId, NodeId } from '../../../src/names.ts';
import type { Manifest } from '../../../src/protocols/deployment/manifest.ts';
import { issuer, now } from '../authorization/fixtures.ts';

export const node1 = 'node-1' as NodeId;
export const node2 = 'node-2' as NodeId;
export const node3 = 'node-3' as NodeId;

export const manifest: Manifest = {
  v: 1,
  agentId: 'default/echo' as AgentId,
  kind: 'handler',
  code: { module: 'demo/echo.ts', digest: `sha256:${'0a'.repeat(32)}` },
  tenant: 'default',
  services: ['echo'],
  capabilities: ['request agent:default/*'],
  agentKey: issuer,
  placement: { nodes: [node1, node2] },
  generation: 1,
  issuedAt: now,
};
