import { z } from 'zod';
import { limits } from '../limits.ts';
import { isNodeId, isTrustDomain, type NodeId, type TrustDomain } from '../names.ts';
import { auditTypes, ownTypes } from '../protocols/audit/event-type.ts';
import { auditLevels } from '../protocols/audit/level.ts';
import { parseRate, type Rate } from '../protocols/authorization/rate.ts';
import { clusterIdForm, parseClusterId } from './cluster-id.ts';
import { type HostPort, parseDuration, parseHostPort } from './quantity.ts';
import { siemDestinations } from './siem.ts';
import { tlsKeys } from './tls.ts';
import { listOf, path, wholeNumber } from './values.ts';

/**
 * The form of node.yaml: the record’s (ADR-0016) `node:` and `security:` blocks with its names, ours beside them. One
 * schema gives validation and types. What the record has and this version lacks is read and refused by name, never
 * ignored.
 */
const parsed = <T>(expected: string, parse: (text: string) => T | undefined) =>
  z.string({ error: `expected ${expected}` }).transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `expected ${expected}` });
    return z.NEVER;
  });

/** At most 100,000 days, so that a time which is a duration away can still be told. */
const durationMsMax = 8_640_000_000_000;
const duration = parsed<number>('a duration of 1s to 100000d, such as 30s, 5m, 24h or 30d', (text) => {
  const ms = parseDuration(text);
  return ms !== undefined && ms >= 1_000 && ms <= durationMsMax ? ms : undefined;
});
const hostPort = parsed<HostPort>('host:port, such as 127.0.0.1:7701 or [::1]:7701', parseHostPort);
const rate = parsed<Rate>('a rate such as 100/s or 1000/min', (text) => {
  const read = parseRate(text);
  return read.ok ? read.value : undefined;
});
const nodeId = parsed<NodeId>('a node id: a-z, 0-9, “_” and “-”, at most 63 characters', (text) =>
  isNodeId(text) ? text : undefined,
);
const trustDomain = parsed<TrustDomain>('a trust domain in lower case, such as example.org', (text) =>
  isTrustDomain(text) ? text : undefined,
);
const clusterId = parsed<string>(clusterIdForm, parseClusterId);
const flag = z.boolean({ error: 'expected true or false' });

const rotation = z.strictObject({
  enabled: flag.default(true),
  check_interval: duration.default(86_400_000),
  renewal_threshold: duration.optional(),
  ca_key_path: path.optional(),
  ca_nodes: listOf(hostPort, 'host:port', 0, 16).default([]),
});

const reenrolmentWindow = parsed<number | 'off'>('off, or a duration of 1s to 30d', (text) => {
  const ms = text === 'off' ? 'off' : parseDuration(text);
  return ms === 'off' || (ms !== undefined && ms >= 1_000 && ms <= limits.reenrolmentMsMax) ? ms : undefined;
});

const ca = z.strictObject({
  key_path: path,
  certificate_path: path.optional(),
  passphrase_path: path.optional(),
  max_validity: duration.default(90 * 86_400_000),
  reenrolment_window: reenrolmentWindow.default(7 * 86_400_000),
});

const node = z.strictObject({
  id: nodeId,
  certificate_path: path.optional(),
  private_key_path: path.optional(),
  ca_certificate_path: path.optional(),
  claim_key_path: path,
  data_path: path,
  rotation: rotation.prefault({}),
  ca: ca.optional(),
});

const cluster = z.strictObject({
  id: clusterId.optional(),
  id_path: path.optional(),
  trust_domain: trustDomain,
  expected_size: wholeNumber(1, 16_384),
  bind: hostPort,
  advertise: hostPort.optional(),
  join: listOf(hostPort, 'host:port', 0, limits.joinAddressesMax).default([]),
  profile: z.enum(['local', 'lan', 'wan'], { error: 'expected local, lan or wan' }).default('lan'),
  authority_keys: listOf(path, 'paths', 1, 16),
  notices_path: path,
});

const mtls = z.strictObject({
  enabled: flag.default(true),
  ca_cert: path.optional(),
  node_cert: path.optional(),
  node_key: path.optional(),
  verify_peer: flag.default(true),
  ...tlsKeys,
});

const gossip = z.strictObject({
  encryption: flag.default(true),
  key_rotation_interval: duration.default(86_400_000),
  key_path: path,
});

const apiTls = z.strictObject({
  enabled: flag.default(true),
  cert: path,
  key: path,
  ...tlsKeys,
});

const authentication = z.strictObject({
  methods: listOf(
    z.enum(['api_key', 'jwt', 'client_certificate', 'oauth2'], { error: 'expected api_key' }),
    'methods',
    1,
    4,
  ).default(['api_key']),
  api_keys_path: path.optional(),
  jwt: z.looseObject({}).optional(),
  oauth2: z.looseObject({}).optional(),
});

const agents = z.strictObject({
  require_signed_deployment: flag.default(true),
  capability_enforcement: z
    .enum(['strict', 'permissive', 'off'], { error: 'expected strict, permissive or off' })
    .default('strict'),
  sandbox_enforcement: z
    .enum(['strict', 'permissive', 'off'], { error: 'expected strict, permissive or off' })
    .default('strict'),
  rate_limit: rate.default({ count: 100, periodMs: 1_000, burst: 100 }),
  policy_path: path.optional(),
  cluster_policy: z.enum(['optional', 'required'], { error: 'expected optional or required' }).default('optional'),
});

const auditLevel = z.enum(auditLevels, { error: `expected ${auditLevels.join(', ')}` });
const auditPolicyEntries = z.partialRecord(
  z.enum(
    auditTypes.filter((type) => !ownTypes.includes(type)),
    { error: 'expected a type of audit event' },
  ),
  z.union(
    [
      auditLevel,
      z.strictObject({
        success: auditLevel.optional(),
        refused: auditLevel.optional(),
        failure: auditLevel.optional(),
      }),
    ],
    { error: `expected ${auditLevels.join(', ')}, or such a level for success, refused and failure` },
  ),
);

const audit = z.strictObject({
  enabled: flag.default(true),
  log_path: path,
  policy: auditPolicyEntries.prefault({}),
  retention_days: wholeNumber(1, 36_500).default(90),
  forward_to_siem: flag.default(false),
  siem: siemDestinations,
});

const vault = z.strictObject({
  key_path: path.optional(),
  key_env: z
    .string({ error: 'expected the name of an environment variable' })
    .regex(/^[A-Z_][A-Z0-9_]{0,127}$/, 'expected the name of an environment variable, such as CAXTON_VAULT_KEY')
    .optional(),
  key_credential: z
    .string({ error: 'expected the name of a systemd credential' })
    .regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/, 'expected the name of a systemd credential, such as caxton-vault')
    .optional(),
});

const security = z.strictObject({
  cluster: z.strictObject({ mtls: mtls.prefault({}), gossip }),
  api: z.strictObject({
    tls: apiTls,
    authentication: authentication.prefault({}),
    rate_limiting: z
      .strictObject({
        enabled: flag.default(true),
        default_limit: rate.default({ count: 1_000, periodMs: 60_000, burst: 1_000 }),
      })
      .prefault({}),
  }),
  agents: agents.prefault({}),
  vault: vault.prefault({}),
  audit,
});

export const nodeFileSchema = z.strictObject({
  development: flag.default(false),
  show_message_previews: flag.default(false),
  node,
  cluster,
  api: z.strictObject({ bind: hostPort }),
  agents: z.strictObject({ modules_path: path.optional() }).prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(['trace', 'debug', 'info', 'warn', 'error'], { error: 'expected trace, debug, info, warn or error' })
        .default('info'),
    })
    .prefault({}),
  security,
});

/** node.yaml as it was read: the record’s names, values parsed. */
export type NodeFile = z.output<typeof nodeFileSchema>;
