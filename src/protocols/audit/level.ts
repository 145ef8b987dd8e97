import { type AuditClass, type AuditType, auditTypes, classOf, ownTypes } from './event-type.ts';
import { type AuditEvent, type AuditMetadata, type Outcome, outcomes } from './record.ts';

/**
 * How much of an event is kept. `none`: nothing. `aggregate`: the first of its kind in full, then counts, each minute.
 * `metadata`: who did what, when, from where and with what outcome. `full`: that, every reason and all metadata.
 */
export const auditLevels = ['none', 'aggregate', 'metadata', 'full'] as const;
export type AuditLevel = (typeof auditLevels)[number];

/** The level of every event. */
export type AuditPolicy = Readonly<Record<AuditType, Readonly<Record<Outcome, AuditLevel>>>>;

/** What a configuration may say of a type: one level for all outcomes, or one for each that differs. */
export type AuditPolicyEntry = AuditLevel | Readonly<Partial<Record<Outcome, AuditLevel | undefined>>>;

const defaultOfClass: Readonly<Record<AuditClass, AuditLevel>> = { A: 'full', B: 'aggregate', denial: 'full' };

/** The policy of a configuration: what it leaves out is `full`, but for class B, which is `aggregate`. */
export function auditPolicy(
  entries: Readonly<Partial<Record<AuditType, AuditPolicyEntry | undefined>>> = {},
): AuditPolicy {
  const levels = auditTypes.map((type) => {
    const entry = ownTypes.includes(type) ? 'full' : entries[type];
    const usual = defaultOfClass[classOf(type)];
    const byOutcome = outcomes.map((outcome) => [
      outcome,
      typeof entry === 'string' ? entry : (entry?.[outcome] ?? usual),
    ]);
    return [type, Object.fromEntries(byOutcome)];
  });
  return Object.fromEntries(levels) as AuditPolicy;
}

/** The policy of a log that is switched off. */
export const nothingAudited: AuditPolicy = auditPolicy(
  Object.fromEntries(auditTypes.map((type) => [type, 'none'])) as Record<AuditType, AuditLevel>,
);

/** The types of class A whose records this policy does not make durable before their act. */
export const weakened = (policy: AuditPolicy): readonly AuditType[] =>
  auditTypes.filter(
    (type) =>
      classOf(type) === 'A' &&
      outcomes.some((outcome) => policy[type][outcome] === 'none' || policy[type][outcome] === 'aggregate'),
  );

/** What tells who was concerned; the rest of the metadata is detail. */
const concerning = ['sender', 'receiver', 'operation', 'by', 'generation', 'serial', 'bootEpoch', 'through'] as const;

/** The event at the level `metadata`. */
export function withoutDetail(event: AuditEvent): AuditEvent & { readonly level: 'metadata' } {
  const metadata: Record<string, AuditMetadata[string]> = {};
  for (const key of concerning) {
    const value = event.metadata[key];
    if (value !== undefined) metadata[key] = value;
  }
  return { ...event, reasons: [], metadata, level: 'metadata' };
}
