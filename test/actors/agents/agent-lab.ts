import { AgentHost } from '../../../src/actors/agents/agent-host.ts';
import { AgentKeys } from '../../../src/actors/agents/agent-keys.ts';
import type { Voice } from '../../../src/actors/agents/agent-voice.ts';
import type { AgentMode } from '../../../src/actors/agents/lifecycle.ts';
import { createKernel } from '../../../src/actors/kernel/create-kernel.ts';
import { createMetrics } from '../../../src/actors/kernel/metrics-registry.ts';
import type { Store } from '../../../src/actors/kernel/ports.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { ok, refuse } from '../../../src/errors.ts';
import type { AgentId } from '../../../src/names.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

/** A store in memory; `held` is its collection of deployments. */
export function memoryStore(): Store & { readonly held: Map<string, Uint8Array> } {
  const held = new Map<string, Uint8Array>();
  const others = new Map<string, Map<string, Uint8Array>>();
  const of = (collection: string) => {
    if (collection === 'deployments') return held;
    const known = others.get(collection) ?? new Map<string, Uint8Array>();
    others.set(collection, known);
    return known;
  };
  return {
    held,
    get: async (collection, key) => of(collection).get(key),
    put: async (collection, key, value) => void of(collection).set(key, value),
    delete: async (collection, key) => void of(collection).delete(key),
    entries: async (collection) => [...of(collection)].sort(([a], [b]) => (a < b ? -1 : 1)),
    close: async () => {},
  };
}

/** A host under a kernel of its own. */
export async function hosting() {
  const clock = new ManualClock();
  const kernel = createKernel({ clock, metrics: createMetrics() });
  await kernel.start({
    kind: 'supervisor',
    id: 'node',
    strategy: 'one-for-one',
    children: [
      {
        kind: 'supervisor',
        id: 'agents',
        strategy: 'one-for-one',
        intensity: 100,
        stopTogether: true,
        children: [],
        onStarted: (life) => {
          if (life > 1) host.started(life);
        },
      },
    ],
  });
  const modes: { agent: AgentId; mode: AgentMode }[] = [];
  const said: { sender: AgentId; draft: unknown }[] = [];
  const voice: Voice = {
    tell: (sender, draft) => {
      said.push({ sender, draft });
      return ok({ id: '', conversationId: '' });
    },
    ask: () => Promise.reject(new Error('nobody asks here')),
    find: (service, tenant) => [`${tenant}/${service}` as AgentId],
    delegate: () => refuse('UNAUTHORIZED', 'Nobody delegates here.'),
  };
  const host = new AgentHost({
    kernel,
    keys: new AgentKeys(osCrypto),
    monotonic: () => clock.monotonic(),
    voice,
    onMode: (agent, mode) => void modes.push({ agent, mode }),
  });
  return { clock, kernel, host, modes, said };
}
