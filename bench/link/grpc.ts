/** gRPC (grpc-js), unary calls over mutual TLS: `grpc.ts server <folder>`, `grpc.ts client <folder> <port>`. */
import { join } from 'node:path';
import { payload } from '../caxton.ts';
import { type Grpc, type ProtoLoader, peer } from '../peers.ts';
import { measureCalls } from '../runner/calls.ts';
import { play } from '../runner/process.ts';
import { readCertificate } from './certificates.ts';

const [, , role, folder = '', port] = process.argv;
const grpc = await peer<Grpc>('@grpc/grpc-js');
const { loadSync } = await peer<ProtoLoader>('@grpc/proto-loader');
const { Echo } = grpc.loadPackageDefinition(loadSync(join(import.meta.dirname, 'echo.proto'))).bench;

if (role === 'server') {
  const { ca, cert, key } = readCertificate(folder, 'server');
  const server = new grpc.Server();
  server.addService(Echo.service, { call: ({ request }, callback) => callback(null, { data: request.data }) });
  const credentials = grpc.ServerCredentials.createSsl(ca, [{ private_key: key, cert_chain: cert }], true);
  server.bindAsync('127.0.0.1:0', credentials, (error, bound) => {
    if (error) throw error;
    play({ ready: bound, stop: () => server.forceShutdown() });
  });
} else {
  const { ca, cert, key } = readCertificate(folder, 'client');
  const client = new Echo(`127.0.0.1:${port}`, grpc.credentials.createSsl(ca, key, cert));
  const call = () =>
    new Promise<void>((resolve, reject) => {
      client.call({ data: payload }, (error, answer) => {
        if (error) reject(error);
        else if (answer.data.length !== payload.length) reject(new Error('not what was sent'));
        else resolve();
      });
    });
  play({ round: (plan) => measureCalls(call, plan), stop: () => client.close() });
}
