import { resolve } from 'node:path';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { type IssuedCertificate, issueCa, issueIntermediateCa, type Validity } from '../../crypto/certificate.ts';
import { isEncryptedKey } from '../../crypto/encrypted-key.ts';
import { osCrypto } from '../../crypto/port.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { isTrustDomain, type TrustDomain } from '../../names.ts';
import { type Invocation, UsageError } from '../command.ts';
import { readHeldCa, readPem } from '../security/held-ca.ts';
import { readLifetime, validityFrom } from '../security/validity.ts';

/** The CA of a new cluster, as its first node holds it. */
export interface FirstCa extends Validity {
  readonly trustDomain: TrustDomain;
  readonly pair: IssuedCertificate;
  readonly chainPem: string;
  /** What members believe. */
  readonly rootsPem: string;
  /** Of a root that was made here: for a machine off the cluster. */
  readonly rootKey: string | undefined;
  /** To be written into the node’s folder. */
  readonly files: readonly { readonly name: string; readonly content: string; readonly mode: number }[];
  /** What node.yaml says about it. */
  readonly node: {
    readonly keyPath: string;
    readonly certificatePath: string;
    readonly passphrasePath: string | undefined;
  };
}

const rootLife = '3650d';
const onlineLife = '365d';

/** A root, whose key goes offline, and a CA below it, with which the node signs. */
export function madeCa({ text }: Invocation): FirstCa {
  const trustDomain = text('trust-domain') ?? 'caxton.internal';
  if (!isTrustDomain(trustDomain))
    throw new UsageError('--trust-domain is lower-case letters, digits, “.”, “-” and “_”, such as example.org.');
  const now = nodeClock.now();
  const rootValidity = validityFrom(now, readLifetime(rootLife, 'validity'));
  const root = issueCa(osCrypto, { trustDomain, ...rootValidity });
  const validity = validityFrom(now, readLifetime(onlineLife, 'validity'), rootValidity);
  const pair = unwrap(issueIntermediateCa(osCrypto, { ca: root, trustDomain, ...validity }));
  return {
    ...{ trustDomain, pair, ...validity },
    chainPem: pair.certPem,
    rootsPem: root.certPem,
    rootKey: root.keyPem,
    files: [
      { name: 'ca/online.key', content: pair.keyPem, mode: 0o600 },
      { name: 'ca/online.crt', content: pair.certPem + root.certPem, mode: 0o644 },
    ],
    node: { keyPath: 'ca/online.key', certificatePath: 'ca/online.crt', passphrasePath: undefined },
  };
}

/** A CA that is there already. Its key stays where it is: node.yaml names its path. */
export async function givenCa(invocation: Invocation, cert: string, key: string): Promise<FirstCa> {
  const { text, terminal } = invocation;
  const root = text('root-cert');
  const held = await readHeldCa(invocation, cert, key, ...(root === undefined ? [] : [root]));
  if (held.rootsPem === '')
    throw new CaxtonError('CERTIFICATE_REFUSED', [
      `${cert} holds no root, so nodes would believe nobody.`,
      'Name the root’s certificate with --root-cert.',
    ]);
  const wanted = text('trust-domain');
  if (wanted !== undefined && wanted !== held.trustDomain)
    throw new UsageError(`--trust-domain: ${cert} is of ${held.trustDomain}.`);
  const at = (path: string) => resolve(terminal.cwd, path);
  const passphrase = text('passphrase-file');
  if (passphrase === undefined && isEncryptedKey(await readPem(at(key))))
    throw new UsageError(
      'The CA’s key is encrypted: name --passphrase-file, with which the node opens it at its start.',
    );
  return {
    ...{ trustDomain: held.trustDomain, pair: held.pair, notBefore: held.notBefore, notAfter: held.notAfter },
    ...{ chainPem: held.chainPem, rootsPem: held.rootsPem, rootKey: undefined, files: [] },
    node: {
      keyPath: at(key),
      certificatePath: at(cert),
      passphrasePath: passphrase === undefined ? undefined : at(passphrase),
    },
  };
}
