import { readFileSync } from 'node:fs';
import { clusterLayout } from '../../src/development/layout.ts';
import type { NodeId } from '../../src/index.ts';

/** Files of one party’s certificate: P-256, of the cluster’s CA; the very ones that Caxton’s nodes use. */
export interface CertificateFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export function certificateFiles(folder: string, role: 'server' | 'client'): CertificateFiles {
  const layout = clusterLayout(folder);
  const { certificate, key } = layout.node((role === 'server' ? 'node-1' : 'node-2') as NodeId);
  return { caFile: layout.caCert, certFile: certificate, keyFile: key };
}

export function readCertificate(folder: string, role: 'server' | 'client'): { ca: Buffer; cert: Buffer; key: Buffer } {
  const { caFile, certFile, keyFile } = certificateFiles(folder, role);
  return { ca: readFileSync(caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) };
}
