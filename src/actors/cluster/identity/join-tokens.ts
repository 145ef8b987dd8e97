import { timingSafeEqual } from 'node:crypto';
import { joinSecretHash } from '../../../crypto/join-token.ts';
import { sha256 } from '../../../crypto/port.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import type { NodeId } from '../../../names.ts';
import type { Clock, Store } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';

/** What is kept of a token, also after it was used: a retry gets the same answer. */
export interface KeptToken {
  readonly secretHash: string;
  readonly nodeId: NodeId;
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  /** Whether it lets its node take the place of one that is known. */
  readonly replace: boolean;
  readonly expiresAt: number;
  /** The root that it pins. */
  readonly caKeyHash?: string;
  /** SHA-256 of the key that it was used with. */
  readonly keyHash?: string;
  /** What was issued for it. */
  readonly serial?: string;
  readonly chainPem?: string;
}

const collection = 'join-tokens';

/** The join tokens that a CA node has made and that are not over, in its state database: their secrets as hashes. */
export class JoinTokens {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  put(id: string, kept: KeptToken): Promise<void> {
    return this.#store.put(collection, id, utf8.encode(JSON.stringify(kept)));
  }

  async get(id: string): Promise<KeptToken | undefined> {
    const bytes = await this.#store.get(collection, id);
    return bytes && keptFrom(bytes);
  }

  delete(id: string): Promise<void> {
    return this.#store.delete(collection, id);
  }

  /** Drops those that are over; gives the others. */
  async open(): Promise<readonly (readonly [id: string, kept: KeptToken])[]> {
    const open: [string, KeptToken][] = [];
    for (const [id, bytes] of await this.#store.entries(collection)) {
      const kept = keptFrom(bytes);
      if (kept.expiresAt < this.#clock.now()) await this.#store.delete(collection, id);
      else open.push([id, kept]);
    }
    return open;
  }

  /** The token whose secret was shown. UNAUTHENTICATED with the reason, which is for the log alone. */
  async shown(id: string, secret: string): Promise<Result<KeptToken>> {
    const kept = await this.get(id);
    const hash = joinSecretHash(secret);
    // Compared all the same when there is no such token, so that time tells nothing.
    const matches = timingSafeEqual(hash, kept ? Buffer.from(kept.secretHash, 'hex') : sha256(hash));
    if (!kept || !matches) return refuse('UNAUTHENTICATED', 'There is no such join token.');
    if (kept.expiresAt < this.#clock.now()) return refuse('UNAUTHENTICATED', 'The join token is over.');
    return ok(kept);
  }
}

const keptFrom = (bytes: Uint8Array): KeptToken => JSON.parse(utf8.decode(bytes)) as KeptToken;
