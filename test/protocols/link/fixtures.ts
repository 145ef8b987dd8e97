import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import type { Result } from '../../../src/errors.ts';
import type { NodeId, TrustDomain } from '../../../src/names.ts';
import { decodeFrames, type Frame } from '../../../src/protocols/link/frame.ts';
import type { HandshakeOptions } from '../../../src/protocols/link/handshake.ts';
import type { Hello } from '../../../src/protocols/link/hello.ts';

export { utf8 };

export const nodeId = (text: string): NodeId => text as NodeId;
export const domain = (text: string): TrustDomain => text as TrustDomain;

export const helloOf = (node: string, more: Partial<Hello> = {}): Hello => ({
  versions: [1],
  nodeId: nodeId(node),
  trustDomain: domain('caxton.test'),
  clusterId: 'cluster-1',
  bootEpoch: 1,
  dial: 0,
  features: [],
  addresses: [{ host: '127.0.0.1', port: 7701 }],
  group: '',
  notices: [],
  ...more,
});

export function optionsOf(
  side: 'dialer' | 'acceptor',
  own: Hello,
  peer: string,
  expect: Partial<HandshakeOptions['expect']> = {},
): HandshakeOptions {
  return {
    side,
    own,
    utf8,
    heartbeatMs: 5_000,
    expect: {
      peerNodeId: nodeId(peer),
      trustDomain: domain('caxton.test'),
      clusterId: 'cluster-1',
      ...expect,
    },
  };
}

/** The value of a decoding that must have worked. */
export function decoded<T>(result: Result<{ readonly unverified: T }>): T {
  if (!result.ok) throw new Error(result.refusal.reasons.join(' '));
  return result.value.unverified;
}

/** The only frame of a message. */
export function frameOf(message: Uint8Array): Frame {
  const frames = decodeFrames(message);
  if (!frames.ok || frames.value.length !== 1) throw new Error('expected one frame');
  return frames.value[0]!;
}
