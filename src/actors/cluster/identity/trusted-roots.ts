import { type BundleRoot, type RootBundle, readRootBundle, rootsInPem } from '../../../crypto/root-bundle.ts';
import { ok, type Result } from '../../../errors.ts';
import type { TrustDomain } from '../../../names.ts';
import type { RootsBody } from '../../../protocols/notice/roots.ts';

/** The bundle of roots that is in force, and the document that says so. */
export interface RootsInForce extends RootBundle {
  readonly body: RootsBody;
  readonly generation: number;
  /** SHA-256 of what was signed. */
  readonly hash: Uint8Array;
}

/**
 * Whose certificates this node believes: the roots of its file until the cluster has a bundle, and then that. `NoticeBoard`
 * sets it, and its identity stays.
 */
export class TrustedRoots {
  readonly #trustDomain: TrustDomain;
  readonly #filePem: string;
  readonly #listeners: (() => void)[] = [];
  #inForce: RootsInForce | undefined;

  /** `filePem`: what `node.ca_certificate_path` holds at the start. */
  constructor(trustDomain: TrustDomain, filePem: string) {
    this.#trustDomain = trustDomain;
    this.#filePem = filePem;
  }

  /** Undefined before the cluster has a bundle. */
  get inForce(): RootsInForce | undefined {
    return this.#inForce;
  }

  /** PEM of all that are believed. */
  get caPem(): string {
    return this.#inForce?.caPem ?? this.#filePem;
  }

  /** The roots that others have signed: PEM, empty while there are none. */
  get crossPem(): string {
    return this.#inForce?.crossPem ?? '';
  }

  /** The bundle in force, or what the file comes to when it is taken for one; undefined when it holds no root. */
  get body(): RootsBody | undefined {
    if (this.#inForce) return this.#inForce.body;
    const found = rootsInPem(this.#filePem);
    if (!found.ok || found.value.roots.length === 0) return undefined;
    const { roots } = found.value;
    return { trustDomain: this.#trustDomain, roots, issuing: 0, crossSigned: [], lockedOut: [] };
  }

  /** Whether a bundle can be believed as a whole; changes nothing. As `readRootBundle`. */
  judge(body: RootsBody): Result<unknown> {
    return readRootBundle(body, this.#trustDomain);
  }

  /** What an authority has signed and `judge` accepted is in force from now on. */
  set(body: RootsBody, generation: number, hash: Uint8Array): Result<void> {
    const read = readRootBundle(body, this.#trustDomain);
    if (!read.ok) return read;
    this.#inForce = { ...read.value, body, generation, hash };
    for (const listener of this.#listeners) listener();
    return ok(undefined);
  }

  onChanged(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Whether a certificate stands under the root that new ones stand under; `serials` are those of the CAs above it. */
  isCurrent(serials: readonly string[]): boolean {
    return this.#inForce === undefined || serials.at(-1) === this.#inForce.issuing.serial;
  }

  /** The root under which a certificate stands, by the serials of the CAs above it. */
  rootOf(serials: readonly string[]): BundleRoot | undefined {
    const last = serials.at(-1);
    return this.#inForce?.roots.find(({ serial }) => serial === last);
  }
}
