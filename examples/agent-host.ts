// An agent host of two owners: a shop and a bank, tenants of one node. The shop's clerk may ask the bank's cashier for a
// payment, the shop's apprentice may not, and nobody may flood the cashier. What is refused is refused by the bank's
// rules, whoever wrote the shop's code; the audit log has it all. Run it with: npm run example:agent-host
import { type AgentContext, CaxtonError, createNode, developmentCluster, type Node } from 'caxton-runtime';

interface Payment {
  readonly to: string;
  readonly cents: number;
}

const isPayment = (content: unknown): content is Payment =>
  typeof content === 'object' &&
  content !== null &&
  'to' in content &&
  typeof content.to === 'string' &&
  'cents' in content &&
  Number.isSafeInteger(content.cents) &&
  Number(content.cents) > 0;

/** The bank's agent: its deployer says who may speak to it, what may be said, and how often. */
async function deployCashier(node: Node): Promise<void> {
  let paid = 0;
  await node.deploy(
    'bank/cashier',
    (message, agent) => {
      if (message.performative !== 'request') return;
      paid += message.content.cents;
      agent.reply(message, { performative: 'inform', content: { receipt: message.id, paid } });
    },
    {
      accepts: { request: isPayment },
      services: ['payments'],
      policy: { allowedSenders: ['shop/clerk'], rateLimits: { 'shop/clerk': '3/min' } },
    },
  );
}

/** One of the shop's agents. Its capability says what it may send; the bank's policy still decides what it takes. */
async function deployShopper(node: Node, name: 'clerk' | 'apprentice', actions: readonly string[]) {
  const shopper = await node.deploy(
    `shop/${name}`,
    async (message, agent: AgentContext) => {
      const answer = await agent.ask({ to: 'bank/cashier', performative: 'request', content: message.content });
      agent.reply(
        message,
        answer.ok
          ? { performative: answer.value.performative, content: answer.value.content }
          : { performative: 'failure', content: answer.refusal },
      );
    },
    { actions, policy: { allowedSenders: ['default/*'], permittedOperations: [{ performatives: ['request'] }] } },
  );
  return async (content: unknown): Promise<string> => {
    try {
      const answer = await shopper.ask({ performative: 'request', content });
      return `${answer.performative} ${JSON.stringify(answer.content)}`;
    } catch (error) {
      if (error instanceof CaxtonError) return `${error.code} ${error.message}`;
      throw error;
    }
  };
}

const cluster = await developmentCluster({ folder: '.caxton/agent-host' });
const node = await createNode(cluster.config(), { deployer: cluster.deployer });
const refused: string[] = [];
node.on((event) => {
  if (event.type === 'message.refused')
    refused.push(`${event.performative} ${event.sender} → ${event.receiver}: ${event.refusal.code}`);
});
try {
  await deployCashier(node);
  const clerk = await deployShopper(node, 'clerk', ['request agent:bank/cashier']);
  const apprentice = await deployShopper(node, 'apprentice', []);
  const payment: Payment = { to: 'the mill', cents: 1250 };
  console.log('clerk pays:            ', await clerk(payment));
  console.log('clerk writes nonsense: ', await clerk({ to: 'the mill', cents: -5 }));
  console.log('apprentice pays:       ', await apprentice(payment));
  console.log('clerk pays once more:  ', await clerk(payment));
  console.log('clerk is too quick:    ', await clerk(payment));
  console.log(`\nrefused here, each with its reasons in ${cluster.config().security.audit.logPath}:`);
  for (const line of refused) console.log(`  ${line}`);
} finally {
  await node.stop();
}
