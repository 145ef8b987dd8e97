import type { LinkSession } from './link-session.ts';

/** A link of a node, as plain data. */
export interface LinkView {
  readonly peer: string;
  readonly state: string;
  readonly side: 'dialer' | 'acceptor';
  readonly spiffeId: string;
  readonly serial: string;
  readonly tlsProtocol: string;
  readonly keyExchange: string;
  readonly since: string;
}

/** A link as people see it. */
export const linkView = (link: LinkSession): LinkView => ({
  peer: link.nodeId,
  state: link.isReady ? (link.congested ? 'ready.congested' : 'ready.flowing') : 'greeting',
  side: link.side,
  spiffeId: link.svid.spiffeId,
  serial: link.svid.serial,
  tlsProtocol: link.channel.tls.protocol,
  keyExchange: link.keyExchange,
  since: new Date(link.since).toISOString(),
});
