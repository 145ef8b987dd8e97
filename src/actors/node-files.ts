import { join } from 'node:path';
import { readKeyFile } from '../config/key-file.ts';
import { faultTexts, readYaml } from '../config/problems.ts';
import type { NodeConfig } from '../config.ts';
import { type Keyring, keyringFromText } from '../crypto/keyring.ts';
import { privateKeyFromPem } from '../crypto/keys.ts';
import { CaxtonError, type Result, unwrap } from '../errors.ts';
import { limits } from '../limits.ts';
import { emptyPolicySet, type PolicySet, parsePolicy } from '../protocols/authorization/policy.ts';
import { createNodeIdentity, type NodeIdentity } from './cluster/node-identity.ts';
import type { Disk } from './kernel/ports.ts';
import { utf8 } from './kernel/utf8.ts';
import { readTrustNotice, type Trust } from './messaging/trust.ts';

/** Everything that a node reads once, at its start: judged before anything listens. */
export interface NodeFiles {
  readonly identity: NodeIdentity;
  readonly keyring: Keyring;
  readonly trust: Trust;
  readonly policies: PolicySet;
  readonly apiKeys: readonly { readonly name: string; readonly hash: string }[];
  readonly apiTls: { readonly certPem: string; readonly keyPem: string; readonly caPem: string };
}

/** Throws a CaxtonError that names the file and what is wrong with it. */
export async function readNodeFiles(config: NodeConfig, disk: Disk, now: number): Promise<NodeFiles> {
  const { node, cluster, security } = config;
  const text = async (path: string): Promise<string> => {
    const bytes = await disk.readFile(path);
    if (!bytes) throw new CaxtonError('FILE_UNREADABLE', `There is no file ${path}.`);
    return utf8.decode(bytes);
  };
  const secret = async (path: string): Promise<string> => utf8.decode(unwrap(await readKeyFile(path)));
  const caPem = await text(node.caCertificatePath);
  const identity = unwrap(
    createNodeIdentity(
      {
        nodeId: node.id,
        trustDomain: cluster.trustDomain,
        certPem: await text(node.certificatePath),
        keyPem: await secret(node.privateKeyPath),
        caPem,
        claimKey: inFile(node.claimKeyPath, privateKeyFromPem(await secret(node.claimKeyPath))),
      },
      now,
    ),
  );
  const { keyPath } = security.gossip;
  const authorities = await Promise.all(cluster.authorityKeyPaths.map(async (path) => (await text(path)).trim()));
  const noticePath = join(cluster.noticesPath, 'trust.notice');
  return {
    identity,
    keyring: inFile(keyPath, keyringFromText(await secret(keyPath))),
    trust: inFile(noticePath, readTrustNotice(await text(noticePath), authorities, cluster.id)),
    policies: await readPolicies(security.agents.policyPath, text),
    apiKeys: readApiKeys(security.api.apiKeysPath, await secret(security.api.apiKeysPath)),
    apiTls: {
      certPem: await text(security.api.certPath),
      keyPem: await secret(security.api.keyPath),
      caPem,
    },
  };
}

/** Adds the file’s name to the reasons of a refusal. */
function inFile<T>(path: string, result: Result<T>): T {
  if (result.ok) return result.value;
  throw new CaxtonError(result.refusal.code, [`${path}:`, ...result.refusal.reasons]);
}

/** For `readNodeFiles`: the receivers’ policies, none without a path. CONFIG_INVALID names the file and the line. */
export async function readPolicies(
  path: string | undefined,
  text: (path: string) => Promise<string>,
): Promise<PolicySet> {
  if (path === undefined) return emptyPolicySet;
  const content = await text(path);
  if (content.length > limits.configBytesMax)
    throw new CaxtonError('CONFIG_INVALID', `${path} is over ${limits.configBytesMax} bytes.`);
  const yaml = readYaml(content);
  if (yaml.faults.length > 0) throw new CaxtonError('CONFIG_INVALID', faultTexts(yaml, path));
  return unwrap(parsePolicy(yaml.value, path, yaml.lineOf));
}

function readApiKeys(path: string, text: string): readonly { readonly name: string; readonly hash: string }[] {
  const malformed = () =>
    new CaxtonError('MALFORMED', `${path} must be a JSON list of {"name", "hash"}; only hashes of keys are kept.`);
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    throw malformed();
  }
  if (!Array.isArray(list)) throw malformed();
  return list.map((entry: unknown) => {
    const { name, hash } = (entry ?? {}) as { name?: unknown; hash?: unknown };
    if (typeof name !== 'string' || typeof hash !== 'string') throw malformed();
    return { name, hash };
  });
}
