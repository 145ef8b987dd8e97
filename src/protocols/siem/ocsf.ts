import type { AuditType } from '../audit/event-type.ts';
import type { AuditRecord } from '../audit/record.ts';

/** The release of the Open Cybersecurity Schema Framework whose classes and attributes these are. */
const ocsfVersion = '1.6.0';

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };
type Fields = Readonly<Record<string, Json | undefined>>;

/** Where an event type stands in the schema. */
export interface OcsfClass {
  readonly classUid: number;
  readonly className: string;
  readonly activityId: number;
  readonly activityName: string;
  /** Of a success; what was refused or failed is at least Medium (3). */
  readonly severityId: 1 | 2 | 3 | 4 | 5;
}

const place = (
  classUid: number,
  className: string,
  activityId: number,
  activityName: string,
  severityId: OcsfClass['severityId'] = 1,
): OcsfClass => ({ classUid, className, activityId, activityName, severityId });

const logon = place(3002, 'Authentication', 1, 'Logon');
const call = place(6003, 'API Activity', 99, 'Message');
const updated = place(3004, 'Entity Management', 3, 'Update');
const seen = (what: string): OcsfClass => place(0, 'Base Event', 99, what);

/** The mapping; `docs/operations/siem.md` shows it as a table. */
export const ocsfClasses: Readonly<Record<AuditType, OcsfClass>> = {
  LoginSuccess: logon,
  LoginFailure: logon,
  TokenRefresh: place(3002, 'Authentication', 5, 'Service Ticket Renew'),
  AccessGranted: call,
  AccessDenied: call,
  PrivilegeEscalation: place(2004, 'Detection Finding', 1, 'Create', 4),
  AgentDeployed: place(6002, 'Application Lifecycle', 1, 'Install'),
  AgentRemoved: place(6002, 'Application Lifecycle', 2, 'Remove'),
  AgentCompromised: place(2004, 'Detection Finding', 1, 'Create', 5),
  AgentConflict: place(2004, 'Detection Finding', 1, 'Create', 4),
  ConfigurationChanged: updated,
  SecurityPolicyUpdated: updated,
  CertificateRotated: updated,
  CertificateIssued: place(3004, 'Entity Management', 1, 'Create'),
  NodeEnrolled: place(3004, 'Entity Management', 1, 'Create'),
  LinkEstablished: place(4001, 'Network Activity', 1, 'Open'),
  LinkRefused: place(4001, 'Network Activity', 5, 'Refuse'),
  LinkClosed: place(4001, 'Network Activity', 2, 'Close'),
  GossipKeyRotated: updated,
  MemberChanged: seen('Member Changed'),
  PartitionChanged: seen('Partition Changed'),
  SupervisionEvent: place(6002, 'Application Lifecycle', 5, 'Restart'),
  NodeStarted: place(6002, 'Application Lifecycle', 3, 'Start'),
  NodeStopped: place(6002, 'Application Lifecycle', 4, 'Stop'),
  AuditRepaired: place(1008, 'Event Log Activity', 99, 'Repair', 3),
  AuditRecovered: place(1008, 'Event Log Activity', 9, 'Enable', 3),
  AuditRetired: place(1008, 'Event Log Activity', 2, 'Delete'),
  AuditForked: place(2004, 'Detection Finding', 1, 'Create', 5),
  WitnessChanged: updated,
  TrustChanged: updated,
  VaultKeyRotated: updated,
};

/** How far each outcome raises an event’s severity at least: 3 is Medium. */
const severityNames = ['', 'Informational', 'Low', 'Medium', 'High', 'Critical'] as const;

/**
 * A record of the log as one OCSF event. `version` is the product’s. What the schema has no place for is kept under
 * `unmapped`, so nothing of the record is lost.
 */
export function ocsfEvent(record: AuditRecord, version: string): Fields {
  const kind = ocsfClasses[record.type];
  const { classUid, className, activityId, activityName } = kind;
  const severityId = record.outcome === 'success' ? kind.severityId : Math.max(3, kind.severityId);
  const time = Date.parse(record.time);
  return {
    activity_id: activityId,
    activity_name: activityName,
    category_uid: Math.floor(classUid / 1_000),
    class_uid: classUid,
    class_name: className,
    type_uid: classUid * 100 + activityId,
    time,
    severity_id: severityId,
    severity: severityNames[severityId],
    ...statusOf(record, classUid),
    ...(record.count === undefined ? {} : { count: record.count }),
    message: messageOf(record),
    metadata: {
      version: ocsfVersion,
      profiles: ['host'],
      product: { name: 'Caxton', vendor_name: 'Caxton', version },
      uid: `${record.nodeId}:${record.seq}`,
      sequence: record.seq,
      event_code: record.type,
      log_name: 'audit',
      original_time: record.time,
      ...(record.requestId === undefined ? {} : { correlation_uid: record.requestId }),
    },
    device: { hostname: record.nodeId, name: record.nodeId, type_id: 1 },
    ...attributesOf(record, classUid, activityName),
    unmapped: unmappedOf(record, classUid),
  };
}

function statusOf({ outcome, code, reasons }: AuditRecord, classUid: number): Fields {
  // The status of a finding is what became of it, and nobody has looked at it yet.
  const status = classUid === 2004 ? [1, 'New'] : outcome === 'success' ? [1, 'Success'] : [2, 'Failure'];
  return {
    status_id: status[0],
    status: status[1],
    ...(code === undefined ? {} : { status_code: code }),
    ...(reasons.length === 0 ? {} : { status_detail: reasons.join(' ') }),
  };
}

function messageOf({ type, identity, outcome, count }: AuditRecord): string {
  return `${type} ${outcome}: ${identity}${count === undefined ? '' : ` (${count} times)`}`;
}

/** What each class asks for besides what all share. */
function attributesOf(record: AuditRecord, classUid: number, activityName: string): Fields {
  const { identity, metadata, nodeId, type } = record;
  const user = { name: identity, uid: identity, type_id: type.startsWith('Login') ? 0 : 4 };
  const source = { src_endpoint: sourceOf(record) };
  const app = { name: identity, vendor_name: 'Caxton' };
  switch (classUid) {
    case 3002:
      return { user, ...source, service: { name: 'caxton management API' }, dst_endpoint: { name: nodeId } };
    case 3004:
      return {
        actor: { user },
        ...source,
        entity: { name: type, uid: identity, type: entityTypes[type] ?? 'setting' },
      };
    case 6003:
      return {
        actor: { user },
        ...source,
        api: { operation: String(metadata.operation ?? activityName), service: { name: nodeId } },
        ...(metadata.receiver === undefined ? {} : { resources: [{ name: String(metadata.receiver), type: 'agent' }] }),
      };
    case 6002:
      return { app, actor: { user } };
    case 4001:
      return { ...source, dst_endpoint: { name: nodeId } };
    case 2004:
      return {
        finding_info: { uid: `${nodeId}:${record.seq}`, title: type },
        actor: { user },
        evidences: [{ actor: { user }, ...source }],
      };
    case 1008:
      return { actor: { user }, log_name: 'audit', ...source };
    default:
      return { actor: { user } };
  }
}

const entityTypes: Readonly<Partial<Record<AuditType, string>>> = {
  SecurityPolicyUpdated: 'policy',
  CertificateRotated: 'certificate',
  CertificateIssued: 'certificate',
  GossipKeyRotated: 'key',
  VaultKeyRotated: 'key',
};

const octet = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
const ipv4 = new RegExp(`^${octet}(?:\\.${octet}){3}$`);
const ipv6Group = /^[0-9a-f]{1,4}$/i;

/** Nobody promises that the place an act came from is an address; the schema does. */
function isAddress(text: string): boolean {
  if (ipv4.test(text)) return true;
  const halves = text.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const last = halves.at(-1)?.at(-1) ?? '';
  const groups = halves.flat();
  // The last two groups may be written as an IPv4 address.
  const count = groups.length + (ipv4.test(last) ? 1 : 0);
  const isFull = halves.length === 1 ? count === 8 : halves.length === 2 && count <= 7;
  return isFull && groups.every((group, at) => ipv6Group.test(group) || (at === groups.length - 1 && ipv4.test(group)));
}

const sourceOf = ({ sourceIp, identity }: AuditRecord): Fields =>
  isAddress(sourceIp) ? { ip: sourceIp, name: identity } : { name: identity };

/** Classes without a `src_endpoint`. */
const placeless: ReadonlySet<number> = new Set([0, 6002]);

function unmappedOf(record: AuditRecord, classUid: number): Fields {
  const { seq, time, type, identity, sourceIp, nodeId, outcome, reasons, code, requestId, count, ...rest } = record;
  const { decision, ...more } = rest;
  const hasPlace = sourceIp === '' || (!placeless.has(classUid) && isAddress(sourceIp));
  return {
    ...more,
    ...(decision && { decision: { ...decision } }),
    outcome,
    reasons,
    ...(hasPlace ? {} : { sourceIp }),
  };
}
