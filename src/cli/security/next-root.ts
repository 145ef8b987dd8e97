import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { nodeDisk } from '../../actors/operations/node-disk.ts';
import { issueCa } from '../../crypto/certificate.ts';
import { crossSign } from '../../crypto/cross-signing.ts';
import { encryptPrivateKey } from '../../crypto/encrypted-key.ts';
import { privateKeyFromPem, publicHalf } from '../../crypto/keys.ts';
import { osCrypto } from '../../crypto/port.ts';
import { readRootBundle, rootsInPem } from '../../crypto/root-bundle.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import type { TrustDomain } from '../../names.ts';
import type { NextRoot } from '../../protocols/notice/root-rotation.ts';
import type { Invocation } from '../command.ts';
import { about, readCaKey, readHeldCa, readPem, trustDomainOf } from './held-ca.ts';
import { type NewFile, writeNewFiles } from './new-files.ts';
import { givenPassphrase, newPassphrase } from './passphrase.ts';
import { readLifetime, validityFrom } from './validity.ts';

/** Where the old and the next root lie. */
export interface RootPlaces {
  /** The old root, which signs the next one. */
  readonly caCert: string;
  readonly caKey: string;
  /** The next root’s certificate, and behind it the same as the old root has signed it. */
  readonly nextCert: string;
  readonly nextKey: string;
}

/** The next root as a file holds it. CERTIFICATE_REFUSED when it does not follow this old root. */
export async function readNextRoot(path: string, oldRoot: string, trustDomain: TrustDomain): Promise<NextRoot> {
  const { roots, others } = about(path, rootsInPem(await readPem(path)));
  const [root, ...more] = roots.filter((text) => text !== oldRoot);
  if (root === undefined && roots.length > 0) return { root: oldRoot, crossSigned: [] };
  if (root === undefined || more.length > 0)
    throw new CaxtonError('CERTIFICATE_REFUSED', `${path} holds ${more.length + (root ? 1 : 0)} next roots, not one.`);
  about(path, readRootBundle({ trustDomain, roots: [oldRoot, root], issuing: 0, crossSigned: others }, trustDomain));
  if (others.length > 0) return { root, crossSigned: others };
  throw new CaxtonError('CERTIFICATE_REFUSED', [
    `${path} does not hold the next root as the old one has signed it, so members that are away could not follow.`,
    'caxton security rotate-ca --prepare makes both.',
  ]);
}

/**
 * Makes the next root and has the old one sign it, unless the files are there from before: what was made is durable before
 * anybody hears of it. Needs no network.
 */
export async function makeNextRoot(invocation: Invocation, places: RootPlaces): Promise<void> {
  const { text, terminal } = invocation;
  const at = (path: string) => resolve(terminal.cwd, path);
  if (await nodeDisk.stat(at(places.nextCert))) return refuseAnyOther(at(places.nextCert), at(places.caCert));
  const old = await readHeldCa(invocation, places.caCert, places.caKey);
  const { trustDomain } = old;
  if (old.chainPem !== '')
    throw new CaxtonError('CERTIFICATE_REFUSED', `${places.caCert} is not a root: it stands below another CA.`);
  const lifetimeMs = readLifetime(text('validity') ?? '3650d', 'validity');
  // A run that was cut short may have left the key alone: it is the next root’s all the same.
  const found = (await nodeDisk.stat(at(places.nextKey))) !== undefined;
  const privateKey = found ? await readCaKey(invocation, at(places.nextKey)) : undefined;
  const key = privateKey && { privateKey, publicKey: publicHalf(privateKey) };
  const period = validityFrom(nodeClock.now(), lifetimeMs);
  const next = issueCa(osCrypto, { trustDomain, ...period, ...(key ? { key } : {}) });
  const crossPem = unwrap(crossSign(osCrypto, { ca: old.pair, nextPem: next.certPem, trustDomain }));
  const certificate = { path: at(places.nextCert), text: next.certPem + crossPem, mode: 0o644 };
  // The key first: a certificate without its key would look finished.
  await writeNewFiles(
    found ? [certificate] : [await keyFile(invocation, places.nextKey, next.keyPem), certificate],
    false,
  );
  const ends = new X509Certificate(crossPem).validToDate.toISOString();
  terminal.err(`${places.nextCert}: the next root, also as the old one has signed it (until ${ends})\n`);
  terminal.err(`${places.nextKey}: its key\n`);
}

/** What was made before is what would be made now. */
async function refuseAnyOther(nextCert: string, caCert: string): Promise<void> {
  const oldPem = await readPem(caCert);
  const [oldRoot] = about(caCert, rootsInPem(oldPem)).roots;
  if (oldRoot === undefined) throw new CaxtonError('CERTIFICATE_REFUSED', `${caCert} holds no root.`);
  const { root } = await readNextRoot(nextCert, oldRoot, trustDomainOf(oldPem, caCert));
  if (root !== oldRoot) return;
  throw new CaxtonError('CERTIFICATE_REFUSED', [
    `${nextCert} holds the present root.`,
    'Name another file for the next one.',
  ]);
}

/** Encrypted when a passphrase is given, or asked for. */
async function keyFile(invocation: Invocation, path: string, keyPem: string): Promise<NewFile> {
  const passphrase = invocation.flag('encrypt')
    ? await newPassphrase(invocation, path)
    : await givenPassphrase(invocation);
  const text =
    passphrase === undefined ? keyPem : encryptPrivateKey(osCrypto, unwrap(privateKeyFromPem(keyPem)), passphrase);
  return { path: resolve(invocation.terminal.cwd, path), text, mode: 0o600 };
}
