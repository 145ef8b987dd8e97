import type { Client } from '../../client.ts';
import type { AgentId, NodeId } from '../../names.ts';
import type { Narrator } from './narrate.ts';

const planner = 'default/planner' as AgentId;
const intruder = 'default/intruder' as AgentId;
const echo = 'default/echo' as AgentId;
/** The product of two primes of six and seven digits: enough work to be worth a bid. */
const number = 999_985_999_949;

/**
 * The conversation of the main job: a contract net across three nodes, an echo, an agent without the capability that
 * tries and is refused, and the audit logs verified afterwards. True when all went as it should.
 */
export async function converse(clients: ReadonlyMap<NodeId, Client>, narrator: Narrator): Promise<boolean> {
  const [first, ...others] = [...clients.values()];
  const last = others.at(-1) ?? first!;
  const checks = [
    await contractNet(first!, narrator),
    await echoes(last, narrator),
    await intruderIsRefused(first!, narrator),
    await auditHolds(clients, narrator),
  ];
  return checks.every(Boolean);
}

async function contractNet(client: Client, narrator: Narrator): Promise<boolean> {
  narrator.line(`asking ${planner} to have ${number} factored: it calls for proposals, workers bid, one is awarded`);
  const content = JSON.stringify({ factor: number });
  const { reply } = await client.send({
    to: planner,
    performative: 'request',
    content,
    language: 'json',
    timeoutMs: 15_000,
  });
  const plan = parse(reply?.content);
  const factors = at(plan, 'result', 'factors');
  const product = Array.isArray(factors) ? factors.reduce<number>((all, one) => all * Number(one), 1) : 0;
  const good = reply?.performative === 'inform' && product === number;
  narrator.line(
    good
      ? `result: ${number} = ${(factors as number[]).join(' × ')}, done by ${String(at(plan, 'doneBy'))}, the cheapest of ${String(at(plan, 'bids'))} bids`
      : `the contract net failed: ${reply ? `${reply.performative} ${reply.content}` : 'no answer'}`,
  );
  return good;
}

async function echoes(client: Client, narrator: Narrator): Promise<boolean> {
  const { reply } = await client.send({
    to: echo,
    performative: 'request',
    content: 'hello',
    language: 'text',
    timeoutMs: 5_000,
  });
  const good = reply?.content === 'hello';
  narrator.line(good ? `${echo} answered “hello” across nodes` : `${echo} did not answer as it should`);
  return good;
}

async function intruderIsRefused(client: Client, narrator: Narrator): Promise<boolean> {
  narrator.line(`asking ${intruder}, which holds no capability for the workers, to call one all the same`);
  const { reply } = await client.send({
    to: intruder,
    performative: 'request',
    content: 'try',
    language: 'text',
    timeoutMs: 10_000,
  });
  const report = parse(reply?.content);
  const good = at(report, 'refused') === true && at(report, 'code') === 'UNAUTHORIZED';
  narrator.line(
    good ? 'the attempt was refused, as it must be' : `the attempt was not refused: ${reply?.content ?? 'no answer'}`,
  );
  return good;
}

async function auditHolds(clients: ReadonlyMap<NodeId, Client>, narrator: Narrator): Promise<boolean> {
  let good = true;
  for (const [id, client] of clients) {
    const { valid, records, headHash } = await client.auditVerification();
    if (!valid) good = false;
    narrator.line(
      `audit log of ${id}: ${records} records, ${valid ? 'chain verified' : 'CHAIN BROKEN'}, head ${headHash.slice(0, 16)}…`,
    );
  }
  return good;
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

const at = (value: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[key] : undefined),
    value,
  );
