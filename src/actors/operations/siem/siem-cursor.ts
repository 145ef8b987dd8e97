import { parseJson } from '../../../protocols/json/text.ts';
import type { Store } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';

const collection = 'siem-cursor';
const bounds = { charsMax: 256, depthMax: 2 };

/** How far one receiver has the log, kept so that a restart goes on where the last life ended. */
export class SiemCursor {
  readonly #store: Store;
  readonly #name: string;

  /** `name` of the destination. */
  constructor(store: Store, name: string) {
    this.#store = store;
    this.#name = name;
  }

  /** The newest record that the receiver is known to have; 0 before the first, or when what was kept is unreadable. */
  async read(): Promise<number> {
    const bytes = await this.#store.get(collection, this.#name);
    if (bytes === undefined) return 0;
    const json = parseJson(utf8.decode(bytes), bounds);
    const { confirmed } = (json.ok ? json.value : {}) as { confirmed?: unknown };
    return typeof confirmed === 'number' && Number.isSafeInteger(confirmed) && confirmed >= 0 ? confirmed : 0;
  }

  /** Durable when it resolves. */
  write(confirmed: number): Promise<void> {
    return this.#store.put(collection, this.#name, utf8.encode(JSON.stringify({ confirmed })));
  }
}
