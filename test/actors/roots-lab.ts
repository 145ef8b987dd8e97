import { createPrivateKey, type KeyObject } from 'node:crypto';
import { type IssuedCertificate, issueCa } from '../../src/crypto/certificate.ts';
import { crossSign } from '../../src/crypto/cross-signing.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { rootsInPem } from '../../src/crypto/root-bundle.ts';
import { unwrap } from '../../src/errors.ts';
import type { TrustDomain } from '../../src/names.ts';
import type { RootsBody } from '../../src/protocols/notice/roots.ts';
import type { TestCluster } from '../../src/testing/test-cluster.ts';
import { clusterIdOf, signNotice } from './notice-lab.ts';

export const testDomain = 'dev.caxton.internal' as TrustDomain;
export const layout = { caCert: '/cluster/ca/ca.crt', caKey: '/cluster/ca/ca.key', nextKey: '/cluster/ca/ca.key.next' };

/** The text of the one certificate of a PEM, as bundles carry it. */
export const textOf = (pem: string): string => {
  const { roots, others } = unwrap(rootsInPem(pem));
  return [...roots, ...others][0]!;
};

/** The root of a test cluster, with its key. */
export async function oldRootOf(cluster: TestCluster): Promise<IssuedCertificate> {
  const { disk } = cluster.machine(cluster.nodes[0]!);
  const read = async (path: string) => Buffer.from((await disk.readFile(path))!).toString();
  return { certPem: await read(layout.caCert), keyPem: await read(layout.caKey) };
}

export interface TestRoot extends IssuedCertificate {
  readonly crossPem: string;
}

/** A root that is to follow another one, signed by it. */
export function nextRootAfter(old: IssuedCertificate, now: number, trustDomain: string = testDomain): TestRoot {
  const next = issueCa(osCrypto, { trustDomain, notBefore: now - 60_000, notAfter: now + 3_000 * 86_400_000 });
  const crossPem = unwrap(crossSign(osCrypto, { ca: old, nextPem: next.certPem, trustDomain }));
  return { ...next, crossPem };
}

/** The three bundles of a rotation from one root to another. */
export function bundlesOf(old: IssuedCertificate, next: TestRoot) {
  const roots = [textOf(old.certPem), textOf(next.certPem)];
  const both: RootsBody = {
    trustDomain: testDomain,
    roots,
    issuing: 0,
    crossSigned: [textOf(next.crossPem)],
    lockedOut: [],
  };
  return { both, issue: { ...both, issuing: 1 }, alone: { ...both, roots: [roots[1]!], issuing: 0, crossSigned: [] } };
}

export const signRoots = (cluster: TestCluster, key: KeyObject, generation: number, body: RootsBody): string =>
  signNotice(key, { kind: 'roots', generation, clusterId: clusterIdOf(cluster), body });

/** Puts the next root’s key beside the old one’s on every machine that holds that. */
export function placeNextKey(
  cluster: TestCluster,
  next: IssuedCertificate,
  nodes: readonly string[] = cluster.nodes,
): void {
  for (const id of nodes) cluster.machine(id).disk.put(layout.nextKey, Buffer.from(next.keyPem), 0o600);
}

export const keyFrom = (pem: string): KeyObject => createPrivateKey(pem);
