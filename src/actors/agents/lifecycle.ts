import { setup } from 'xstate';

/**
 * What an agent is doing. One chart for all kinds; the cell steps it with XState’s pure `transition`, so that an idle
 * agent costs one shared snapshot and not a machine of its own, and a message passes it without a transition.
 */
export const agentLifecycle = setup({
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
