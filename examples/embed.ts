// A node in this process, two agents on it, questions and a note. Run it with: npm run example:embed
import {
  assign,
  type ChartAgentEvent,
  type ChartAgentInput,
  createNode,
  developmentCluster,
  setup,
} from 'caxton-runtime';

const cluster = await developmentCluster({ folder: '.caxton/embed' });
const node = await createNode(cluster.config(), { deployer: cluster.deployer });
const policy = { allowedSenders: ['default/*'] };

const isNumbers = (content: unknown): content is number[] => Array.isArray(content) && content.every(Number.isFinite);
const adder = await node.deploy(
  'default/adder',
  (message, agent) => {
    if (message.performative !== 'request') return;
    agent.reply(message, { performative: 'inform', content: message.content.reduce((sum, number) => sum + number, 0) });
  },
  { accepts: { request: isNumbers }, policy },
);

const machine = setup({
  types: {
    context: {} as ChartAgentInput & { notes: number },
    events: {} as ChartAgentEvent,
    input: {} as ChartAgentInput,
  },
}).createMachine({
  context: ({ input }) => ({ agent: input.agent, notes: 0 }),
  on: {
    'acl.inform': { actions: assign({ notes: ({ context }) => context.notes + 1 }) },
    'acl.query-ref': {
      actions: ({ context, event }) => {
        context.agent.reply(event.message, { performative: 'inform', content: context.notes });
      },
    },
  },
});
const notebook = await node.deploy<{ inform: (note: string) => void; 'query-ref': (question: 'notes') => number }>(
  'default/notebook',
  machine,
  { policy: { ...policy, permittedOperations: [{ performatives: ['inform', 'query-ref'] }] } },
);

const sum = await adder.ask({ performative: 'request', content: [19, 23] });
notebook.tell({ performative: 'inform', content: `the adder says ${sum.content}` });
const notes = await notebook.ask({ performative: 'query-ref', content: 'notes' });
console.log(`19 + 23 = ${sum.content}; the notebook holds ${notes.content} note`);

await node.stop();
