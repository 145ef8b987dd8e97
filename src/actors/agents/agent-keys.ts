import { createHmac, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { ed25519PrivateKey } from '../../crypto/keys.ts';
import type { Crypto } from '../../crypto/port.ts';
import { limits } from '../../limits.ts';
import type { AgentId } from '../../names.ts';

/**
 * The private key of an agent: its own, when the program brought one; else the number of one that the node made, which
 * `AgentKeys` works out again when it is to sign. A key object of node:crypto keeps some 700 bytes, and most agents never
 * sign anything.
 */
export type AgentKey = KeyObject | number;

const secretBytes = 32;
const domain = 'caxton agent key v1';

/**
 * The keys that a node makes for its agents: HMAC-SHA256 of a secret of this run over the agent and a number that is
 * never given twice, taken as the 32 secret bytes of Ed25519. Who has the secret has all of them, but who can read it in
 * this process could read them as well; it is drawn anew at each start and written nowhere.
 */
export class AgentKeys {
  readonly #secret: Uint8Array;
  readonly #latest = new LRUCache<string, KeyObject>({ max: limits.agentKeysAtHandMax });
  #made = 0;

  constructor(crypto: Crypto) {
    this.#secret = crypto.randomBytes(secretBytes);
  }

  /** A new key for this agent. */
  make(agent: AgentId): AgentKey {
    this.#made += 1;
    this.object(agent, this.#made);
    return this.#made;
  }

  /** The key as node:crypto signs with it. */
  object(agent: AgentId, key: AgentKey): KeyObject {
    if (typeof key !== 'number') return key;
    const name = `${agent}\0${key}`;
    const known = this.#latest.get(name);
    if (known) return known;
    const bytes = createHmac('sha256', this.#secret).update(`${domain}\0${name}`).digest();
    const object = ed25519PrivateKey(bytes);
    bytes.fill(0);
    this.#latest.set(name, object);
    return object;
  }
}
