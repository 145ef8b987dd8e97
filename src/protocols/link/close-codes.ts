/** Why a link is closed: the WebSocket close code, with its meaning for people. Append only. */
export const closeCodes = {
  goodbye: { code: 4000, meaning: 'the node stops or no longer needs the link' },
  protocolViolation: { code: 4001, meaning: 'the peer sent what the protocol does not allow at this point' },
  handshakeTimeout: { code: 4002, meaning: 'the handshake did not finish in time' },
  certificateRefused: { code: 4003, meaning: 'the certificate is not acceptable for the expected node' },
  duplicate: { code: 4004, meaning: 'another link to the same node is kept' },
  revoked: { code: 4005, meaning: 'the identity was revoked' },
  silence: { code: 4006, meaning: 'nothing was heard for too long' },
  limit: { code: 4007, meaning: 'a limit was exceeded' },
  expired: { code: 4008, meaning: 'the certificate has reached its end' },
  foreign: { code: 4009, meaning: 'the peer is of another cluster or trust domain, or not who was expected' },
  self: { code: 4010, meaning: 'the peer is this node itself' },
  suspended: { code: 4011, meaning: 'the node is suspended' },
} as const;

export type CloseReason = keyof typeof closeCodes;

const reasons = new Map<number, CloseReason>(
  Object.entries(closeCodes).map(([reason, { code }]) => [code, reason as CloseReason]),
);

/** What the table says of a close code; undefined for one that is not in it. */
export const reasonOfCloseCode = (code: number): CloseReason | undefined => reasons.get(code);
