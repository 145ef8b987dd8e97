/**
 * What can be audited. The first twelve are ADR-0016’s; the rest is what a cluster without trust must be able to show
 * besides.
 */
export const auditTypes = [
  'LoginSuccess',
  'LoginFailure',
  'TokenRefresh',
  'AccessGranted',
  'AccessDenied',
  'PrivilegeEscalation',
  'AgentDeployed',
  'AgentRemoved',
  'AgentCompromised',
  'AgentConflict',
  'ConfigurationChanged',
  'SecurityPolicyUpdated',
  'CertificateRotated',
  'CertificateIssued',
  'NodeEnrolled',
  'LinkEstablished',
  'LinkRefused',
  'LinkClosed',
  'GossipKeyRotated',
  'TrustChanged',
  'MemberChanged',
  'PartitionChanged',
  'SupervisionEvent',
  'NodeStarted',
  'NodeStopped',
  'VaultKeyRotated',
  'AuditRepaired',
  'AuditRecovered',
  'AuditRetired',
  'AuditForked',
  'WitnessChanged',
] as const;

export type AuditType = (typeof auditTypes)[number];

/** What the log says of itself: no policy takes these out, since without them a gap could not be told from an attack. */
export const ownTypes: readonly AuditType[] = ['AuditRepaired', 'AuditRecovered', 'AuditRetired', 'AuditForked'];

/**
 * How a record is kept. `A`: each one in full, durable before the act it records is answered. `B`: counted within a
 * window, may be lost with it. `denial`: some in full, then counted, since strangers cause them and must not be able to
 * fill the disk.
 */
export type AuditClass = 'A' | 'B' | 'denial';

const classes: Readonly<Record<AuditType, AuditClass>> = {
  LoginSuccess: 'A',
  // Anybody who reaches the port can cause these two without any credential.
  LoginFailure: 'denial',
  LinkRefused: 'denial',
  AccessDenied: 'denial',
  // Any member with a manifest that places the agent there can cause it, as often as it likes.
  AgentConflict: 'denial',
  TokenRefresh: 'A',
  PrivilegeEscalation: 'A',
  AgentDeployed: 'A',
  AgentRemoved: 'A',
  AgentCompromised: 'A',
  ConfigurationChanged: 'A',
  SecurityPolicyUpdated: 'A',
  CertificateRotated: 'A',
  CertificateIssued: 'A',
  NodeEnrolled: 'A',
  GossipKeyRotated: 'A',
  TrustChanged: 'A',
  NodeStarted: 'A',
  NodeStopped: 'A',
  VaultKeyRotated: 'A',
  AuditRepaired: 'A',
  AuditRecovered: 'A',
  AuditRetired: 'A',
  AuditForked: 'A',
  AccessGranted: 'B',
  // Observations: nobody waits for them, and a flapping peer repeats them without end.
  LinkEstablished: 'B',
  LinkClosed: 'B',
  MemberChanged: 'B',
  PartitionChanged: 'B',
  SupervisionEvent: 'B',
  WitnessChanged: 'B',
};

export const classOf = (type: AuditType): AuditClass => classes[type];

/**
 * Whether an event is counted past the first ones of its source: those of the class, and an escalation that was refused,
 * since whoever holds a token that was widened can present it without end.
 */
export const isDenial = ({ type, outcome }: { readonly type: AuditType; readonly outcome: string }): boolean =>
  classes[type] === 'denial' || (type === 'PrivilegeEscalation' && outcome === 'refused');
