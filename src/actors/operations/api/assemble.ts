import { X509Certificate } from 'node:crypto';
import { readApiKey } from '../../../crypto/api-key.ts';
import type { Address, TlsIdentity } from '../../kernel/ports.ts';
import type { NodeBase } from '../../node-base.ts';
import { readApiTls } from '../../node-files.ts';
import type { NodeControl } from '../control.ts';
import { createManagementApi, type ManagementApi } from '../management-api.ts';
import { ApiCertificate } from './api-certificate.ts';

export interface ApiParts {
  readonly api: ManagementApi;
  /** Where its certificate has files of its own, which somebody else renews. */
  readonly certificate: ApiCertificate | undefined;
  address(): Address;
  /** The certificate that it shows now. */
  certPem(): string;
}

/** The management API of a node. */
export function assembleApi(base: NodeBase, control: NodeControl): ApiParts {
  const { config, ports, files, fault } = base;
  const { defaultLimit } = config.security.api;
  const real = (): ManagementApi =>
    createManagementApi({
      control,
      bind: config.api.bind,
      tls: files.apiTls,
      tlsSettings: config.security.api.tls,
      apiKeys: files.apiKeys,
      clock: ports.clock,
      crypto: ports.crypto,
      readApiKey,
      standIn: (secret) => files.vault.ring.hash(secret),
      ...(defaultLimit ? { rateLimit: defaultLimit } : {}),
      onBug: (error, requestId) => fault(`the API failed at request ${requestId}`, error, { requestId }),
    });
  const made = ports.managementApi ?? real();
  let bound = config.api.bind;
  let shown: TlsIdentity = files.apiTls;
  const api: ManagementApi = {
    ...made,
    listen: async () => {
      bound = await made.listen();
      return bound;
    },
    setTls(tls) {
      made.setTls(tls);
      shown = tls;
    },
  };
  // One certificate for links and API: who joined with a token has no other.
  const own = config.security.api.certPath !== config.node.certificatePath;
  if (!own) files.identity.onInstalled(() => api.setTls(files.identity.tls));
  const certificate = own ? watched(base, api) : undefined;
  return { api, certificate, address: () => bound, certPem: () => shown.certPem };
}

function watched({ config, ports, files, audit, fault }: NodeBase, api: ManagementApi): ApiCertificate {
  return new ApiCertificate({
    clock: ports.clock,
    shown: files.apiTls,
    read: () => readApiTls(config, ports.disk, files.identity.tls.caPem, ports.clock.now()),
    show: (tls) => api.setTls(tls),
    shows: ({ certPem }) =>
      audit.note({
        type: 'CertificateRotated',
        identity: 'management-api',
        sourceIp: '',
        outcome: 'success',
        reasons: ['The files of the API’s certificate were replaced, and new connections are shown the new one.'],
        certificateSerial: new X509Certificate(certPem).serialNumber,
        metadata: {},
      }),
    fault,
  });
}
