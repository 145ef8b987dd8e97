import type { AgentId } from '../../names.ts';
import type { Store } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';

/** In decimal. */
const collection = 'generations';

/** The highest generation of an agent that was ever deployed here; it outlives a removal. 0 for none. */
export const keptGeneration = async (store: Store, agent: AgentId): Promise<number> =>
  Number(utf8.decode((await store.get(collection, agent)) ?? utf8.encode('0')));

export const keepGeneration = (store: Store, agent: AgentId, generation: number): Promise<void> =>
  store.put(collection, agent, utf8.encode(String(generation)));
