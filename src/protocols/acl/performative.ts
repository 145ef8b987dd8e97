/** The 22 communicative acts of FIPA-ACL (SC00037J). The order is the wire code: append only. */
export const performatives = [
  'accept-proposal',
  'agree',
  'cancel',
  'cfp',
  'confirm',
  'disconfirm',
  'failure',
  'inform',
  'inform-if',
  'inform-ref',
  'not-understood',
  'propagate',
  'propose',
  'proxy',
  'query-if',
  'query-ref',
  'refuse',
  'reject-proposal',
  'request',
  'request-when',
  'request-whenever',
  'subscribe',
] as const;

export type Performative = (typeof performatives)[number];

const known: ReadonlySet<string> = new Set(performatives);

export const isPerformative = (text: string): text is Performative => known.has(text);
