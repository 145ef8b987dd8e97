import { describe, expect, it } from 'vitest';
import { type AgentMode, type LifecycleEvent, nextMode } from '../../../src/actors/agents/lifecycle.ts';

const walk = (from: AgentMode, ...events: LifecycleEvent[]): AgentMode[] => {
  const seen: AgentMode[] = [];
  for (const event of events) seen.push(nextMode(seen.at(-1) ?? from, event));
  return seen;
};

describe('the lifecycle of an agent', () => {
  it('goes from verifying to stopped', () => {
    expect(
      walk(
        'verifying',
        'agent.verified',
        'agent.started',
        'agent.suspend',
        'agent.resume',
        'kernel.shutdown',
        'agent.drained',
      ),
    ).toEqual(['starting', 'running', 'suspended', 'running', 'stopping', 'stopped']);
  });

  it('does not pass a mode by: what means nothing in one changes nothing', () => {
    expect(walk('verifying', 'agent.started', 'agent.suspend', 'agent.resume', 'agent.drained')).toEqual(
      new Array(4).fill('verifying'),
    );
    expect(nextMode('running', 'xstate.init' as LifecycleEvent)).toBe('running');
  });

  it('leads to compromised from everywhere but the end, and from there to the end only', () => {
    for (const mode of ['verifying', 'starting', 'running', 'suspended', 'stopping'] as const)
      expect(nextMode(mode, 'agent.compromised')).toBe('compromised');
    expect(nextMode('stopped', 'agent.compromised')).toBe('stopped');
    expect(
      walk('compromised', 'agent.resume', 'agent.started', 'agent.verified', 'agent.drained', 'kernel.shutdown'),
    ).toEqual(['compromised', 'compromised', 'compromised', 'compromised', 'stopped']);
  });
});
