import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { expect } from 'vitest';
import { createNode, type Node } from '../../../src/actors/node.ts';
import { loadConfig, type NodeConfig } from '../../../src/config.ts';
import { type DevelopmentCluster, developmentCluster } from '../../../src/development/development-cluster.ts';
import { clusterLayout } from '../../../src/development/layout.ts';
import { unwrap } from '../../../src/errors.ts';
import type { Revocation } from '../../../src/protocols/notice/revocation.ts';
import type { RootsBody } from '../../../src/protocols/notice/roots.ts';
import { operator, signNotice, type ToSign } from '../../actors/notice-lab.ts';

/**
 * A node as a user runs it, in this process, and a friend of it on another port; `stranger` has keys and a certificate of
 * the cluster and does not run, so that an attacker can be it. Whatever is done to the target, the friend’s questions
 * must go on being answered.
 */
export interface AttackedNode {
  readonly cluster: DevelopmentCluster;
  readonly config: NodeConfig;
  readonly target: Node;
  /** Files of a node, for whoever wants to be it. */
  filesOf(node: string): { readonly cert: string; readonly key: string; readonly ca: string };
  /** The CA’s own files: for certificates that it should never have issued. */
  readonly ca: { readonly certPem: string; readonly keyPem: string };
  /** Has an authority revoke this and all that was revoked before. */
  revoke(...revocations: readonly Revocation[]): Promise<void>;
  /** Has an authority put a bundle of roots in force, as soon as all members have taken the one before. */
  believe(body: RootsBody): Promise<void>;
  /** Asks an agent of the target from the friend’s node, and expects the answer. */
  serves(): Promise<void>;
  /** Stops the friend and starts it again: expects that it can link to the target now. */
  friendComesBack(): Promise<void>;
  /** Refused links in the target’s audit log, in order. */
  refusals(): Promise<readonly Refused[]>;
  count(name: string, labels?: Readonly<Record<string, string>>): number;
  close(): Promise<void>;
}

export interface Refused {
  readonly sourceIp: string;
  readonly code: string;
  readonly reasons: readonly string[];
  readonly count?: number;
}

export async function attackedNode(): Promise<AttackedNode> {
  const home = await mkdtemp(join(tmpdir(), 'caxton-attacked-'));
  const folder = join(home, 'cluster');
  const nodes = ['target', 'friend', 'stranger'];
  const cluster = await developmentCluster({ folder, nodes });
  const layout = clusterLayout(folder);
  const start = (id: string): Promise<Node> => {
    const file = layout.node(cluster.nodes.find((node) => node === id)!).config;
    // Nobody dials the stranger, who does not run.
    const text = readFileSync(file, 'utf8').replace(/join:\n(?: +- .*\n)+/, 'join: []\n');
    const config = unwrap(loadConfig(text, { file }));
    const { host, port } = cluster.config('target').cluster.bind;
    return createNode(config, { deployer: cluster.deployer, join: id === 'target' ? [] : [`${host}:${port}`] });
  };
  const target = await start('target');
  await target.deploy(
    'default/echo',
    (message, agent) => void agent.reply(message, { performative: 'inform', content: message.content }),
    {
      policy: {
        allowedSenders: ['*'],
        permittedOperations: [{ performatives: ['request'] }],
        rateLimits: { default: '100000/s' },
      },
    },
  );
  let friend = await start('friend');
  const revoked: Revocation[] = [];
  let roots = 0;
  let questions = 0;
  const ask = async () => {
    const { agent } = await friend.deploy('default/asker', () => {}, { actions: ['request agent:default/*'] });
    const question = `question ${++questions}`;
    return { question, answer: await agent.ask({ to: 'default/echo', performative: 'request', content: question }) };
  };
  const serves = async (): Promise<void> => {
    await until('the friend is linked to the target', () => friend.control.links().length === 1);
    await until('the friend is answered', async () => {
      const { question, answer } = await ask();
      return answer.ok && answer.value.content === question;
    });
  };
  await serves();
  const publish = async <K extends 'revocations' | 'roots'>(notice: Omit<ToSign<K>, 'clusterId'>): Promise<void> => {
    const key = privateKey(readFileSync(layout.authorityKey, 'utf8'));
    const text = signNotice(key, { ...notice, clusterId: cluster.config('target').cluster.id });
    await until('the target sees a quorum', () => target.control.status().partition === 'majority');
    let answer = await target.control.publishNotice(text, operator);
    const taken = async () => {
      answer = answer.ok ? answer : await target.control.publishNotice(text, operator);
      return answer.ok;
    };
    if (notice.kind === 'roots') await until('all members have taken the bundle before', taken);
    unwrap(answer);
  };
  return {
    cluster,
    config: cluster.config('target'),
    target,
    filesOf: (id) => {
      const { certificate, key } = layout.node(cluster.nodes.find((node) => node === id)!);
      return {
        cert: readFileSync(certificate, 'utf8'),
        key: readFileSync(key, 'utf8'),
        ca: readFileSync(layout.caCert, 'utf8'),
      };
    },
    ca: { certPem: readFileSync(layout.caCert, 'utf8'), keyPem: readFileSync(layout.caKey, 'utf8') },
    async revoke(...revocations) {
      revoked.push(...revocations);
      await publish({ kind: 'revocations', generation: revoked.length, body: { revocations: revoked } });
    },
    believe: (body) => publish({ kind: 'roots', generation: ++roots, body }),
    serves,
    async friendComesBack() {
      await friend.stop();
      friend = await start('friend');
      await serves();
    },
    async refusals() {
      const tail = unwrap(await target.control.auditTail({ limit: 1_000 })) as readonly (Refused & { type: string })[];
      return tail.filter(({ type }) => type === 'LinkRefused');
    },
    count: (name, labels = {}) =>
      target.control
        .metrics()
        .filter(
          (sample) =>
            sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
        )
        .reduce((sum, { value }) => sum + value, 0),
    async close() {
      await Promise.all([friend.stop(), target.stop()]);
      await rm(home, { recursive: true });
    },
  };
}

export async function until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 4_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`did not come true within ${withinMs} ms: ${what}`);
    await new Promise<void>((resolve) => setTimeout(resolve, 5));
  }
}

/** A TLS client at the link port; resolves when the connection has ended, with whether TLS stood before. */
export async function tlsUntilCut(
  { cluster: { bind } }: NodeConfig,
  options: ConnectionOptions & { readonly localAddress?: string },
  talk: (socket: TLSSocket) => void = () => {},
): Promise<void> {
  const socket = connect({
    host: bind.host,
    port: bind.port,
    rejectUnauthorized: false,
    ALPNProtocols: ['caxton-link/1'],
    ...options,
  });
  socket.on('error', () => {});
  socket.once('secureConnect', () => talk(socket));
  socket.resume();
  let cut = false;
  socket.once('close', () => {
    cut = true;
  });
  await until('the target cuts the connection', () => cut);
}

export const privateKey = (pem: string): KeyObject => createPrivateKey(pem);

/** Expects a refusal of this source in the audit log, with a reason like this. */
export async function expectRefused(
  attacked: AttackedNode,
  source: string,
  reason: RegExp,
  code?: string,
): Promise<void> {
  let entries: readonly Refused[] = [];
  let reasons: readonly string[] = [];
  const found = async () => {
    entries = (await attacked.refusals()).filter(({ sourceIp }) => sourceIp === source);
    reasons = entries.flatMap((entry) => entry.reasons);
    return reasons.length > 0;
  };
  await until(`a refusal of ${source} is in the audit log`, found);
  expect(reasons.join(' ')).toMatch(reason);
  if (code !== undefined) expect(new Set(entries.map((entry) => entry.code))).toEqual(new Set([code]));
}
