import type { Crypto } from '../../crypto/port.ts';
import { uuidV7 } from '../../protocols/acl/uuid.ts';

const poolBytes = 4_000;
const idBytes = 10;

/**
 * Message ids (UUIDv7, RFC 9562). Random bytes are drawn from the operating system by the pool: one draw an id would
 * cost more than the rest of a local delivery.
 */
export function createMessageIds(crypto: Crypto): (nowMs: number) => string {
  let pool = new Uint8Array(0);
  let at = 0;
  return (nowMs) => {
    if (at + idBytes > pool.length) {
      pool = new Uint8Array(crypto.randomBytes(poolBytes));
      at = 0;
    }
    const random = pool.subarray(at, at + idBytes);
    at += idBytes;
    return uuidV7(nowMs, random);
  };
}
