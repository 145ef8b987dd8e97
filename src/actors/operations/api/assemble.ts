import { readApiKey } from '../../../crypto/api-key.ts';
import type { Address } from '../../kernel/ports.ts';
import type { NodeBase } from '../../node-base.ts';
import type { NodeControl } from '../control.ts';
import { createManagementApi, type ManagementApi } from '../management-api.ts';

export interface ApiParts {
  readonly api: ManagementApi;
  address(): Address;
}

/** The management API of a node. */
export function assembleApi({ config, ports, files, fault }: NodeBase, control: NodeControl): ApiParts {
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
  const api: ManagementApi = {
    ...made,
    listen: async () => {
      bound = await made.listen();
      return bound;
    },
  };
  // One certificate for links and API: who joined with a token has no other.
  if (config.security.api.certPath === config.node.certificatePath)
    files.identity.onInstalled(() => api.setTls(files.identity.tls));
  return { api, address: () => bound };
}
