import { setup, transition } from 'xstate';

/**
 * What an agent is doing. One chart for all agents, and none of them runs it: `nextMode` answers from the table of all
 * its transitions, so that an agent’s share of its control is one word, and a message passes without a transition.
 */
const agentLifecycle = setup({
  types: {
    events: {} as
      | { type: 'agent.verified' }
      | { type: 'agent.started' }
      | { type: 'agent.suspend' }
      | { type: 'agent.resume' }
      | { type: 'agent.compromised' }
      | { type: 'agent.drained' }
      | { type: 'kernel.shutdown' },
  },
}).createMachine({
  id: 'agent',
  initial: 'verifying',
  on: { 'agent.compromised': '.compromised' },
  states: {
    verifying: { on: { 'agent.verified': 'starting', 'kernel.shutdown': 'stopped' } },
    starting: { on: { 'agent.started': 'running', 'kernel.shutdown': 'stopped' } },
    running: { on: { 'agent.suspend': 'suspended', 'kernel.shutdown': 'stopping' } },
    suspended: { on: { 'agent.resume': 'running', 'kernel.shutdown': 'stopping' } },
    stopping: { on: { 'agent.drained': 'stopped' } },
    stopped: { type: 'final' },
    // Kept apart from `stopped`: nothing leads out but the removal of the agent.
    compromised: { on: { 'kernel.shutdown': 'stopped' } },
  },
});

export type AgentMode = 'verifying' | 'starting' | 'running' | 'suspended' | 'stopping' | 'stopped' | 'compromised';

const modes = [
  'verifying',
  'starting',
  'running',
  'suspended',
  'stopping',
  'stopped',
  'compromised',
] as const satisfies readonly AgentMode[];

/** What moves an agent from mode to mode. */
export type LifecycleEvent = Parameters<typeof transition<typeof agentLifecycle>>[2]['type'];

/** Worked out by XState itself when this loads: the chart stays the only place where a transition is written down. */
const table: ReadonlyMap<AgentMode, ReadonlyMap<string, AgentMode>> = new Map(
  modes.map((mode) => {
    const snapshot = agentLifecycle.resolveState({ value: mode });
    // Nothing leads out of a final state; XState leaves that to the actor, which is over by then.
    const events = snapshot.status === 'done' ? [] : (agentLifecycle.events as LifecycleEvent[]);
    return [mode, new Map(events.map((type) => [type, transition(agentLifecycle, snapshot, { type })[0].value]))];
  }),
);

/** The mode after an event; the same one when the event means nothing in it. */
export const nextMode = (mode: AgentMode, event: LifecycleEvent): AgentMode => table.get(mode)?.get(event) ?? mode;
