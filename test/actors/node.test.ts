import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNode, type Node } from '../../src/actors/node.ts';
import { agentModulesFolder, demoAgents, signDeployment } from '../../src/cli/dev/deployments.ts';
import { loadConfig, type NodeConfig } from '../../src/config.ts';
import { privateKeyFromPem } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { developmentNodes, initialiseCluster } from '../../src/development/initialise.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import { anyPorts, claimPorts } from '../../src/development/ports.ts';
import { policyYaml } from '../../src/development/templates.ts';
import { CaxtonError, unwrap } from '../../src/errors.ts';
import type { AgentId, NodeId } from '../../src/names.ts';

const caller = { identity: 'apikey:test', sourceIp: '127.0.0.1', requestId: 'r1' };
const [one, two, three] = developmentNodes as [NodeId, NodeId, NodeId];
const echo = 'default/echo' as AgentId;

let root = '';
const running = new Map<NodeId, Node>();

async function configOf(id: NodeId): Promise<NodeConfig> {
  const file = clusterLayout(root).node(id).config;
  return unwrap(loadConfig(await readFile(file, 'utf8'), { file }));
}

async function start(id: NodeId): Promise<Node> {
  const node = await createNode(await configOf(id));
  running.set(id, node);
  return node;
}

async function stop(id: NodeId): Promise<void> {
  const node = running.get(id);
  running.delete(id);
  await node?.stop();
}

const nodeOf = (id: NodeId): Node => running.get(id)!;

async function until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 8_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`did not come true within ${withinMs} ms: ${what}`);
    await new Promise<void>((resolve) => setTimeout(resolve, 10));
  }
}

const statusOf = (seenBy: NodeId, node: NodeId): string | undefined =>
  nodeOf(seenBy)
    .control.members()
    .find(({ nodeId }) => nodeId === node)?.status;

const fullMesh = (): boolean =>
  [...running.values()].every(
    ({ control }) =>
      control.members().filter(({ status }) => status === 'alive').length === 3 && control.links().length === 2,
  );

async function signed(agentId: string, generation = 1) {
  const deployer = unwrap(privateKeyFromPem(await readFile(clusterLayout(root).deployerKey, 'utf8')));
  const demo = demoAgents.find((agent) => agent.agentId === agentId)!;
  const { manifest, capability } = await signDeployment(demo, deployer, osCrypto, generation, Date.now());
  return { node: demo.node, request: { manifest, capability } };
}

async function deploy(agentId: string, generation = 1) {
  const { node, request } = await signed(agentId, generation);
  return nodeOf(node).control.deploy(request, caller);
}

const ask = (from: NodeId, to: string, content: string) =>
  nodeOf(from).control.send({ to: to as AgentId, performative: 'request', content, timeoutMs: 5_000 }, caller);

const seesAgent = (node: NodeId, agentId: string): boolean =>
  nodeOf(node)
    .control.agents()
    .some((agent) => agent.agentId === agentId && agent.reachable);

/** How a start that must fail failed. */
async function failure(starting: Promise<Node>): Promise<CaxtonError> {
  try {
    const node = await starting;
    await node.stop();
  } catch (error) {
    if (error instanceof CaxtonError) return error;
    throw error;
  }
  throw new Error('the node started');
}

beforeAll(async () => {
  root = join(await mkdtemp(join(tmpdir(), 'caxton-node-')), 'cluster');
  const { list } = await claimPorts(root, developmentNodes, anyPorts);
  await initialiseCluster({
    root,
    now: Date.now(),
    nodes: developmentNodes,
    ports: list,
    modulesPath: agentModulesFolder,
    policy: policyYaml(),
  });
  await Promise.all(developmentNodes.map(start));
  await until('three nodes see each other', fullMesh);
});

afterAll(async () => {
  await Promise.all([...running.keys()].map(stop));
  await rm(join(root, '..'), { recursive: true, force: true });
});

describe('three nodes', () => {
  it('carry a request to an agent of another node, and its answer back', async () => {
    for (const agent of ['default/console-node-2', 'default/console-node-1', 'default/echo'])
      expect(await deploy(agent)).toMatchObject({ ok: true });
    await until('node-2 knows echo', () => seesAgent(two, echo));
    expect(await ask(two, echo, 'hello')).toMatchObject({
      ok: true,
      value: { reply: { sender: echo, performative: 'inform', content: 'hello' } },
    });
  });

  it('refuse the intruder with the reasons of token and policy', async () => {
    for (const agent of ['default/worker-a', 'default/intruder', 'default/console-node-3'])
      expect(await deploy(agent)).toMatchObject({ ok: true });
    await until('all know all', () => seesAgent(three, 'default/worker-a') && seesAgent(two, 'default/intruder'));
    const answer = unwrap(await ask(three, 'default/intruder', 'go'));
    expect(JSON.parse(answer.reply!.content)).toMatchObject({
      refused: true,
      tried: 'default/worker-a',
      code: 'UNAUTHORIZED',
      reasons: [
        expect.stringContaining('does not grant “cfp agent:default/worker-a”'),
        expect.stringContaining('does not allow default/intruder as a sender'),
      ],
    });
    await until('the denial is in the audit log of the node that refused', async () => {
      const tail = unwrap(await nodeOf(two).control.auditTail({ limit: 100 })) as { type: string; identity: string }[];
      return tail.some(({ type, identity }) => type === 'AccessDenied' && identity === 'default/intruder');
    });
  });

  it('say at once that nobody hosts an agent', async () => {
    expect(await ask(two, 'default/nobody', 'hello')).toMatchObject({ ok: false, refusal: { code: 'UNKNOWN_AGENT' } });
  });

  it('refuse a deployment on a node where the manifest does not place it, and one that runs already', async () => {
    const { request } = await signed('default/echo', 2);
    expect(await nodeOf(three).control.deploy(request, caller)).toMatchObject({
      ok: false,
      refusal: { code: 'DEPLOYMENT_REFUSED', reasons: [expect.stringContaining('does not place it on node-3')] },
    });
    expect(await deploy('default/echo')).toMatchObject({ ok: false, refusal: { code: 'ALREADY_EXISTS' } });
  });

  it('do not let one node run twice, and say why', async () => {
    const error = await failure(createNode(await configOf(one)));
    expect([error.code, error.message]).toEqual(['ALREADY_EXISTS', expect.stringContaining('state.db')]);
    expect(await ask(two, echo, 'still there')).toMatchObject({ ok: true });
  });

  it('see one leave that stops, and take it back with a later boot and the agents that it had', async () => {
    const boot = nodeOf(one).control.status().bootEpoch;
    await stop(one);
    await until('the others see it left', () => statusOf(two, one) === 'left' && statusOf(three, one) === 'left');
    expect(await ask(two, echo, 'gone')).toMatchObject({ ok: false, refusal: { code: 'UNREACHABLE' } });
    const back = await start(one);
    await until('three nodes see each other', fullMesh);
    expect(back.control.status().bootEpoch).toBeGreaterThan(boot);
    await until('echo is back', () => seesAgent(two, echo));
    expect(await ask(two, echo, 'back')).toMatchObject({ ok: true, value: { reply: { content: 'back' } } });
  });

  it('name the port that another process holds', async () => {
    await stop(one);
    const { cluster, api } = await configOf(one);
    for (const { port } of [cluster.bind, api.bind]) {
      const squatter = createServer();
      await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve));
      const error = await failure(createNode(await configOf(one)));
      expect([error.code, error.message]).toEqual(['ADDRESS_IN_USE', expect.stringContaining(`127.0.0.1:${port}`)]);
      await new Promise<unknown>((resolve) => squatter.close(resolve));
    }
    await start(one);
    await until('three nodes see each other', fullMesh);
  });
});

describe('a node without a quorum', () => {
  it('deploys nothing and still answers for its own agents', async () => {
    await Promise.all([stop(two), stop(three)]);
    await until('it is alone', () => nodeOf(one).control.status().partition !== 'majority');
    expect(await deploy('default/planner')).toMatchObject({ ok: false, refusal: { code: 'PARTITION_MINORITY' } });
    expect(await ask(one, echo, 'alone')).toMatchObject({ ok: true, value: { reply: { content: 'alone' } } });
  });
});
