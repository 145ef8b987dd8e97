import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { HeldAuthorities } from '../../../../src/actors/cluster/identity/held-authorities.ts';
import { TrustedRoots } from '../../../../src/actors/cluster/identity/trusted-roots.ts';
import { issueIntermediateCa } from '../../../../src/crypto/certificate.ts';
import { crossSign } from '../../../../src/crypto/cross-signing.ts';
import { rootsInPem } from '../../../../src/crypto/root-bundle.ts';
import { unwrap } from '../../../../src/errors.ts';
import { MemoryDisk } from '../../../../src/testing/memory-disk.ts';
import { crypto, dayMs, domain, makeCa, now } from '../../../crypto/fixtures.ts';

const old = makeCa();
const next = makeCa();
const cross = unwrap(crossSign(crypto, { ca: old, nextPem: next.certPem, trustDomain: domain }));
const period = { notBefore: now - dayMs, notAfter: now + dayMs };
const below = (ca: typeof old) => unwrap(issueIntermediateCa(crypto, { ca, trustDomain: domain, ...period }));
const [oldCa, nextCa] = [below(old), below(next)];
const text = (pem: string): string => unwrap(rootsInPem(pem)).roots[0] ?? unwrap(rootsInPem(pem)).others[0]!;
const serial = (pem: string): string => new X509Certificate(pem).serialNumber;

function lab(shown = '') {
  const disk = new MemoryDisk();
  disk.put('ca.crt', oldCa.certPem + old.certPem, 0o644);
  disk.put('ca.key', oldCa.keyPem);
  const roots = new TrustedRoots(domain, old.certPem);
  const promoted: string[] = [];
  const held = new HeldAuthorities({
    disk,
    trustDomain: domain,
    place: { certificatePath: 'ca.crt', keyPath: 'ca.key', passphrasePath: undefined, validityMsMax: dayMs },
    roots,
    certPem: () => shown,
    promoted: () => void promoted.push('promoted'),
    fault: (message, error) => promoted.push(`${message}: ${String(error)}`),
  });
  const both = {
    trustDomain: domain,
    roots: [text(old.certPem), text(next.certPem)],
    crossSigned: [text(cross)],
    lockedOut: [],
  };
  const bundle = (issuing: number) => unwrap(roots.set({ ...both, issuing }, issuing + 1, new Uint8Array(32)));
  const drop = () =>
    unwrap(roots.set({ ...both, roots: [both.roots[1]!], crossSigned: [], issuing: 0 }, 3, new Uint8Array(32)));
  const placeNext = () => {
    disk.put('ca.crt.next', nextCa.certPem + next.certPem, 0o644);
    disk.put('ca.key.next', nextCa.keyPem);
  };
  const signs = async () => {
    const present = await held.present();
    return present.ok ? serial(present.value.ca.certPem) : present.refusal.reasons[0];
  };
  return { disk, roots, held, promoted, bundle, drop, placeNext, signs };
}

describe('the CAs whose keys a node holds', () => {
  it('sign under the root that the bundle names, without a restart, and show what the old one has signed', async () => {
    const { held, bundle, placeNext, signs } = lab();
    expect(await signs()).toBe(serial(oldCa.certPem));
    placeNext();
    bundle(0);
    expect(await signs()).toBe(serial(oldCa.certPem));
    expect(new Set(await held.rootsHeld())).toEqual(new Set([serial(old.certPem), serial(next.certPem)]));
    bundle(1);
    expect(await signs()).toBe(serial(nextCa.certPem));
    const { chainPem } = unwrap(await held.present());
    expect(chainPem).toBe(nextCa.certPem + cross);
  });

  it('go on with the old one where the next is missing, until its root is dropped', async () => {
    const { bundle, drop, signs, placeNext } = lab();
    bundle(1);
    expect(await signs()).toBe(serial(oldCa.certPem));
    drop();
    expect(await signs()).toMatch(/stands under a root of the cluster.*ca\.crt\.next and ca\.key\.next/);
    placeNext();
    expect(await signs()).toBe(serial(nextCa.certPem));
  });

  it('are replaced by the next when the old root is dropped, also after a crash in between', async () => {
    for (const failing of [undefined, 'ca.key', 'ca.crt', 'ca.key.next'] as const) {
      const { disk, held, bundle, drop, placeNext, promoted, signs } = lab();
      placeNext();
      bundle(1);
      await held.settle();
      expect(promoted).toEqual([]);
      drop();
      if (failing !== undefined) disk.fail(failing.endsWith('.next') ? 'remove' : 'write', 'EIO', failing);
      await held.settle();
      expect(await signs()).toBe(serial(nextCa.certPem));
      disk.mend();
      await held.settle();
      expect(await signs()).toBe(serial(nextCa.certPem));
    }
  });

  it('are replaced as a whole, though the CA is known from what the node shows as soon as its key is in place', async () => {
    for (const failing of ['ca.crt', 'ca.crt.next', 'ca.key.next'] as const) {
      const { disk, held, bundle, drop, placeNext } = lab(nextCa.certPem + next.certPem);
      placeNext();
      bundle(1);
      drop();
      disk.fail(failing.endsWith('.next') ? 'remove' : 'write', 'EIO', failing);
      await held.settle();
      disk.mend();
      await held.settle();
      expect(Buffer.from((await disk.readFile('ca.crt'))!).toString()).toBe(nextCa.certPem + next.certPem);
      expect([await disk.readFile('ca.crt.next'), await disk.readFile('ca.key.next')]).toEqual([undefined, undefined]);
    }
  });

  it('are left alone when an operator has put another CA of that root there', async () => {
    const { disk, held, bundle, drop, placeNext, signs } = lab();
    const byHand = below(next);
    placeNext();
    bundle(1);
    disk.put('ca.crt', byHand.certPem + next.certPem, 0o644);
    disk.put('ca.key', byHand.keyPem);
    drop();
    await held.settle();
    expect(await signs()).toBe(serial(byHand.certPem));
  });

  it('are told by name when a file of theirs can be written by everybody', async () => {
    const { disk, bundle, drop, placeNext, held } = lab();
    placeNext();
    disk.put('ca.crt.next', nextCa.certPem + next.certPem, 0o666);
    bundle(1);
    drop();
    const present = await held.present();
    expect(present.ok ? '' : present.refusal.reasons.join(' ')).toMatch(/ca\.crt\.next can be written by everybody/);
  });
});
