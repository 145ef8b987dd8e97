import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import type { NodeId } from '../../../src/names.ts';
import { encodeFrame } from '../../../src/protocols/link/frame.ts';
import { encodeHello, encodeReady, type Hello } from '../../../src/protocols/link/hello.ts';
import type { BootedNode } from './boot-node.ts';
import { until } from './until.ts';

/** An attacker’s connection, raw: what it sends is sent as it is. */
export interface Wire {
  readonly socket: Socket;
  /** Everything heard so far, as one character a byte. */
  heard(): string;
  readonly isCut: () => boolean;
  /** Waits until the node has cut it; returns the milliseconds since it was opened. */
  cut(withinMs?: number): Promise<number>;
}

/** A loopback address of its own for each attacker, so that the audit log tells them apart. */
let sources = 0;
export const nextSource = (): string => `127.0.7.${++sources}`;

function wire(socket: Socket): Wire {
  const began = performance.now();
  let text = '';
  let endedMs: number | undefined;
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    if (text.length < 1_000_000) text += bytes.toString('latin1');
  });
  socket.once('close', () => {
    endedMs = performance.now() - began;
  });
  return {
    socket,
    heard: () => text,
    isCut: () => endedMs !== undefined,
    async cut(withinMs = 10_000) {
      await until('the node cuts the connection', () => endedMs !== undefined, withinMs);
      return endedMs!;
    },
  };
}

const linkPort = ({ config }: BootedNode): { host: string; port: number } => config.cluster.bind;

/** A TCP connection to the link port. */
export async function tcpTo(booted: BootedNode, localAddress: string): Promise<Wire> {
  const made = wire(connectTcp({ ...linkPort(booted), localAddress }));
  await until('TCP is connected', () => !made.socket.connecting);
  return made;
}

/** A TLS connection to the link port, as the stranger unless told otherwise. TLS 1.3 stands before the node has judged. */
export async function tlsTo(booted: BootedNode, localAddress: string, over: ConnectionOptions = {}): Promise<Wire> {
  const shown = { ...booted.credentialsOf('stranger'), ca: booted.ca.certPem, ALPNProtocols: ['caxton-link/1'] };
  // A property of net.connect that the types of tls.connect do not have.
  const options = { ...linkPort(booted), rejectUnauthorized: false, localAddress, ...shown, ...over };
  const socket = connectTls(options as ConnectionOptions);
  const made = wire(socket);
  let stands = false;
  socket.once('secureConnect', () => {
    stands = true;
  });
  await until('TLS stands or was refused', () => stands || made.isCut());
  return made;
}

/** The request that makes a TLS connection a WebSocket. */
export const upgradeRequest = [
  'GET / HTTP/1.1',
  'Host: target',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  '\r\n',
].join('\r\n');

/** A WebSocket connection that has not said hello. */
export async function upgradedTo(booted: BootedNode, localAddress: string, over?: ConnectionOptions): Promise<Wire> {
  const made = await tlsTo(booted, localAddress, over);
  made.socket.write(upgradeRequest);
  await until('the upgrade is answered', () => made.heard().includes('\r\n\r\n') || made.isCut());
  return made;
}

/** A link of the stranger that is up. Higher `dial` numbers take the place of lower ones. */
export async function linkedTo(booted: BootedNode, localAddress: string, dial: number): Promise<Wire> {
  const made = await upgradedTo(booted, localAddress);
  made.socket.write(webSocketFrame({ payload: helloOf(booted, { dial }) }));
  made.socket.write(webSocketFrame({ payload: readyFrame() }));
  await until('the link is up', () => booted.node.control.links().some(({ peer }) => peer === 'stranger'));
  return made;
}

/** One WebSocket frame as a client sends it (RFC 6455 §5.2); whole, binary and masked unless told otherwise. */
export function webSocketFrame(frame: {
  readonly payload: Uint8Array;
  readonly opcode?: number;
  readonly fin?: boolean;
  readonly compressed?: boolean;
  readonly masked?: boolean;
}): Buffer {
  const { payload, opcode = 2, fin = true, compressed = false, masked = true } = frame;
  const first = (fin ? 0x80 : 0) | (compressed ? 0x40 : 0) | opcode;
  const maskBit = masked ? 0x80 : 0;
  const length = Buffer.alloc(payload.length < 126 ? 1 : payload.length < 65_536 ? 3 : 9);
  length[0] = maskBit | (length.length === 1 ? payload.length : length.length === 3 ? 126 : 127);
  if (length.length === 3) length.writeUInt16BE(payload.length, 1);
  if (length.length === 9) length.writeBigUInt64BE(BigInt(payload.length), 1);
  // A mask of zeros leaves the bytes as they are, and is as good as any.
  return Buffer.concat([Buffer.of(first), length, Buffer.alloc(masked ? 4 : 0), payload]);
}

/** The stranger’s hello, as it should be but for what is replaced. */
export const helloOf = ({ config }: Pick<BootedNode, 'config'>, over: Partial<Hello> = {}): Uint8Array =>
  encodeFrame(
    'hello',
    encodeHello(utf8, {
      versions: [1],
      nodeId: 'stranger' as NodeId,
      trustDomain: config.cluster.trustDomain,
      clusterId: config.cluster.id,
      bootEpoch: 1,
      dial: 1,
      features: [],
      addresses: [{ host: '127.0.0.1', port: 9 }],
      group: '',
      notices: [],
      ...over,
    }),
  );

export const readyFrame = (): Uint8Array => encodeFrame('ready', encodeReady(utf8, { version: 1, heartbeatMs: 5_000 }));
