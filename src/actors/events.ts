import type { NodeEvent } from './operations/control.ts';

/**
 * What a node tells its watchers. Listeners run on the emitter’s stack and must be quick; one that throws is dropped,
 * because a watcher must never be able to stop what it watches.
 */
export interface NodeEvents {
  emit(event: NodeEvent): void;
  /** Returns the function that ends the subscription. */
  subscribe(listener: (event: NodeEvent) => void): () => void;
}

export function createNodeEvents(): NodeEvents {
  const listeners = new Set<(event: NodeEvent) => void>();
  return {
    emit(event) {
      for (const listener of listeners) {
        try {
          listener(event);
        } catch {
          listeners.delete(listener);
        }
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
