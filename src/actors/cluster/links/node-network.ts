import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { CaxtonError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { addressText } from '../../address.ts';
import type { Address, Clock, DatagramSocket, LinkChannel, LinkDialOptions, Network } from '../../kernel/ports.ts';
import { listenError } from '../../listen-error.ts';
import { nameLookup } from './name-lookup.ts';
import type { LinkTls } from './node-link-channel.ts';
import { dialWebSocketLink } from './node-link-dial.ts';
import { listenForWebSocketLinks } from './node-link-server.ts';

/** The network as Node has it: links are WebSockets over mutual TLS 1.3, datagrams are UDP. */
export const createNodeNetwork = ({ clock, tls }: { readonly clock: Clock; readonly tls?: LinkTls }): Network => ({
  listenLinks: (options) => listenForWebSocketLinks(options, clock, tls),
  dialLink: (options) => dialInTime(options, clock, tls),
  bindDatagrams,
});

/**
 * Dials, and gives up after `linkHandshakeMsMax`: the timeout of ws only looks for silence, which a peer that trickles
 * a byte now and then never keeps. UNREACHABLE, CERTIFICATE_REFUSED.
 */
async function dialInTime(options: LinkDialOptions, clock: Clock, tls: LinkTls | undefined): Promise<LinkChannel> {
  const deadline = new AbortController();
  const timer = clock.setTimeout(() => deadline.abort(), limits.linkHandshakeMsMax);
  try {
    const signal = AbortSignal.any([options.signal, deadline.signal]);
    return await dialWebSocketLink({ ...options, signal }, clock, tls);
  } catch (error) {
    if (error instanceof CaxtonError) throw error;
    // An address comes from a peer’s claim, and one that makes no URL is thrown back before anything was dialled.
    throw new CaxtonError('UNREACHABLE', `${addressText(options.address)} cannot be dialled.`, { cause: error });
  } finally {
    clock.clearTimeout(timer);
  }
}

function bindDatagrams(address: Address): Promise<DatagramSocket> {
  return new Promise((resolve, reject) => {
    const family = isIPv6(address.host) ? 6 : 4;
    const socket = createSocket({ type: `udp${family}`, reuseAddr: false, lookup: nameLookup(family) });
    const failed = (error: NodeJS.ErrnoException) => {
      socket.close();
      reject(listenError(error, address, 'UDP'));
    };
    socket.once('error', failed);
    socket.bind({ address: address.host, port: address.port, exclusive: true }, () => {
      socket.off('error', failed);
      // A datagram that cannot be sent is a datagram lost, which the gossip is made for.
      socket.on('error', () => {});
      const closed = Promise.withResolvers<void>();
      let open = true;
      resolve({
        address: { host: address.host, port: socket.address().port },
        send: (bytes, to) => {
          // Node throws at a wrong port and at a closed socket. Both are lost as well: the port comes from a peer’s
          // claim, and a timer may still fire after the close.
          if (open && isPort(to.port) && bytes.length <= limits.datagramBytesMax)
            socket.send(bytes, to.port, to.host, () => {});
        },
        onMessage: (handler) =>
          void socket.on('message', (bytes, from) => {
            if (bytes.length > limits.datagramBytesMax) return;
            handler(plainBytes(bytes), { host: from.address, port: from.port });
          }),
        close: () => {
          if (open) socket.close(() => closed.resolve());
          open = false;
          return closed.promise;
        },
      });
    });
  });
}

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port <= 0xffff;

/** A Buffer’s `slice` shares memory, an Uint8Array’s copies; whoever is promised the latter must get one. */
const plainBytes = ({ buffer, byteOffset, byteLength }: Buffer): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
