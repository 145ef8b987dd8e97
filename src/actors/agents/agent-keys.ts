import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { ed25519PrivateKey, rawPrivateKey } from '../../crypto/keys.ts';
import type { Crypto } from '../../crypto/port.ts';
import { limits } from '../../limits.ts';
import type { AgentId } from '../../names.ts';

/**
 * The private key of an agent: its own, when the program brought one; else one that the node made, as `AgentKeys` keeps
 * it. A key object of node:crypto takes some 700 bytes, and most agents never sign anything.
 */
export type AgentKey = KeyObject | string;

const keyBytes = 32;
const domain = 'caxton agent key v1';

/**
 * The keys that a node makes for its agents. Each is kept as its 32 secret bytes, covered with as many of HMAC-SHA256
 * under a secret of this run over the agent and a number that is never given twice: so nobody finds a key in what the
 * heap holds as text. It is gone when its agent is.
 */
export class AgentKeys {
  readonly #crypto: Crypto;
  readonly #secret: KeyObject;
  readonly #atHand = new LRUCache<string, KeyObject>({ max: limits.agentKeysAtHandMax });
  #made = 0;

  constructor(crypto: Crypto) {
    this.#crypto = crypto;
    const secret = crypto.randomBytes(keyBytes);
    this.#secret = createSecretKey(secret);
    secret.fill(0);
  }

  /** A new key for this agent. */
  make(agent: AgentId): AgentKey {
    const { privateKey } = this.#crypto.generateKeyPair('ed25519');
    this.#made += 1;
    const number = String(this.#made);
    const bytes = rawPrivateKey(privateKey);
    // Through bytes, so that it is one piece of text and not a pair of two.
    const kept = Buffer.concat([this.#covered(agent, number, bytes), Buffer.from(number)]).toString('latin1');
    bytes.fill(0);
    this.#atHand.set(`${agent} ${kept}`, privateKey);
    return kept;
  }

  /** The key as node:crypto signs with it. `agent` is the one that it was made for. */
  object(agent: AgentId, key: AgentKey): KeyObject {
    if (typeof key !== 'string') return key;
    const name = `${agent} ${key}`;
    const known = this.#atHand.get(name);
    if (known) return known;
    const covered = Buffer.from(key.slice(0, keyBytes), 'latin1');
    const bytes = this.#covered(agent, key.slice(keyBytes), covered);
    const object = ed25519PrivateKey(bytes);
    bytes.fill(0);
    this.#atHand.set(name, object);
    return object;
  }

  /** Its agent is gone. */
  forget(agent: AgentId, key: AgentKey): void {
    if (typeof key === 'string') this.#atHand.delete(`${agent} ${key}`);
  }

  /** Covers what is bare, and bares what is covered. */
  #covered(agent: AgentId, number: string, bytes: Uint8Array): Buffer {
    const cover = createHmac('sha256', this.#secret).update(`${domain}\0${agent}\0${number}`).digest();
    for (let at = 0; at < keyBytes; at += 1) cover[at] = cover[at]! ^ bytes[at]!;
    return cover;
  }
}
