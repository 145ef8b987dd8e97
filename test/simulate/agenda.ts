/**
 * What is to happen, by whole milliseconds of virtual time; within one, in the order in which it was added. A queue for
 * each millisecond and a heap of the milliseconds: most acts share theirs with others, so adding one is nearly free.
 */
export class Agenda<Act> {
  readonly #queues = new Map<number, Act[]>();
  /** The milliseconds that have a queue: a binary heap. */
  readonly #times: number[] = [];
  #due: Act[] = [];
  #at = 0;
  /** When what `next` gave last was due. */
  nowMs = 0;
  count = 0;

  add(atMs: number, act: Act): void {
    const time = Math.max(Math.round(atMs), this.nowMs);
    this.count++;
    const queue = this.#queues.get(time);
    if (queue) queue.push(act);
    else {
      this.#queues.set(time, [act]);
      this.#rise(time);
    }
  }

  /** Removes the first act that is due by `endMs`. */
  next(endMs: number): Act | undefined {
    while (this.#at >= this.#due.length) {
      const time = this.#times[0];
      if (time === undefined || time > endMs) return undefined;
      // Acts added for this very millisecond get a queue of their own, which is next.
      this.#due = this.#queues.get(time)!;
      this.#at = 0;
      this.#queues.delete(time);
      this.#sink();
      this.nowMs = time;
    }
    this.count--;
    return this.#due[this.#at++];
  }

  #rise(time: number): void {
    const times = this.#times;
    let at = times.length;
    times.push(time);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (times[parent]! <= time) break;
      times[at] = times[parent]!;
      at = parent;
    }
    times[at] = time;
  }

  #sink(): void {
    const times = this.#times;
    const last = times.pop()!;
    if (times.length === 0) return;
    let at = 0;
    for (let child = 1; child < times.length; child = 2 * at + 1) {
      const right = child + 1;
      if (right < times.length && times[right]! < times[child]!) child = right;
      if (times[child]! >= last) break;
      times[at] = times[child]!;
      at = child;
    }
    times[at] = last;
  }
}
