import type { Tally } from './aggregate.ts';

/**
 * Finds the tally of a sender, a receiver and an operation without making a text of them: this is asked for each message.
 * Holds what the window’s tallies hold and is as bounded; a tally whose window is over is as good as none.
 */
export class GrantTallies {
  readonly #bySender = new Map<string, Map<string, Map<string, Tally>>>();

  /** Counts one more grant; false when there is no tally that counts. */
  count(sender: string, receiver: string, operation: string): boolean {
    const tally = this.#bySender.get(sender)?.get(receiver)?.get(operation);
    if (!tally || tally.ended) return false;
    tally.count++;
    return true;
  }

  remember(sender: string, receiver: string, operation: string, tally: Tally): void {
    let byReceiver = this.#bySender.get(sender);
    if (!byReceiver) {
      byReceiver = new Map();
      this.#bySender.set(sender, byReceiver);
    }
    let byOperation = byReceiver.get(receiver);
    if (!byOperation) {
      byOperation = new Map();
      byReceiver.set(receiver, byOperation);
    }
    byOperation.set(operation, tally);
  }

  /** Forgets all of them: their window is over. */
  clear(): void {
    this.#bySender.clear();
  }
}
