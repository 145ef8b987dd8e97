import type { AgentContext, Draft } from '../../../src/actors/agents/behaviour.ts';
import type { AgentPolicy } from '../../../src/actors/agents/embedding.ts';
import type { Random } from '../../../src/actors/kernel/ports.ts';
import type { NodeId } from '../../../src/names.ts';
import { drawChance } from '../../../src/testing/seeded-random.ts';
import type { TestCluster } from '../../../src/testing/test-cluster.ts';
import { Broken } from '../checkers.ts';

/** One life of an agent that answers: from its deployment to its removal or the end of its node. */
export interface EchoLife {
  readonly name: EchoName;
  readonly node: NodeId;
  /** Milliseconds of virtual time; undefined while it lives. */
  endedMs: number | undefined;
}

export type EchoName = `default/echo-${number}`;

interface Question {
  readonly number: number;
  readonly asker: NodeId;
  readonly to: string;
  readonly askedMs: number;
  /** By then it must have ended, unless its node stands still or is gone. */
  deadlineMs: number;
}

/** What ended the questions so far, and how often. */
export interface Tally {
  asked: number;
  answered: number;
  readonly refused: Map<string, number>;
}

/** How a question may end without an answer. */
const refusals = new Set([
  'UNREACHABLE',
  'STOPPED',
  'TIMED_OUT',
  'UNKNOWN_AGENT',
  'SUSPENDED',
  'REVOKED',
  'UNAUTHORIZED',
  'CANCELLED',
]);
/** And where a node has lost its disk and is taken for an earlier boot of itself. */
const amnesia = new Set(['REPLAYED', 'SIGNATURE_INVALID']);
/** What a question may take past its time: the turn of an actor that has just been restarted. */
const graceMs = 1_000;

const everybody: AgentPolicy = {
  allowedSenders: ['*'],
  permittedOperations: [{ performatives: ['request'] }],
};

export interface LoadOptions {
  readonly cluster: TestCluster;
  readonly random: Random;
  /** The agents that may be deployed, and are asked whether they are or not. */
  readonly names: readonly EchoName[];
  readonly note: (node: string, text: string) => void;
  /** Something was delivered or answered that must not be; on a stack of the product’s. */
  readonly breaks: (what: string) => void;
  readonly isRecounting: (node: NodeId) => boolean;
}

/** Agents that answer, one on each node that asks, and questions all the time. */
export class Load {
  readonly tally: Tally = { asked: 0, answered: 0, refused: new Map() };
  readonly lives = new Set<EchoLife>();
  readonly #options: LoadOptions;
  readonly #cluster: TestCluster;
  readonly #askers = new Map<NodeId, AgentContext>();
  readonly #open = new Map<number, Question>();
  /** How often each question was heard. */
  readonly #heard = new Map<number, number>();
  #last = 0;
  #running = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#cluster = options.cluster;
  }

  /** Deploys the agent that asks from a node, once in each of its boots. */
  async asksFrom(node: NodeId): Promise<void> {
    const running = this.#cluster.node(node);
    const { agent } = await running.deploy(
      `default/asker-${node}`,
      ({ content }) => {
        if (this.#cluster.machine(node).node === running)
          this.#options.breaks(`a message that nobody asked for came to ${node}: ${JSON.stringify(content)}`);
      },
      {
        actions: ['request agent:*'],
        policy: { allowedSenders: ['*'], permittedOperations: [{ performatives: '*' }] },
      },
    );
    if (this.#cluster.machine(node).node === running) this.#askers.set(node, agent);
  }

  /** Deploys an agent that answers; resolves when it lives. Rejects with what it is refused with. */
  async deploy(name: EchoName, node: NodeId): Promise<EchoLife> {
    const life: EchoLife = { name, node, endedMs: undefined };
    const { node: running } = this.#cluster.machine(node);
    // From before it is told to anybody: it may be asked sooner than the deployment is answered.
    const before = [...this.lives].filter((other) => other.name === name && other.node === node && isLive(other));
    this.lives.add(life);
    try {
      await this.#cluster.node(node).deploy(
        name,
        (message, agent) => {
          // What the remains of a killed process still do happens nowhere.
          if (this.#cluster.machine(node).node !== running) return;
          const { number } = message.content as { number: number };
          const times = (this.#heard.get(number) ?? 0) + 1;
          this.#heard.set(number, times);
          if (times > 1)
            this.#options.breaks(
              `question ${number} was delivered ${times} times, the last time to ${name} on ${node}`,
            );
          if (life.endedMs !== undefined)
            this.#options.breaks(`${name} on ${node} is gone and heard question ${number}`);
          agent.reply(message, { performative: 'inform', content: { number, name, node } });
        },
        { policy: everybody, services: ['echo'] },
      );
    } catch (error) {
      this.#end(life);
      throw error;
    }
    for (const other of before) this.#end(other);
    if (this.#cluster.machine(node).node !== running) this.#end(life);
    return life;
  }

  /** An agent was removed from a node. */
  removed(name: EchoName, node: NodeId): void {
    for (const life of this.lives) if (life.name === name && life.node === node) this.#end(life);
  }

  /** The process of a node is over: its agents with it, and what they asked. */
  nodeEnded(node: NodeId): void {
    this.#askers.delete(node);
    for (const life of this.lives) if (life.node === node) this.#end(life);
    for (const [number, { asker }] of this.#open) if (asker === node) this.#open.delete(number);
  }

  /** A node stood still for so long. */
  stoodStill(node: NodeId, ms: number): void {
    for (const question of this.#open.values()) if (question.asker === node) question.deadlineMs += ms;
  }

  /** The nodes on which an agent lives. */
  hostsOf(name: EchoName): readonly NodeId[] {
    return [...this.lives].filter((life) => life.name === name && isLive(life)).map(({ node }) => node);
  }

  get names(): readonly EchoName[] {
    return this.#options.names;
  }

  /** Asks from everywhere, again and again, until `stop`. */
  run(): void {
    this.#running = true;
    const tick = (): void => {
      if (!this.#running) return;
      for (const node of this.#askers.keys()) this.#askSomebody(node);
      this.#cluster.clock.setTimeout(tick, 100 + this.#draw(600));
    };
    tick();
  }

  stop(): void {
    this.#running = false;
  }

  /** Asks each of these agents once from each node that may; what did not answer. */
  async unanswered(names: readonly EchoName[], mayAsk: (node: NodeId) => boolean): Promise<readonly string[]> {
    const asked = [...this.#askers.keys()].filter(mayAsk).flatMap((node) =>
      names.map(async (name) => {
        const code = await this.#ask(node, { to: name, timeoutMs: 5_000, sign: false });
        return code === undefined ? [] : [`${name} from ${node}: ${code}`];
      }),
    );
    return (await this.#cluster.settled(Promise.all(asked))).flat();
  }

  /** Throws when a question hangs. */
  look(isStill: (node: NodeId) => boolean): void {
    const now = this.#cluster.clock.monotonic();
    for (const { number, asker, to, askedMs, deadlineMs } of this.#open.values())
      if (now > deadlineMs && !isStill(asker))
        throw new Broken(`question ${number} from ${asker} to ${to}, asked at ${askedMs}, has no end`);
  }

  #askSomebody(node: NodeId): void {
    const name = this.#options.names[this.#draw(this.#options.names.length)]!;
    const to = this.#draw(8) === 0 ? 'service:default/echo?pick=rr' : name;
    const timeoutMs = [300, 2_000, 5_000][this.#draw(3)]!;
    void this.#ask(node, { to, timeoutMs, sign: drawChance(this.#options.random, 0.1) });
  }

  /** The code of the refusal; undefined when it was answered. */
  async #ask(
    asker: NodeId,
    { to, timeoutMs, sign }: { readonly to: string; readonly timeoutMs: number; readonly sign: boolean },
  ): Promise<string | undefined> {
    const number = ++this.#last;
    const askedMs = this.#cluster.clock.monotonic();
    this.tally.asked += 1;
    this.#open.set(number, { number, asker, to, askedMs, deadlineMs: askedMs + timeoutMs + graceMs });
    const draft: Draft = { to: to as Draft['to'], performative: 'request', content: { number }, sign };
    const answer = await this.#askers.get(asker)!.ask(draft, { timeoutMs });
    // Of a process that is over nobody hears.
    if (!this.#open.delete(number)) return undefined;
    if (!answer.ok) {
      const { code, reasons } = answer.refusal;
      const others = [asker, ...[...this.lives].map(({ node }) => node)];
      const explained = refusals.has(code) || (amnesia.has(code) && others.some(this.#options.isRecounting));
      if (!explained) this.#options.breaks(`question ${number} from ${asker} to ${to}: ${code}, ${reasons.join(' ')}`);
      this.tally.refused.set(code, (this.tally.refused.get(code) ?? 0) + 1);
      this.#options.note(asker, `question ${number} to ${to}: ${code}`);
      return code;
    }
    this.#judge(number, asker, to, askedMs, answer.value);
    return undefined;
  }

  #judge(
    number: number,
    asker: NodeId,
    to: string,
    askedMs: number,
    { content, sender }: { readonly content: unknown; readonly sender: string },
  ): void {
    const said = content as { number?: number; name?: string; node?: string };
    this.tally.answered += 1;
    this.#options.note(asker, `question ${number} to ${to}: answered by ${sender} on ${said.node}`);
    const about = `question ${number} from ${asker} to ${to}`;
    if (said.number !== number) this.#options.breaks(`${about} got the answer to ${said.number}`);
    if (sender !== said.name || (!to.startsWith('service:') && sender !== to))
      this.#options.breaks(`${about} was answered by ${sender}`);
    const lived = [...this.lives].some(
      ({ name, node, endedMs }) => name === sender && node === said.node && (endedMs ?? askedMs) >= askedMs,
    );
    if (!lived) this.#options.breaks(`${about} was answered by ${sender} on ${said.node}, which was gone before`);
    if ((this.#heard.get(number) ?? 0) === 0) this.#options.breaks(`${about} was answered by nobody who heard it`);
  }

  #end(life: EchoLife): void {
    life.endedMs ??= this.#cluster.clock.monotonic();
  }

  #draw(below: number): number {
    return this.#options.random.uint32() % below;
  }
}

const isLive = ({ endedMs }: EchoLife): boolean => endedMs === undefined;
