/** Work that takes time, in order: jobs of one key run one after the other, those of different keys beside each other. */
export class Jobs {
  readonly #last = new Map<string, Promise<void>>();
  readonly #first: () => Promise<void>;
  readonly #failed: (error: unknown) => void;

  /** No job runs before `first` has resolved. `failed` hears of one that throws, which is a bug of its author’s. */
  constructor(first: () => Promise<void>, failed: (error: unknown) => void) {
    this.#first = first;
    this.#failed = failed;
  }

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#last.get(key) ?? this.#first()).then(work);
    const settled = result.then(() => undefined, this.#failed);
    this.#last.set(key, settled);
    void settled.then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    });
    return result;
  }
}
