import { readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { z } from 'zod';
import { clusterIdOf, type ReadText, readSmallFile } from './config/cluster-id.ts';
import { faultTexts, problemTexts, readYaml } from './config/problems.ts';
import type { HostPort } from './config/quantity.ts';
import { alwaysOn, faultsOf, notYet, protectionsOff, tlsConcerns, unsupported, untraced } from './config/rules.ts';
import { type NodeFile, nodeFileSchema } from './config/schema.ts';
import { type SiemDestination, siemOf } from './config/siem.ts';
import { type TlsSettings, tlsSettings } from './config/tls.ts';
import { type VaultSource, vaultSource } from './config/vault-source.ts';
import { ok, type Result, refuse } from './errors.ts';
import { limits } from './limits.ts';
import type { NodeId, TrustDomain } from './names.ts';
import { type AuditPolicy, auditPolicy, nothingAudited } from './protocols/audit/level.ts';
import type { Rate } from './protocols/authorization/rate.ts';

/** A node’s configuration: checked, complete, frozen; paths absolute, times in milliseconds. See config/node.yaml. */
export interface NodeConfig {
  readonly development: boolean;
  readonly showMessagePreviews: boolean;
  /** To be said loudly: protections that are off (only ever on loopback), and settings that have no effect yet. */
  readonly warnings: readonly string[];
  readonly node: {
    readonly id: NodeId;
    readonly certificatePath: string;
    readonly privateKeyPath: string;
    readonly caCertificatePath: string;
    readonly claimKeyPath: string;
    readonly dataPath: string;
    readonly rotation: {
      readonly enabled: boolean;
      readonly checkIntervalMs: number;
      /** How long before its end a certificate is renewed; undefined: after two thirds of its life. */
      readonly renewalThresholdMs: number | undefined;
      readonly caKeyPath: string | undefined;
      /** Management APIs of CA nodes, asked when the certificate has ended. */
      readonly caNodes: readonly HostPort[];
    };
    /** A CA node’s: it renews the certificates of other nodes. */
    readonly ca:
      | {
          readonly certificatePath: string;
          readonly keyPath: string;
          readonly passphrasePath: string | undefined;
          readonly validityMsMax: number;
          /** How long after its end a certificate lets its node enrol again; undefined: not at all. */
          readonly reenrolmentWindowMs: number | undefined;
        }
      | undefined;
  };
  readonly cluster: {
    readonly id: string;
    readonly trustDomain: TrustDomain;
    readonly expectedSize: number;
    readonly bind: HostPort;
    readonly advertise: HostPort;
    readonly join: readonly HostPort[];
    readonly profile: 'local' | 'lan' | 'wan';
    readonly authorityKeyPaths: readonly string[];
    readonly noticesPath: string;
  };
  readonly api: { readonly bind: HostPort };
  readonly agents: { readonly modulesPath: string | undefined };
  readonly log: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' };
  readonly security: {
    /** How links speak TLS. */
    readonly mtls: TlsSettings;
    readonly gossip: { readonly keyPath: string; readonly keyRotationIntervalMs: number };
    readonly api: {
      readonly certPath: string;
      readonly keyPath: string;
      /** Undefined: the cluster’s document alone says which keys there are. */
      readonly apiKeysPath: string | undefined;
      /** How the API speaks TLS. */
      readonly tls: TlsSettings;
      /** Undefined: no limit. */
      readonly defaultLimit: Rate | undefined;
    };
    readonly agents: {
      readonly capabilityEnforcement: 'strict' | 'permissive' | 'off';
      readonly rateLimit: Rate;
      readonly policyPath: string | undefined;
      /** Whether anything is permitted before the cluster’s policies are held. */
      readonly clusterPolicy: 'optional' | 'required';
    };
    /** Where the vault’s key ring comes from. */
    readonly vault: VaultSource;
    readonly audit: {
      readonly logPath: string;
      readonly retentionDays: number;
      /** How much is kept of what; nothing of anything where the log is switched off. */
      readonly policy: AuditPolicy;
      /** Receivers of the log outside the cluster; empty when nothing is forwarded. */
      readonly siem: readonly SiemDestination[];
    };
  };
}

/**
 * Reads node.yaml. `file` names it in messages and is what relative paths start from. CONFIG_INVALID with one reason
 * for each problem: file, line, key and what was expected; NOT_SUPPORTED when all that is wrong is what this version
 * lacks; FILE_UNREADABLE when it is the file that `cluster.id_path` names, the only one that is read here. `readText`
 * gives it by its absolute path, by default from the disk.
 */
export function loadConfig(
  text: string,
  options: { readonly file: string; readonly readText?: ReadText },
): Result<NodeConfig> {
  const { file, readText = readSmallFile } = options;
  if (Buffer.byteLength(text) > limits.configBytesMax)
    return refuse('CONFIG_INVALID', `${file} is over ${limits.configBytesMax} bytes.`);
  const yaml = readYaml(text);
  if (yaml.faults.length > 0) return invalid(faultTexts(yaml, file));
  const read = nodeFileSchema.safeParse(yaml.value ?? {});
  if (!read.success) return invalid(problemTexts(read.error.issues, file, yaml, keysAt));
  const place = (path: string) => {
    const line = yaml.lineOf(path.split('.'));
    return `${file}${line === undefined ? '' : `:${line}`}: ${path}`;
  };
  const folder = resolve(dirname(file));
  const absolute = (path: string) => resolve(folder, path);
  const id = clusterIdOf(read.data.cluster, place, absolute, readText);
  const idFaults = id.ok || id.refusal.code === 'FILE_UNREADABLE' ? [] : id.refusal.reasons;
  const faults = [...faultsOf(read.data, place, absolute), ...idFaults];
  const absent = unsupported(read.data, place);
  if (faults.length > 0) return invalid([...faults, ...absent]);
  const [first, ...more] = absent;
  if (first !== undefined) return refuse('NOT_SUPPORTED', first, ...more);
  return id.ok ? ok(deepFreeze(configOf(read.data, folder, id.value))) : id;
}

/**
 * Which file to read: `flag` (--config), $CAXTON_CONFIG, the one node under .caxton/, /etc/caxton/node.yaml.
 * FILE_UNREADABLE when there is none, or several under .caxton/.
 */
export function findConfig(where: {
  readonly flag?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}): Result<string> {
  const { flag, env, cwd } = where;
  // An empty variable is an unset one; an empty flag is a mistake, and must not pick another file.
  const named = flag ?? (env.CAXTON_CONFIG || undefined);
  if (named !== undefined) {
    const path = resolve(cwd, named);
    if (named !== '' && isFile(path)) return ok(path);
    const source = flag === undefined ? '$CAXTON_CONFIG' : '--config';
    return refuse('FILE_UNREADABLE', `There is no configuration file “${named}”, which ${source} names.`);
  }
  const local = namesIn(join(cwd, '.caxton', 'nodes'))
    .map((path) => join(path, 'node.yaml'))
    .filter(isFile);
  if (local.length > 1)
    return refuse('FILE_UNREADABLE', 'There are several nodes under .caxton/nodes: say which with --config.');
  const [only] = local;
  if (only !== undefined) return ok(only);
  const system = '/etc/caxton/node.yaml';
  if (isFile(system)) return ok(system);
  return refuse(
    'FILE_UNREADABLE',
    'No configuration was found: give --config FILE, or make one from config/node.yaml.',
  );
}

/** Whether something can be read there that is no folder: a pipe of the shell (`<(…)`) is fine. */
function isFile(path: string): boolean {
  try {
    return !statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    return [];
  }
}

const invalid = ([first, ...more]: readonly string[]): ReturnType<typeof refuse> =>
  refuse('CONFIG_INVALID', first ?? 'The configuration is wrong.', ...more);

function configOf(file: NodeFile, folder: string, clusterId: string): NodeConfig {
  const { node, cluster, security } = file;
  const from = (path: string): string => resolve(folder, path);
  const maybe = (path: string | undefined): string | undefined => (path === undefined ? undefined : from(path));
  const { mtls, gossip } = security.cluster;
  const { rate_limiting } = security.api;
  return {
    development: file.development,
    showMessagePreviews: file.show_message_previews,
    warnings: [
      ...protectionsOff(file).map((path) =>
        alwaysOn.has(path)
          ? `${path} is off in the configuration; this version keeps it on all the same.`
          : `${path} is not at its strict setting: this node protects less than it should.`,
      ),
      ...untraced(file),
      ...tlsConcerns(file),
      ...notYet(file),
    ],
    node: {
      id: node.id,
      certificatePath: from(node.certificate_path ?? mtls.node_cert!),
      privateKeyPath: from(node.private_key_path ?? mtls.node_key!),
      caCertificatePath: from(node.ca_certificate_path ?? mtls.ca_cert!),
      claimKeyPath: from(node.claim_key_path),
      dataPath: from(node.data_path),
      rotation: {
        enabled: node.rotation.enabled,
        checkIntervalMs: node.rotation.check_interval,
        renewalThresholdMs: node.rotation.renewal_threshold,
        caKeyPath: maybe(node.rotation.ca_key_path),
        caNodes: node.rotation.ca_nodes,
      },
      ca: node.ca && {
        certificatePath: from(node.ca.certificate_path ?? node.ca_certificate_path ?? mtls.ca_cert!),
        keyPath: from(node.ca.key_path),
        passphrasePath: maybe(node.ca.passphrase_path),
        validityMsMax: node.ca.max_validity,
        reenrolmentWindowMs: node.ca.reenrolment_window === 'off' ? undefined : node.ca.reenrolment_window,
      },
    },
    cluster: {
      id: clusterId,
      trustDomain: cluster.trust_domain,
      expectedSize: cluster.expected_size,
      bind: cluster.bind,
      advertise: cluster.advertise ?? cluster.bind,
      join: cluster.join,
      profile: cluster.profile,
      authorityKeyPaths: cluster.authority_keys.map(from),
      noticesPath: from(cluster.notices_path),
    },
    api: file.api,
    agents: { modulesPath: maybe(file.agents.modules_path) },
    log: file.log,
    security: {
      mtls: tlsSettings(mtls),
      gossip: { keyPath: from(gossip.key_path), keyRotationIntervalMs: gossip.key_rotation_interval },
      api: {
        certPath: from(security.api.tls.cert),
        keyPath: from(security.api.tls.key),
        apiKeysPath: maybe(security.api.authentication.api_keys_path),
        tls: tlsSettings(security.api.tls),
        defaultLimit: rate_limiting.enabled ? rate_limiting.default_limit : undefined,
      },
      agents: {
        capabilityEnforcement: security.agents.capability_enforcement,
        rateLimit: security.agents.rate_limit,
        policyPath: maybe(security.agents.policy_path),
        clusterPolicy: security.agents.cluster_policy,
      },
      vault: vaultSource(file, from),
      audit: {
        logPath: from(security.audit.log_path),
        retentionDays: security.audit.retention_days,
        policy: security.audit.enabled ? auditPolicy(security.audit.policy) : nothingAudited,
        siem: siemOf(security.audit, from),
      },
    },
  };
}

/** The keys that the schema knows at a path. */
function keysAt(path: readonly PropertyKey[]): readonly string[] {
  let schema: z.core.$ZodType | undefined = nodeFileSchema;
  for (const key of path) schema = shapeOf(schema)?.[String(key)];
  return Object.keys(shapeOf(schema) ?? {});
}

interface SchemaDef {
  readonly shape?: Record<string, z.core.$ZodType>;
  readonly innerType?: z.core.$ZodType;
  /** Of a record with named keys. */
  readonly keyType?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly entries?: Readonly<Record<string, string>>;
}
const defOf = (schema: z.core.$ZodType | undefined): SchemaDef | undefined => schema?._zod.def as SchemaDef | undefined;

function shapeOf(schema: z.core.$ZodType | undefined): Record<string, z.core.$ZodType> | undefined {
  let def = defOf(schema);
  while (def && !def.shape && def.innerType) def = defOf(def.innerType);
  const { valueType } = def ?? {};
  const names = Object.values(defOf(def?.keyType)?.entries ?? {});
  return valueType ? Object.fromEntries(names.map((name) => [name, valueType])) : def?.shape;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
