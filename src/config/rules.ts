import { auditTypes, classOf } from '../protocols/audit/event-type.ts';
import { auditPolicy, weakened } from '../protocols/audit/level.ts';
import { outcomes } from '../protocols/audit/record.ts';
import { isLoopback, isWildcard } from './quantity.ts';
import type { NodeFile } from './schema.ts';
import { siemFaults } from './siem.ts';
import { tlsFaults, tlsWarnings } from './tls.ts';

/** Names a key with the file and its line. */
type Place = (path: string) => string;

/** Everything that the schema cannot see: settings that contradict each other, and protections that must stay on. */
export const faultsOf = (file: NodeFile, place: Place, absolute: (path: string) => string): readonly string[] => [
  ...conflicts(file, place, absolute),
  ...brokenRelations(file, place),
  ...developmentFaults(file, place),
  ...siemFaults(file.security.audit, place),
  ...tlsBlockFaults(file, place),
];

/** The record names some files in two blocks: one of the two is enough, and both must agree. */
const twice = [
  ['node.certificate_path', 'security.cluster.mtls.node_cert'],
  ['node.private_key_path', 'security.cluster.mtls.node_key'],
  ['node.ca_certificate_path', 'security.cluster.mtls.ca_cert'],
] as const;

const at = (file: NodeFile, path: string): unknown =>
  path.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], file);

function conflicts(file: NodeFile, place: Place, absolute: (path: string) => string): string[] {
  return twice.flatMap(([one, other]) => {
    const [a, b] = [at(file, one), at(file, other)];
    if (a === undefined && b === undefined) return [`${place(one)} is missing (or ${other}).`];
    const same = a === undefined || b === undefined || absolute(String(a)) === absolute(String(b));
    return same ? [] : [`${place(one)} and ${place(other)} name different files; keep one of the two.`];
  });
}

/** What the record has and this version lacks: said plainly, never ignored. */
export function unsupported(file: NodeFile, place: Place): string[] {
  const { api } = file.security;
  const faults: string[] = [];
  const others = api.authentication.methods.filter((method) => method !== 'api_key');
  if (others.length > 0)
    faults.push(
      `${place('security.api.authentication.methods')}: ${others.join(', ')} is not supported yet; use [api_key].`,
    );
  for (const method of ['jwt', 'oauth2'] as const)
    if (api.authentication[method] !== undefined)
      faults.push(`${place(`security.api.authentication.${method}`)} is not supported yet; remove it.`);
  return faults;
}

function brokenRelations(file: NodeFile, place: Place): string[] {
  const { check_interval, renewal_threshold } = file.node.rotation;
  const faults: string[] = [];
  const vault = ['key_path', 'key_env', 'key_credential'].map((key) => `security.vault.${key}`);
  const [one, other] = vault.filter((path) => at(file, path) !== undefined);
  if (one !== undefined && other !== undefined)
    faults.push(`${place(one)} and ${other} are both given; keep one of the two.`);
  if (renewal_threshold !== undefined && check_interval >= renewal_threshold)
    faults.push(
      `${place('node.rotation.check_interval')} must be shorter than renewal_threshold, or a renewal is missed.`,
    );
  if (file.node.ca && file.node.rotation.ca_key_path !== undefined)
    faults.push(`${place('node.rotation.ca_key_path')} and node.ca are both given; keep node.ca.`);
  const { cluster, api } = file;
  if (isWildcard(cluster.bind.host) && !cluster.advertise)
    faults.push(
      `${place('cluster.advertise')} is needed when bind is ${cluster.bind.host}: peers must know where to dial.`,
    );
  if (cluster.advertise && isWildcard(cluster.advertise.host))
    faults.push(`${place('cluster.advertise')} must be an address that peers can dial, not ${cluster.advertise.host}.`);
  if (api.bind.port !== 0 && api.bind.port === cluster.bind.port && api.bind.host === cluster.bind.host)
    faults.push(`${place('api.bind')} must be another port than cluster.bind.`);
  return faults;
}

function tlsBlockFaults(file: NodeFile, place: Place): string[] {
  const { cluster, api } = file.security;
  const links = 'security.cluster.mtls';
  // Old clients are a reason for an old version of the API; between the nodes there are none.
  const old = `${place(`${links}.min_version`)}: links are TLS 1.3 alone; only security.api.tls may allow "1.2".`;
  return [
    ...(cluster.mtls.min_version === '1.3' ? [] : [old]),
    ...tlsFaults({ ...cluster.mtls, min_version: '1.3' }, (key) => place(`${links}.${key}`)),
    ...tlsFaults(api.tls, (key) => place(`security.api.tls.${key}`)),
  ];
}

/** How TLS is spoken, where that is weaker than it could be: allowed, and said loudly. */
export const tlsConcerns = ({ security }: NodeFile): string[] => [
  ...tlsWarnings(security.cluster.mtls, 'security.cluster.mtls'),
  ...tlsWarnings(security.api.tls, 'security.api.tls'),
];

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
export const alwaysOn = new Set<string>(
  switches.filter((path) => path !== 'security.api.rate_limiting.enabled' && path !== 'security.audit.enabled'),
);

/** The paths of the protections that the file weakens. */
export function protectionsOff(file: NodeFile): string[] {
  const off: string[] = switches.filter((path) => at(file, path) === false);
  for (const path of ['security.agents.capability_enforcement', 'security.agents.sandbox_enforcement'])
    if (at(file, path) !== 'strict') off.push(path);
  // An act of class A that leaves no durable record is a protection that is off, as if the whole log were.
  off.push(...weakened(auditPolicy(file.security.audit.policy)).map((type) => `security.audit.policy.${type}`));
  return off;
}

/** What development allows, and that development stays on this machine. */
function developmentFaults(file: NodeFile, place: Place): string[] {
  const open = (['cluster', 'api'] as const).filter((block) => !isLoopback(file[block].bind.host));
  if (file.development)
    return open.map((block) => `${place(`${block}.bind`)} must be loopback (127.0.0.1 or ::1) with development: true.`);
  const faults = protectionsOff(file).map(
    (path) => `${place(path)} may be switched off only with development: true and on loopback.`,
  );
  if (file.node.rotation.ca_key_path !== undefined)
    faults.push(
      `${place('node.rotation.ca_key_path')} is only for development: true; whoever takes the node would have the CA.`,
    );
  return faults;
}

/** The denials that the audit policy leaves without any trace, in words: allowed, and never by oversight. */
export function untraced(file: NodeFile): string[] {
  const policy = auditPolicy(file.security.audit.policy);
  return auditTypes
    .filter((type) => classOf(type) === 'denial' && outcomes.some((outcome) => policy[type][outcome] === 'none'))
    .map((type) => `security.audit.policy.${type} is none: what was denied leaves no trace.`);
}

/** What is read with its meaning and has no effect, in words. */
export function notYet(file: NodeFile): string[] {
  const { audit } = file.security;
  return !audit.forward_to_siem && audit.siem.length > 0
    ? ['security.audit.siem names receivers, and nothing is forwarded while forward_to_siem is false.']
    : [];
}
