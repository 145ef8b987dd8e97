import type { Caller } from '../../../src/actors/operations/control.ts';
import { CaxtonError, type Result } from '../../../src/errors.ts';
import type { AgentId, NodeId } from '../../../src/names.ts';
import type { AuditRecord } from '../../../src/protocols/audit/record.ts';
import type { NoticeBodies } from '../../../src/protocols/notice/notice.ts';
import { Broken } from '../checkers.ts';
import type { NodeAct } from './acts.ts';
import type { EchoName } from './load.ts';
import type { Stage } from './stage.ts';

/** How long an act may take on a node that runs: longer than the audit log keeps anybody waiting. */
const actMsMax = 15_000;

/** How an act may be refused among faults. */
const refusals = new Set([
  'AUDIT_BLOCKED',
  'PARTITION_MINORITY',
  'REPLAYED',
  'ALREADY_EXISTS',
  'RATE_LIMIT_EXCEEDED',
  'UNKNOWN_AGENT',
  'STOPPED',
]);

type OperatorAct = Extract<
  NodeAct,
  { do: 'deploy' | 'remove' | 'move' | 'rotate-key' | 'renew' | 'suspend' | 'revoke' | 'resume' }
>;

interface UnderWay {
  readonly node: NodeId;
  readonly what: string;
  deadlineMs: number;
}

/** Those who run the machines: they deploy and remove agents, rotate keys and sign documents. Each act ends in time. */
export class Operators {
  readonly #stage: Stage;
  readonly #underWay = new Set<UnderWay>();
  #requests = 0;
  /** Of the documents of all kinds, so that no two have one. */
  #generation = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  get hasPublished(): boolean {
    return this.#generation > 0;
  }

  /** Watches over an act on a node: it ends in time and well, or is refused as it may be, unless the node ends. */
  begin(node: NodeId, what: string, act: Promise<unknown>, msMax = actMsMax): void {
    const entry: UnderWay = { node, what, deadlineMs: this.#stage.now + msMax };
    this.#underWay.add(entry);
    const isSame = this.#sameBoot(node);
    act.then(
      () => void this.#underWay.delete(entry),
      (error: unknown) => {
        const counts = this.#underWay.delete(entry) && isSame();
        const code = error instanceof CaxtonError ? error.code : String(error);
        this.#stage.note(node, `${what}: ${code}`);
        // A state database that fails in the middle of an act fails the act.
        const isExplained = refusals.has(code) || code.includes('EIO: the disk of the state database fails');
        if (counts && !isExplained) this.#stage.breaks(`${node} ${what}: ${String(error)}`, error);
      },
    );
  }

  /** Throws when an act does not end. */
  look(): void {
    for (const { node, what, deadlineMs } of this.#underWay)
      if (this.#stage.now > deadlineMs && !this.#stage.machines.isFrozen(node))
        throw new Broken(`${node} ${what}, and has not ended with it`);
  }

  nodeEnded(node: NodeId): void {
    for (const act of this.#underWay) if (act.node === node) this.#underWay.delete(act);
  }

  stoodStill(node: NodeId, ms: number): void {
    for (const act of this.#underWay) if (act.node === node) act.deadlineMs += ms;
  }

  perform(act: OperatorAct): void {
    const { load, suspended } = this.#stage;
    switch (act.do) {
      case 'deploy':
      case 'move':
        this[act.do](this.#stage.agent(act.agent), this.#stage.name(act.at));
        return;
      case 'remove': {
        const name = this.#stage.agent(act.agent);
        for (const host of load.hostsOf(name)) this.remove(name, host);
        return;
      }
      case 'rotate-key':
      case 'renew':
        this[act.do === 'renew' ? 'renew' : 'rotateKey'](this.#stage.name(act.at));
        return;
      case 'resume':
        suspended.clear();
        this.publishSuspensions(this.#stage.name(act.via));
        return;
      case 'suspend':
      case 'revoke':
        this.#putOut(act.do, this.#stage.name(act.at), this.#stage.name(act.via));
    }
  }

  #putOut(how: 'suspend' | 'revoke', node: NodeId, via: NodeId): void {
    const { suspended, revoked, disturbed, machines, world } = this.#stage;
    if (node === via || revoked.has(node) || !machines.runs(via)) return;
    // One revocation is enough: it is for good. Where it leaves no quorum nobody could resume who is suspended.
    const left = world.names.length - suspended.size - 1;
    if (how === 'revoke' && (revoked.size > 0 || 2 * left <= world.names.length)) return;
    disturbed.add(node);
    if (how === 'revoke') this.#revoke(node, via);
    else {
      suspended.add(node);
      this.publishSuspensions(via);
    }
  }

  deploy(name: EchoName, node: NodeId, then: () => void = () => {}): void {
    const { machines, load, audits } = this.#stage;
    if (!machines.runs(node)) return;
    const isSame = this.#sameBoot(node);
    const deployed = load.deploy(name, node).then(() => {
      if (!isSame()) return;
      const agents = this.#stage.world.cluster.node(node).control.agents();
      const generation = agents.find((agent) => agent.agentId === name && agent.node === node)?.generation;
      const what = `${name} is deployed with generation ${generation}`;
      this.#stage.note(node, what);
      audits.answered(node, what, (record) => isDeployment(record, name, generation));
      then();
    });
    this.begin(node, `deploys ${name}`, deployed);
  }

  remove(name: EchoName, node: NodeId): void {
    const { load } = this.#stage;
    this.#ask(
      node,
      `removes ${name}`,
      (control, caller) => control.remove(name as AgentId, caller),
      () => load.removed(name, node),
    );
  }

  /** Deploys it there, then removes it everywhere else. */
  move(name: EchoName, to: NodeId): void {
    const from = this.#stage.load.hostsOf(name).filter((host) => host !== to);
    this.deploy(name, to, () => {
      for (const host of from) this.remove(name, host);
    });
  }

  rotateKey(node: NodeId): void {
    this.#ask(node, 'rotates the gossip key', (control, caller) => control.rotateGossipKey(caller));
  }

  /** Has a node’s certificate renewed, long before its end. */
  renew(node: NodeId): void {
    const { machines, world } = this.#stage;
    if (!machines.runs(node)) return;
    const rotator = world.cluster.node(node).kernel.ref<{ type: 'cert.renew' }>('/node/pki/cert-rotator');
    rotator.tell({ type: 'cert.renew' }, 'control');
  }

  /** Publishes who is suspended, as the stage has it. */
  publishSuspensions(via: NodeId, done: () => void = () => {}): void {
    const at = this.#stage.world.cluster.clock.now();
    const suspensions = [...this.#stage.suspended].map((node) => ({ node, at }));
    this.#publish(via, 'suspensions', { suspensions }, done);
  }

  #revoke(node: NodeId, via: NodeId): void {
    const { world, revoked, suspended } = this.#stage;
    const at = world.cluster.clock.now();
    const body: NoticeBodies['revocations'] = {
      revocations: [{ kind: 'node', id: node, reason: 'keyCompromise', at }],
    };
    this.#publish(via, 'revocations', body, () => {
      revoked.add(node);
      suspended.delete(node);
    });
  }

  #publish<K extends 'suspensions' | 'revocations'>(
    via: NodeId,
    kind: K,
    body: NoticeBodies[K],
    done: () => void,
  ): void {
    if (!this.#stage.machines.runs(via)) return;
    this.#generation += 1;
    const text = this.#stage.world.sign({ kind, generation: this.#generation, body } as never);
    const what = `publishes ${kind} ${this.#generation}`;
    this.#ask(via, what, (control, caller) => control.publishNotice(text, caller), done);
  }

  /** Asks a node for an act of class A; what it answers well must be on record from then on. */
  #ask<T>(
    node: NodeId,
    what: string,
    act: (control: ReturnType<Stage['world']['cluster']['node']>['control'], caller: Caller) => Promise<Result<T>>,
    done: () => void = () => {},
  ): void {
    const { machines, world, audits } = this.#stage;
    if (!machines.runs(node)) return;
    this.#requests += 1;
    const requestId = `request-${this.#requests}`;
    const caller: Caller = { identity: 'apikey:simulated', sourceIp: '127.0.0.1', requestId };
    const isSame = this.#sameBoot(node);
    const asked = act(world.cluster.node(node).control, caller).then((result) => {
      if (!isSame()) return;
      if (!result.ok) throw new CaxtonError(result.refusal.code, result.refusal.reasons);
      this.#stage.note(node, `${what}: done`);
      audits.answered(node, what, (record) => record.requestId === requestId);
      done();
    });
    this.begin(node, what, asked);
  }

  #sameBoot(id: NodeId): () => boolean {
    const machine = this.#stage.world.cluster.machine(id);
    const { node } = machine;
    return () => machine.node === node;
  }
}

function isDeployment(record: AuditRecord, name: EchoName, generation: number | undefined): boolean {
  if (record.type !== 'AgentDeployed') return false;
  const text = JSON.stringify(record);
  return text.includes(`"${name}"`) && (generation === undefined || text.includes(String(generation)));
}
