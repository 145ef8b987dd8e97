/** A bare WebSocket over mutual TLS 1.3: `ws.ts server <folder>`, `ws.ts client <folder> <port>`. */
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { payload } from '../caxton.ts';
import { measureCalls } from '../runner/calls.ts';
import { play } from '../runner/process.ts';
import { readCertificate } from './certificates.ts';

const [, , role, folder = '', port] = process.argv;
const tls = { minVersion: 'TLSv1.3', rejectUnauthorized: true } as const;

if (role === 'server') {
  const server = createServer({ ...readCertificate(folder, 'server'), ...tls, requestCert: true });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data as Buffer)));
  server.listen(0, '127.0.0.1', () => play({ ready: (server.address() as AddressInfo).port }));
} else {
  const options = { ...readCertificate(folder, 'client'), ...tls, servername: 'localhost', perMessageDeflate: false };
  const socket = new WebSocket(`wss://127.0.0.1:${port}`, options);
  // One connection keeps the order, so the oldest question is the one that was answered.
  const waiting: (() => void)[] = [];
  socket.on('message', (data) => {
    if ((data as Buffer).length !== payload.length) throw new Error('not what was sent');
    waiting.shift()?.();
  });
  const call = () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve);
      socket.send(payload);
    });
  socket.on('open', () => play({ round: (plan) => measureCalls(call, plan) }));
}
