import type { AgentContext } from '../../../src/actors/agents/behaviour.ts';
import type { TestCluster } from '../../../src/testing/test-cluster.ts';

const everybody = {
  allowedSenders: ['*'],
  permittedOperations: [{ performatives: ['request' as const] }],
};

/** What became of the questions so far. */
export interface Tally {
  asked: number;
  answered: number;
  readonly refused: Map<string, number>;
  /** Answers to another question than the one that was asked. */
  wrong: number;
  /** Messages that came to an asker beside its questions: a second answer, for one. */
  stray: number;
}

/** Agents of two tenants on every node, and questions from each node to each, again and again. */
export class SteadyLoad {
  readonly tally: Tally = { asked: 0, answered: 0, refused: new Map(), wrong: 0, stray: 0 };
  readonly #cluster: TestCluster;
  readonly #askers: AgentContext[] = [];
  readonly #echoes: string[] = [];
  readonly #open = new Set<number>();
  #last = 0;
  #stopped = false;

  private constructor(cluster: TestCluster) {
    this.#cluster = cluster;
  }

  static async on(cluster: TestCluster): Promise<SteadyLoad> {
    const load = new SteadyLoad(cluster);
    for (const node of cluster.nodes)
      for (const tenant of ['default', 'other']) {
        const name = `${tenant}/echo-${node}` as const;
        await cluster.deploy(
          node,
          name,
          (message, agent) => void agent.reply(message, { performative: 'inform', content: message.content }),
          { policy: everybody },
        );
        load.#echoes.push(name);
      }
    for (const node of cluster.nodes) {
      const { agent } = await cluster.deploy(
        node,
        `default/asker-${node}`,
        () => {
          load.tally.stray += 1;
        },
        {
          actions: ['request agent:*'],
          policy: { ...everybody, permittedOperations: [{ performatives: '*' }] },
        },
      );
      load.#askers.push(agent);
    }
    return load;
  }

  /** Questions that wait for an answer. */
  get open(): number {
    return this.#open.size;
  }

  /** Asks everybody from everywhere each `everyMs`, until `stop`. */
  run(everyMs = 100): void {
    const tick = () => {
      if (this.#stopped) return;
      for (const asker of this.#askers) for (const echo of this.#echoes) void this.#ask(asker, echo);
      this.#cluster.clock.setTimeout(tick, everyMs);
    };
    tick();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Asks everybody from everywhere once; whether all answered. */
  async allAnswer(): Promise<boolean> {
    const asked = this.#askers.flatMap((asker) => this.#echoes.map((echo) => this.#ask(asker, echo)));
    return (await this.#cluster.settled(Promise.all(asked))).every(Boolean);
  }

  async #ask(asker: AgentContext, echo: string): Promise<boolean> {
    const number = ++this.#last;
    const { tally } = this;
    tally.asked += 1;
    this.#open.add(number);
    const answer = await asker.ask(
      { to: echo as `${string}/${string}`, performative: 'request', content: { number } },
      { timeoutMs: 2_000 },
    );
    this.#open.delete(number);
    if (!answer.ok) {
      const { code } = answer.refusal;
      tally.refused.set(code, (tally.refused.get(code) ?? 0) + 1);
      return false;
    }
    const right = (answer.value.content as { number?: unknown }).number === number && answer.value.sender === echo;
    if (right) tally.answered += 1;
    else tally.wrong += 1;
    return right;
  }
}
