import { readApiKey } from '../../../crypto/api-key.ts';
import type { ApiCertificate } from '../../cluster/identity/api-certificate.ts';
import type { Address } from '../../kernel/ports.ts';
import type { NodeBase } from '../../node-base.ts';
import type { NodeControl } from '../control.ts';
import { createManagementApi, type ManagementApi } from '../management-api.ts';

export interface ApiParts {
  readonly api: ManagementApi;
  address(): Address;
}

/** The management API of a node. */
export function assembleApi(
  { config, ports, files, access, fault }: NodeBase,
  shown: ApiCertificate,
  control: NodeControl,
): ApiParts {
  const { defaultLimit } = config.security.api;
  const real = (): ManagementApi =>
    createManagementApi({
      control,
      bind: config.api.bind,
      tls: shown.tls,
      tlsSettings: config.security.api.tls,
      access,
      clock: ports.clock,
      crypto: ports.crypto,
      readApiKey,
      standIn: (secret) => files.vault.ring.hash(secret),
      ...(defaultLimit ? { rateLimit: defaultLimit } : {}),
      onBug: (error, requestId) => fault(`the API failed at request ${requestId}`, error, { requestId }),
    });
  const made = ports.managementApi ?? real();
  let bound = config.api.bind;
  const api: ManagementApi = {
    ...made,
    listen: async () => {
      bound = await made.listen();
      return bound;
    },
  };
  shown.onChanged(() => api.setTls(shown.tls));
  return { api, address: () => bound };
}
