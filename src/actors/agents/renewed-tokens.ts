import type { Refusal } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Manifest } from '../../protocols/deployment/manifest.ts';

/**
 * Whose capability was renewed, by the document id of the token before: somebody may look a token up, and revoke it when
 * the agent has the next one already. What is meant then is the agent. Of this run, and a bounded number.
 */
export class RenewedTokens {
  readonly #deployments = new Map<string, Manifest>();

  /** `deployment`: its manifest, this very object as long as it stands. */
  add(tokenId: string, deployment: Manifest): void {
    this.#deployments.set(tokenId, deployment);
    const [oldest] = this.#deployments.keys();
    if (this.#deployments.size > limits.renewedTokensMax && oldest !== undefined) this.#deployments.delete(oldest);
  }

  /** The deployments that had one of those that are revoked, and why. */
  revoked(revocation: (tokenId: string) => Refusal | undefined): ReadonlyMap<Manifest, Refusal> {
    const found = new Map<Manifest, Refusal>();
    for (const [tokenId, deployment] of this.#deployments) {
      const refusal = revocation(tokenId);
      if (refusal) found.set(deployment, refusal);
    }
    return found;
  }
}
