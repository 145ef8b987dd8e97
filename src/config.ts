import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { z } from 'zod';
import { problemTexts, readYaml } from './config/problems.ts';
import { type HostPort, isLoopback } from './config/quantity.ts';
import { type NodeFile, nodeFileSchema } from './config/schema.ts';
import { ok, type Result, refuse } from './errors.ts';
import { limits } from './limits.ts';
import type { NodeId, TrustDomain } from './names.ts';
import type { Rate } from './protocols/authorization/rate.ts';

/** A node’s configuration: checked, complete, frozen; paths absolute, times in milliseconds. See config/node.yaml. */
export interface NodeConfig {
  readonly development: boolean;
  readonly showMessagePreviews: boolean;
  /** Protections that are off, in words: only ever on loopback, and to be said loudly. */
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
      readonly renewalThresholdMs: number;
      readonly caKeyPath: string | undefined;
    };
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
    readonly gossip: { readonly keyPath: string; readonly keyRotationIntervalMs: number };
    readonly api: {
      readonly certPath: string;
      readonly keyPath: string;
      readonly apiKeysPath: string;
      /** Undefined: no limit. */
      readonly defaultLimit: Rate | undefined;
    };
    readonly agents: {
      readonly capabilityEnforcement: 'strict' | 'permissive' | 'off';
      readonly rateLimit: Rate;
      readonly policyPath: string | undefined;
    };
    readonly audit: { readonly logPath: string; readonly retentionDays: number };
  };
}

/**
 * Reads node.yaml. `file` names it in messages and is what relative paths start from. CONFIG_INVALID with one reason
 * for each problem: file, line, key and what was expected.
 */
export function loadConfig(text: string, options: { readonly file: string }): Result<NodeConfig> {
  const { file } = options;
  if (Buffer.byteLength(text) > limits.configBytesMax)
    return refuse('CONFIG_INVALID', `${file} is over ${limits.configBytesMax} bytes.`);
  const yaml = readYaml(text);
  if (yaml.faults.length > 0) return invalid(yaml.faults.map((fault) => `${file}: ${fault}.`));
  const read = nodeFileSchema.safeParse(yaml.value ?? {});
  if (!read.success) return invalid(problemTexts(read.error.issues, file, yaml, keysAt));
  const place = (path: string) => {
    const line = yaml.lineOf(path.split('.'));
    return `${file}${line === undefined ? '' : `:${line}`}: ${path}`;
  };
  const faults = [
    ...conflicts(read.data, place),
    ...unsupported(read.data, place),
    ...brokenRelations(read.data, place),
  ];
  const off = protectionsOff(read.data);
  if (off.length > 0 && !mayBeOff(read.data))
    faults.push(
      ...off.map((path) => `${place(path)} may be switched off only with development: true and on loopback.`),
    );
  if (faults.length > 0) return invalid(faults);
  return ok(deepFreeze(configOf(read.data, resolve(dirname(file)), off)));
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
  const named = flag ?? env.CAXTON_CONFIG;
  if (named !== undefined && named !== '') {
    const path = resolve(cwd, named);
    return existsSync(path) ? ok(path) : refuse('FILE_UNREADABLE', `There is no configuration ${named}.`);
  }
  const nodes = join(cwd, '.caxton', 'nodes');
  const local = existsSync(nodes)
    ? readdirSync(nodes)
        .map((id) => join(nodes, id, 'node.yaml'))
        .filter((path) => existsSync(path))
    : [];
  if (local.length > 1)
    return refuse('FILE_UNREADABLE', 'There are several nodes under .caxton/nodes: say which with --config.');
  const [only] = local;
  if (only !== undefined) return ok(only);
  const system = '/etc/caxton/node.yaml';
  if (existsSync(system)) return ok(system);
  return refuse(
    'FILE_UNREADABLE',
    'No configuration was found: give --config FILE, or make one from config/node.yaml.',
  );
}

const invalid = ([first, ...more]: readonly string[]): ReturnType<typeof refuse> =>
  refuse('CONFIG_INVALID', first ?? 'The configuration is wrong.', ...more);

type Place = (path: string) => string;

/** The record names some files in two blocks: one of the two is enough, and both must agree. */
const twice = [
  ['node.certificate_path', 'security.cluster.mtls.node_cert'],
  ['node.private_key_path', 'security.cluster.mtls.node_key'],
  ['node.ca_certificate_path', 'security.cluster.mtls.ca_cert'],
] as const;

const at = (file: NodeFile, path: string): unknown =>
  path.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], file);

function conflicts(file: NodeFile, place: Place): string[] {
  return twice.flatMap(([one, other]) => {
    const [a, b] = [at(file, one), at(file, other)];
    if (a === undefined && b === undefined) return [`${place(one)} is missing (or ${other}).`];
    return a !== undefined && b !== undefined && a !== b ? [`${place(one)} and ${other} name different files.`] : [];
  });
}

/** What the record has and this version lacks: said plainly, never ignored. */
function unsupported(file: NodeFile, place: Place): string[] {
  const { api, audit } = file.security;
  const faults: string[] = [];
  const others = api.authentication.methods.filter((method) => method !== 'api_key');
  if (others.length > 0)
    faults.push(
      `${place('security.api.authentication.methods')}: ${others.join(', ')} is not supported yet; use [api_key].`,
    );
  for (const method of ['jwt', 'oauth2'] as const)
    if (api.authentication[method] !== undefined)
      faults.push(`${place(`security.api.authentication.${method}`)} is not supported yet; remove it.`);
  if (api.tls.min_version !== '1.3') faults.push(`${place('security.api.tls.min_version')}: only "1.3" is supported.`);
  if (audit.forward_to_siem)
    faults.push(`${place('security.audit.forward_to_siem')} is not supported yet; set it to false.`);
  return faults;
}

function brokenRelations(file: NodeFile, place: Place): string[] {
  const { check_interval, renewal_threshold } = file.node.rotation;
  const faults: string[] = [];
  if (check_interval >= renewal_threshold)
    faults.push(
      `${place('node.rotation.check_interval')} must be shorter than renewal_threshold, or a renewal is missed.`,
    );
  if (file.cluster.bind.host === '0.0.0.0' || file.cluster.bind.host === '::') {
    if (!file.cluster.advertise)
      faults.push(
        `${place('cluster.advertise')} is needed when bind is ${file.cluster.bind.host}: peers must know where to dial.`,
      );
  }
  return faults;
}

const switches = [
  'security.cluster.mtls.enabled',
  'security.cluster.mtls.verify_peer',
  'security.cluster.gossip.encryption',
  'security.api.tls.enabled',
  'security.api.rate_limiting.enabled',
  'security.audit.enabled',
  'security.agents.require_signed_deployment',
] as const;

/** These stay on whatever the file says: this version has no code that could do without them. */
const alwaysOn = new Set<string>(switches.filter((path) => path !== 'security.api.rate_limiting.enabled'));

function protectionsOff(file: NodeFile): string[] {
  const off: string[] = switches.filter((path) => at(file, path) === false);
  for (const path of ['security.agents.capability_enforcement', 'security.agents.sandbox_enforcement'])
    if (at(file, path) !== 'strict') off.push(path);
  return off;
}

const mayBeOff = (file: NodeFile): boolean =>
  file.development && isLoopback(file.cluster.bind.host) && isLoopback(file.api.bind.host);

function configOf(file: NodeFile, folder: string, off: readonly string[]): NodeConfig {
  const { node, cluster, security } = file;
  const from = (path: string): string => resolve(folder, path);
  const maybe = (path: string | undefined): string | undefined => (path === undefined ? undefined : from(path));
  const { mtls, gossip } = security.cluster;
  const { rate_limiting } = security.api;
  return {
    development: file.development,
    showMessagePreviews: file.show_message_previews,
    warnings: off.map((path) =>
      alwaysOn.has(path)
        ? `${path} is off in the configuration; this version keeps it on all the same.`
        : `${path} is not at its strict setting: this node protects less than it should.`,
    ),
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
      },
    },
    cluster: {
      id: cluster.id,
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
      gossip: { keyPath: from(gossip.key_path), keyRotationIntervalMs: gossip.key_rotation_interval },
      api: {
        certPath: from(security.api.tls.cert),
        keyPath: from(security.api.tls.key),
        apiKeysPath: from(security.api.authentication.api_keys_path),
        defaultLimit: rate_limiting.enabled ? rate_limiting.default_limit : undefined,
      },
      agents: {
        capabilityEnforcement: security.agents.capability_enforcement,
        rateLimit: security.agents.rate_limit,
        policyPath: maybe(security.agents.policy_path),
      },
      audit: { logPath: from(security.audit.log_path), retentionDays: security.audit.retention_days },
    },
  };
}

/** The keys that the schema knows at a path. */
function keysAt(path: readonly PropertyKey[]): readonly string[] {
  let schema: z.core.$ZodType | undefined = nodeFileSchema;
  for (const key of path) schema = shapeOf(schema)?.[String(key)];
  return Object.keys(shapeOf(schema) ?? {});
}

function shapeOf(schema: z.core.$ZodType | undefined): Record<string, z.core.$ZodType> | undefined {
  let inner = schema as
    | { _zod: { def: { shape?: Record<string, z.core.$ZodType>; innerType?: z.core.$ZodType } } }
    | undefined;
  while (inner && !inner._zod.def.shape && inner._zod.def.innerType)
    inner = inner._zod.def.innerType as unknown as typeof inner;
  return inner?._zod.def.shape;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
