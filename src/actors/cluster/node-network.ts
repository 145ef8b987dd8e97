import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { limits } from '../../limits.ts';
import type { Address, Clock, DatagramSocket, Network } from '../kernel/ports.ts';
import { listenError } from './listen-error.ts';
import { dialWebSocketLink } from './node-link-dial.ts';
import { listenForWebSocketLinks } from './node-link-server.ts';

/** The network as Node has it: links are WebSockets over mutual TLS 1.3, datagrams are UDP. */
export const createNodeNetwork = ({ clock }: { readonly clock: Clock }): Network => ({
  listenLinks: (options) => listenForWebSocketLinks(options, clock),
  dialLink: (options) => dialWebSocketLink(options, clock),
  bindDatagrams,
});

function bindDatagrams(address: Address): Promise<DatagramSocket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: isIPv6(address.host) ? 'udp6' : 'udp4', reuseAddr: false });
    const failed = (error: NodeJS.ErrnoException) => {
      socket.close();
      reject(listenError(error, address, 'UDP'));
    };
    socket.once('error', failed);
    socket.bind({ address: address.host, port: address.port, exclusive: true }, () => {
      socket.off('error', failed);
      // A datagram that cannot be sent is a datagram lost, which the gossip is made for.
      socket.on('error', () => {});
      resolve({
        address: { host: address.host, port: socket.address().port },
        send: (bytes, to) => socket.send(bytes, to.port, to.host, () => {}),
        onMessage: (handler) =>
          void socket.on('message', (bytes, from) => {
            if (bytes.length <= limits.datagramBytesMax) handler(bytes, { host: from.address, port: from.port });
          }),
        close: () => new Promise((closed) => socket.close(() => closed())),
      });
    });
  });
}
