import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { type ApiLab, apiLab, ca, exchange } from '../../actors/operations/api/api-lab.ts';

let lab: ApiLab;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await lab.api.close();
});

const connected = (make: () => Socket, event: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = make();
    sockets.push(socket);
    socket.once(event, () => resolve(socket)).on('error', reject);
    socket.resume();
  });

describe('a crowd of connections that say nothing', () => {
  it.each([
    ['in TCP alone', () => connectTcp(lab.address.port, lab.address.host), 'connect'],
    [
      'after TLS',
      () => connectTls({ ...lab.address, ca: ca.certPem, ALPNProtocols: ['h2', 'http/1.1'] }),
      'secureConnect',
    ],
  ])('%s does not keep the operator out', async (_, make, event) => {
    lab = await apiLab();
    for (let held = 0; held < limits.apiConnectionsMax + 8; held += 40)
      await Promise.all(Array.from({ length: 40 }, () => connected(make, event)));
    const answer = await exchange(lab.address, 'GET', '/api/v1/status', { authorization: `Bearer ${lab.key}` });
    expect(answer.status).toBe(200);
  });
});
