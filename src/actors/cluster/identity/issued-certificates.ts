import { type NodeSvid, verifyNodeSvid } from '../../../crypto/svid.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId, TrustDomain } from '../../../names.ts';
import { isLater } from '../../../protocols/issuance/renewal-time.ts';
import type { Clock, Store } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import { oneByOne } from './one-by-one.ts';
import { certificatePeriod, chainPem, shownChain } from './pem.ts';

/** A certificate that was issued to a node, which may have ended. */
export interface HeldCertificate
  extends Pick<NodeSvid, 'serial' | 'notBefore' | 'notAfter' | 'keyId' | 'issuerSerials'> {
  /** Not kept by earlier versions. */
  readonly issuerKeyIds?: NodeSvid['issuerKeyIds'];
  /** With those between it and the root, PEM. */
  readonly chainPem: string;
}

const collection = 'issued-certificates';
/** One a node: what another CA node issued. */
const seenCollection = 'seen-certificates';

export const heldOf = (svid: NodeSvid): HeldCertificate => ({
  serial: svid.serial,
  notBefore: svid.notBefore,
  notAfter: svid.notAfter,
  keyId: svid.keyId,
  issuerSerials: svid.issuerSerials,
  issuerKeyIds: svid.issuerKeyIds,
  chainPem: chainPem(svid.der),
});

/** The certificate in a PEM text, judged as on its last day; CERTIFICATE_REFUSED, MALFORMED. */
export function judgedAtItsEnd(
  pem: string,
  { caPem, trustDomain }: { readonly caPem: string; readonly trustDomain: TrustDomain },
  nodeId?: NodeId,
): Result<NodeSvid> {
  const chain = shownChain(pem);
  if (!chain.ok) return chain;
  const { notAfter } = certificatePeriod(pem);
  return verifyNodeSvid(chain.value, { caPem, trustDomain, now: notAfter, ...(nodeId && { nodeId }) });
}

/**
 * What a CA node has issued, by node: whoever takes a node’s place must know what to revoke, and whoever shows a
 * certificate that has ended must show the last one. Each is kept before it leaves, and `afterEndMs` longer than it holds.
 * Of what other CA nodes issue the last one of each node that was seen here is kept beside that.
 */
export class IssuedCertificates {
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #afterEndMs: number;
  readonly #inTurn = oneByOne();

  readonly #isRevoked: (held: HeldCertificate, nodeId: NodeId) => boolean;

  constructor(
    clock: Clock,
    store: Store,
    afterEndMs: number,
    isRevoked: (held: HeldCertificate, nodeId: NodeId) => boolean,
  ) {
    this.#clock = clock;
    this.#store = store;
    this.#afterEndMs = afterEndMs;
    this.#isRevoked = isRevoked;
  }

  /**
   * LIMIT_EXCEEDED when the node has too many: none may be forgotten before its time, or nobody would revoke it. What is
   * revoked does not count, or a node that had itself given too many could not be replaced.
   */
  keep(svid: NodeSvid): Promise<Result<void>> {
    return this.#inTurn(async () => {
      const before = await this.#read(collection, svid.nodeId);
      const standing = before.filter((held) => !this.#isRevoked(held, svid.nodeId)).length;
      if (standing >= limits.issuedCertificatesMax)
        return refuse('LIMIT_EXCEEDED', `${svid.nodeId} has ${standing} certificates already that are not over.`);
      const bytes = utf8.encode(JSON.stringify([...before, heldOf(svid)]));
      await this.#store.put(collection, svid.nodeId, bytes);
      return ok(undefined);
    });
  }

  /** One that was kept and did not leave. */
  forget({ nodeId, serial }: Pick<NodeSvid, 'nodeId' | 'serial'>): Promise<void> {
    return this.#inTurn(async () => {
      const left = (await this.#read(collection, nodeId)).filter((held) => held.serial !== serial);
      await this.#store.put(collection, nodeId, utf8.encode(JSON.stringify(left)));
    });
  }

  /** A certificate that its node shows, and that is accepted. */
  see(svid: NodeSvid): Promise<void> {
    return this.#inTurn(async () => {
      const { nodeId } = svid;
      if ((await this.of(nodeId)).some((held) => held.serial === svid.serial)) return;
      const [seen] = await this.#read(seenCollection, nodeId);
      if (seen && isLater(seen, svid)) return;
      await this.#store.put(seenCollection, nodeId, utf8.encode(JSON.stringify([heldOf(svid)])));
    });
  }

  /** Issued here or seen, that did not end longer than `afterEndMs` ago. */
  async of(nodeId: NodeId): Promise<readonly HeldCertificate[]> {
    return [...(await this.#read(seenCollection, nodeId)), ...(await this.#read(collection, nodeId))];
  }

  async #read(from: string, nodeId: NodeId): Promise<readonly HeldCertificate[]> {
    const bytes = await this.#store.get(from, nodeId);
    const all = bytes ? (JSON.parse(utf8.decode(bytes)) as readonly HeldCertificate[]) : [];
    return all
      .filter(({ notAfter }) => notAfter + this.#afterEndMs >= this.#clock.now())
      .map((held) => ({ ...held, notBefore: held.notBefore ?? certificatePeriod(held.chainPem).notBefore }));
  }
}
