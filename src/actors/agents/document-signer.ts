import { KeyObject } from 'node:crypto';
import { ed25519PublicKey, keyIdOf, publicKeyFromText } from '../../crypto/keys.ts';
import { bytesToSign, type DocumentKind, signDocument, signedElsewhere } from '../../crypto/signed-document.ts';
import { CaxtonError, type Result, refuse, unwrap } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { PublicKeyText } from '../../protocols/authorization/public-key.ts';
import { printable } from '../../protocols/printable.ts';
import type { Clock } from '../kernel/ports.ts';

/** Who signs with a key that this process does not hold: a key management service, a hardware module, another process. */
export interface Signer {
  /** The public half of the key: `ed25519:…`. */
  readonly publicKey: PublicKeyText;
  /**
   * Signs with Ed25519 (RFC 8032, pure, not pre-hashed) over exactly these bytes, and gives the 64 bytes of the
   * signature. They begin with what the signature is for, so a service can be told to sign nothing but
   * `caxton deployment v1` or `caxton capability v1`, each followed by a zero byte.
   */
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** A private Ed25519 key that is held here, or somebody who signs with one elsewhere. */
export type SigningKey = KeyObject | Signer;

/** Signs documents with a key, wherever it is. What comes from elsewhere is verified before it is used. */
export class DocumentSigner {
  readonly keyId: string;
  /** The key itself, where it is held here. */
  readonly privateKey: KeyObject | undefined;
  readonly #clock: Clock;
  readonly #sign: Signer['sign'];
  readonly #publicKey: KeyObject | undefined;
  #underWay = 0;
  /** In the order in which they came; who has waited too long is not among them any more. */
  readonly #waiting = new Set<() => void>();

  /** `whose` is for messages: `deployer`, `issuer`. Throws MALFORMED for what is neither. */
  constructor(key: SigningKey, whose: string, clock: Clock) {
    this.#clock = clock;
    if (key instanceof KeyObject) {
      if (key.type !== 'private' || key.asymmetricKeyType !== 'ed25519')
        throw new CaxtonError(
          'MALFORMED',
          `The ${whose}’s key is a private Ed25519 key or a signer, and this is another.`,
        );
      this.privateKey = key;
      this.keyId = keyIdOf(key);
      this.#sign = () => Promise.reject(new Error('signed here'));
      return;
    }
    // From JavaScript anything may come.
    const { publicKey, sign } = (key ?? {}) as Partial<Signer>;
    if (typeof publicKey !== 'string' || typeof sign !== 'function')
      throw new CaxtonError('MALFORMED', `The ${whose}’s signer has no text publicKey or no function sign.`);
    this.#publicKey = unwrap(ed25519PublicKey(unwrap(publicKeyFromText(publicKey))));
    this.keyId = keyIdOf(this.#publicKey);
    this.#sign = (bytes) => sign.call(key, bytes);
  }

  /**
   * The document in its text form. From a signer: TIMED_OUT when nothing came within `limits.signatureMsMax`, UNREACHABLE
   * when it threw, MALFORMED for what is no signature, SIGNATURE_INVALID for one of another key or over other bytes.
   */
  async sign(kind: DocumentKind, payload: Uint8Array): Promise<Result<string>> {
    if (this.privateKey) return signedHere(kind, this.privateKey, payload);
    const answer = await this.#asked(bytesToSign(kind, payload));
    return answer.ok ? signedElsewhere(kind, this.#publicKey!, payload, answer.value) : answer;
  }

  async #asked(bytes: Uint8Array): Promise<Result<Uint8Array>> {
    const { promise: late, resolve } = Promise.withResolvers<Result<Uint8Array>>();
    const timer = this.#clock.setTimeout(
      () => resolve(refuse('TIMED_OUT', `${this.#name} did not sign within ${limits.signatureMsMax} ms.`)),
      limits.signatureMsMax,
    );
    try {
      const over = await this.#enter(late);
      if (over) return over;
      try {
        return await Promise.race([this.#answer(bytes), late]);
      } finally {
        // Also of one that never answers: it is asked again, and nobody else has to wait for it.
        this.#leave();
      }
    } finally {
      this.#clock.clearTimeout(timer);
    }
  }

  async #answer(bytes: Uint8Array): Promise<Result<Uint8Array>> {
    let signature: unknown;
    try {
      signature = await this.#sign(bytes);
    } catch (error) {
      return refuse('UNREACHABLE', `${this.#name} did not sign: ${wordsOf(error)}`);
    }
    if (!(signature instanceof Uint8Array) || signature.length !== 64)
      return refuse('MALFORMED', `${this.#name} gave no signature: an Ed25519 signature is a Uint8Array of 64 bytes.`);
    // Its own buffer, which it may write to after this one was verified.
    return { ok: true, value: Uint8Array.from(signature) };
  }

  /** Undefined when its turn has come, or that it never came. */
  async #enter(late: Promise<Result<Uint8Array>>): Promise<Result<Uint8Array> | undefined> {
    if (this.#underWay < limits.signaturesAtOnceMax) {
      this.#underWay += 1;
      return undefined;
    }
    const { promise: turn, resolve } = Promise.withResolvers<undefined>();
    const enter = () => resolve(undefined);
    this.#waiting.add(enter);
    const over = await Promise.race([turn, late]);
    // A turn that came in the same moment goes to the next.
    if (over !== undefined && !this.#waiting.delete(enter)) this.#leave();
    return over;
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#underWay -= 1;
    else {
      this.#waiting.delete(next);
      next();
    }
  }

  get #name(): string {
    return `The signer of the key ${this.keyId}`;
  }
}

/** Throws what `signDocument` throws: nothing here is somebody else’s. */
const signedHere = (kind: DocumentKind, key: KeyObject, payload: Uint8Array): Result<string> => ({
  ok: true,
  value: signDocument(kind, key, payload),
});

/** What an error says; it may be anything, a trap too. */
function wordsOf(error: unknown): string {
  try {
    return printable(String(error instanceof Error ? error.message : error).slice(0, limits.reasonCharsMax));
  } catch {
    return 'it threw something that cannot be shown.';
  }
}
