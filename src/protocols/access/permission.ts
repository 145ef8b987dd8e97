/**
 * What an operator, or a program of theirs, may do over the management API. The first nine are ADR-0016’s; the other four
 * are ours, kept apart because whoever deploys need not read the log, and whoever reads the log need not deploy.
 */
export const permissions = [
  'DeployAgent',
  'RemoveAgent',
  'UpdateAgent',
  'ViewMetrics',
  'ModifyConfig',
  'ManageCluster',
  'SendMessage',
  'ReadMessages',
  'TraceMessages',
  'ReadAudit',
  'ManageSecurity',
  'ManageSecrets',
  'Inspect',
] as const;

export type Permission = (typeof permissions)[number];

export const isPermission = (text: string): text is Permission => (permissions as readonly string[]).includes(text);
