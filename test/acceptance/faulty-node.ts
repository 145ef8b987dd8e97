/**
 * A node as a process, as a program that embeds one: with fault injection, agents to talk to, and a word for how it is.
 * Driven by its parent over IPC. `node faulty-node.ts <config file> <deployer key file>`
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { AgentContext, AgentHandler } from '../../src/actors/agents/behaviour.ts';
import type { CertRotatorEvent } from '../../src/actors/cluster/identity/cert-rotator.ts';
import type { Asked } from '../../src/actors/kernel/asks.ts';
import { fromHandler } from '../../src/actors/kernel/handler.ts';
import { chargeStrayThrows } from '../../src/actors/kernel/stray.ts';
import { createNode } from '../../src/actors/node.ts';
import { loadConfig } from '../../src/config.ts';
import { privateKeyFromPem } from '../../src/crypto/keys.ts';
import { unwrap } from '../../src/errors.ts';
import { FaultInjector } from '../../src/testing/faults.ts';

/** How an actor is made to fail. */
export type How = 'crash' | 'kill' | 'timer' | 'promise' | 'crash twice';

export type Order =
  | { readonly do: 'fault'; readonly how: How; readonly path: string }
  /** `tidy`: after a garbage collection. */
  | { readonly do: 'look'; readonly tidy?: true }
  | {
      readonly do: 'load';
      readonly targets: readonly string[];
      readonly desks: readonly string[];
      readonly everyMs: number;
    }
  /** Renews the certificate now. */
  | { readonly do: 'rotate' }
  /** Gaps between answers are measured from here on. */
  | { readonly do: 'mark' }
  | { readonly do: 'rest' };

/** What became of the questions that this node’s asker put. */
export interface Tally {
  asked: number;
  answered: number;
  wrong: number;
  /** Messages to the asker that were no answer it waited for. */
  stray: number;
  open: number;
  /** The longest that a question was open, in milliseconds. */
  slowestMs: number;
  /** The longest time between two answers of one agent that is asked all the time, since the last mark. */
  longestGapMs: number;
  readonly refused: Record<string, number>;
}

/** How the node is. */
export interface Look {
  /** As the management API shows them. */
  readonly actors: readonly { readonly path: string; readonly kind: string; readonly state: unknown }[];
  /** The paths of the kernel’s tree. */
  readonly kernel: readonly string[];
  readonly members: readonly { readonly nodeId: string; readonly status: string; readonly link: string }[];
  readonly agents: readonly { readonly agentId: string; readonly state: string }[];
  readonly partition: string;
  readonly serial: string;
  /** The certificates that the peers of this node’s links have shown. */
  readonly links: readonly { readonly peer: string; readonly serial: string }[];
  readonly audit: string;
  readonly siem: readonly { readonly confirmedSequence: number; readonly backlogRecords: number }[];
  readonly tally: Tally;
  readonly resources: Readonly<Record<string, number>>;
  readonly fds: readonly string[];
  readonly heapMb: number;
  readonly late: number;
}

const [configPath, deployerPath] = process.argv.slice(2) as [string, string];
const faults = new FaultInjector();
const deployer = unwrap(privateKeyFromPem(readFileSync(deployerPath, 'utf8')));
const config = unwrap(loadConfig(readFileSync(configPath, 'utf8'), { file: configPath }));
/** An actor of the program, which the programs of all nodes ask. */
type Question = Asked<{ readonly type: 'question'; readonly mine: number }, { readonly mine: number }>;
const desk = fromHandler<Question>(
  () =>
    ({ mine, replyTo }) =>
      replyTo.tell({ mine }),
);
const anything = () => true;
const node = await createNode(config, {
  deployer,
  actors: [{ kind: 'worker', id: 'desk', logic: desk }],
  expose: [{ path: '/node/program/desk', to: ['*'], asks: anything }],
  ports: { faults: faults.hook },
  onFault: (message) => process.send?.({ fault: message }),
});
chargeStrayThrows(node.kernel, process);

const tally: Tally = {
  asked: 0,
  answered: 0,
  wrong: 0,
  stray: 0,
  open: 0,
  slowestMs: 0,
  longestGapMs: 0,
  refused: {},
};
const policy = { allowedSenders: ['*'], permittedOperations: [{ performatives: ['request' as const] }] };
const echo: AgentHandler = (message, agent) => {
  agent.reply(message, { performative: 'inform', content: message.content });
};
await node.deploy(`default/echo-${node.id}`, echo, { policy });
// One that takes its time has questions in hand and others waiting when it is crashed.
const slowEcho: AgentHandler = async (message, agent) => {
  await new Promise((resolve) => setTimeout(resolve, 3));
  echo(message, agent);
};
await node.deploy(`other/echo-${node.id}`, slowEcho, { policy });
const { agent: asker } = await node.deploy(
  `default/asker-${node.id}`,
  ({ performative, sender, content }) => {
    tally.stray += 1;
    process.send?.({ fault: `stray: ${performative} of ${sender}: ${JSON.stringify(content)}` });
  },
  {
    actions: ['request agent:*'],
    policy: { allowedSenders: ['*'], permittedOperations: [{ performatives: '*' }] },
  },
);

function count(code: string): void {
  tally.refused[code] = (tally.refused[code] ?? 0) + 1;
}

async function askDesk(address: string): Promise<void> {
  const mine = ++number;
  tally.asked += 1;
  tally.open += 1;
  const question = { type: 'question', mine } as const;
  const answer = await node.kernel.ask(node.kernel.ref<Question>(address), question, {
    timeoutMs: 3_000,
    accepts: anything,
  });
  tally.open -= 1;
  if (!answer.ok) count(answer.refusal.code);
  else if (answer.value.mine === mine) tally.answered += 1;
  else tally.wrong += 1;
}

const answeredAt = new Map<string, number>();
function noteAnswer(of: string): void {
  const now = performance.now();
  if (of.startsWith('default/')) {
    tally.longestGapMs = Math.max(tally.longestGapMs, now - (answeredAt.get(of) ?? now));
    answeredAt.set(of, now);
  }
}

let number = 0;
async function ask(agent: AgentContext, to: string): Promise<void> {
  const mine = ++number;
  const since = performance.now();
  tally.asked += 1;
  tally.open += 1;
  const answer = await agent.ask(
    { to: to as `${string}/${string}`, performative: 'request', content: { mine } },
    { timeoutMs: 3_000 },
  );
  tally.open -= 1;
  tally.slowestMs = Math.max(tally.slowestMs, performance.now() - since);
  if (!answer.ok) count(answer.refusal.code);
  else if (answer.value.sender === to && answer.value.performative === 'failure') count('failure');
  else if (answer.value.sender === to && (answer.value.content as { mine?: unknown }).mine === mine) {
    tally.answered += 1;
    noteAnswer(to);
  } else tally.wrong += 1;
}

let load: NodeJS.Timeout | undefined;
let turns = 0;

/** What the process holds open: sockets and files by what they are, not by number. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).replace(/\[\d+\]|:\d+$/, '');
      } catch {
        return '';
      }
    })
    .filter((what) => what !== '')
    .sort();
}

function look(tidy: boolean): Look {
  const { control } = node;
  if (tidy) globalThis.gc?.();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const { partition, audit, siem, certificate } = control.status();
  return {
    actors: control.actors().map(({ path, kind, state }) => ({ path, kind, state })),
    kernel: node.kernel.tree().map(({ path }) => path),
    members: control.members().map(({ nodeId, status, link }) => ({ nodeId, status, link })),
    agents: control.agents().map(({ agentId, state }) => ({ agentId, state })),
    partition,
    serial: certificate.serial,
    links: control.links().map(({ peer, serial }) => ({ peer, serial })),
    audit: audit.state,
    siem,
    tally,
    resources,
    fds: openFiles(),
    heapMb: process.memoryUsage().heapUsed / 1_048_576,
    late: control.metrics().find(({ name }) => name === 'caxton_late_throws_total')?.value ?? 0,
  };
}

function inject(how: How, path: string): boolean {
  if (how === 'kill') return faults.kill(path);
  if (how === 'timer' || how === 'promise') return faults.stray(path, how);
  const done = faults.crash(path);
  if (how === 'crash twice') setTimeout(() => faults.crash(path), 400);
  return done;
}

function obey(order: Order): unknown {
  switch (order.do) {
    case 'fault':
      return inject(order.how, order.path);
    case 'look':
      return look(order.tidy === true);
    case 'load':
      load = setInterval(() => {
        turns += 1;
        for (const address of order.desks) void askDesk(address);
        // The slow ones take one question after the other, and are to have time for all of them on a busy machine.
        for (const target of order.targets)
          if (target.startsWith('default/') || turns % 5 === 0) void ask(asker, target);
      }, order.everyMs);
      return true;
    case 'rotate':
      return node.kernel.ref<CertRotatorEvent>('/node/pki/cert-rotator').tell({ type: 'cert.renew' }, 'control').ok;
    case 'mark':
      answeredAt.clear();
      tally.longestGapMs = 0;
      return true;
    case 'rest':
      clearInterval(load);
      return true;
  }
}

process.on('message', ({ id, order, stop }: { id: number; order: Order; stop?: true }) => {
  if (stop) void node.stop();
  else process.send?.({ id, answer: obey(order) });
});
process.on('disconnect', () => void node.stop());
process.send?.({ up: true });
const { reason } = await node.ended;
clearInterval(load);
process.exitCode = reason === 'stopped' ? 0 : 1;
if (process.connected) process.disconnect();
