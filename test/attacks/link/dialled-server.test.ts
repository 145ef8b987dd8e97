import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NodeConfig } from '../../../src/config.ts';
import type { ClusterLayout } from '../../../src/development/layout.ts';
import type { NodeId } from '../../../src/names.ts';
import type { Hello } from '../../../src/protocols/link/hello.ts';
import { type BootedNode, bootNode } from '../lab/boot-node.ts';
import { type Mint, mintCa, mintLeaf } from '../lab/mint.ts';
import { until } from '../lab/until.ts';
import { helloOf, nextSource, webSocketFrame } from '../lab/wire.ts';

/** The answer that makes the connection of this request a WebSocket (RFC 6455 §4.2.2). */
function switched(request: string, ...more: readonly string[]): string {
  const key = /^sec-websocket-key: (.*)$/im.exec(request)?.[1]?.trim();
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
  return [...lines, `Sec-WebSocket-Accept: ${accept}`, ...more, '\r\n'].join('\r\n');
}

type Answer = (socket: TLSSocket, request: string) => void;

const answers =
  (answer: (request: string) => string | Uint8Array): Answer =>
  (socket, request) =>
    void socket.write(answer(request));

/** What a server that the target dials does wrong. */
interface Wrong {
  readonly name: string;
  readonly mint?: Partial<Mint>;
  readonly otherCa?: boolean;
  readonly tls?: TlsOptions;
  readonly request?: Answer;
  /** What the audit log says; without it the dial just fails. */
  readonly reason?: RegExp;
}

const hourMs = 3_600_000;
let config: NodeConfig;
/** Upgrades, and sends one message. */
const message = (payload: () => Uint8Array, masked = false): Answer =>
  answers((request) => Buffer.concat([Buffer.from(switched(request)), webSocketFrame({ payload: payload(), masked })]));
/** Upgrades, and says hello before it was greeted. */
const hello = (over: Partial<Hello>): Answer =>
  message(() => helloOf({ config }, { nodeId: 'wrong' as NodeId, dial: 0, ...over }));

const wrongs: readonly Wrong[] = [
  { name: 'shows a certificate of another CA', otherCa: true, reason: /OTHER_CA: .*(UNABLE_TO|SELF_SIGNED)/ },
  {
    name: 'shows one that has expired',
    mint: { fromMs: -2 * hourMs, untilMs: -hourMs },
    reason: /EXPIRED: .*CERT_HAS_EXPIRED/,
  },
  {
    name: 'shows one of tomorrow',
    mint: { fromMs: hourMs, untilMs: 2 * hourMs },
    reason: /NOT_YET_VALID: .*CERT_NOT_YET_VALID/,
  },
  { name: 'speaks TLS 1.2', tls: { maxVersion: 'TLSv1.2' }, reason: /alert protocol version/ },
  {
    name: 'agrees on no protocol',
    tls: { ALPNProtocols: [] },
    request: answers(switched),
    reason: /NO_ALPN: .*caxton-link/,
  },
  {
    name: 'shows one with two names',
    mint: { uris: ['spiffe://dev.caxton.internal/node/wrong', 'spiffe://dev.caxton.internal/node/friend'] },
    request: answers(switched),
    reason: /TWO_URI_NAMES: /,
  },
  {
    name: 'shows one whose common name is another node’s',
    mint: { commonName: 'friend' },
    request: answers(switched),
    reason: /CN_MISMATCH: /,
  },
  { name: 'answers with a page', request: answers(() => 'HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n') },
  { name: 'sends elsewhere', request: answers(() => 'HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\n\r\n') },
  { name: 'sends a header without end', request: answers(() => `HTTP/1.1 101 X\r\nX: ${'x'.repeat(1_000_000)}`) },
  { name: 'proves nothing about its answer', request: answers(() => switched('Sec-WebSocket-Key: other')) },
  {
    name: 'compresses what was not to be compressed',
    request: answers((request) => switched(request, 'Sec-WebSocket-Extensions: permessage-deflate')),
  },
  { name: 'sends noise', request: message(() => new Uint8Array(64).fill(0xa5)), reason: /format 165/ },
  {
    name: 'masks as only clients may',
    request: message(() => new Uint8Array(12), true),
    reason: /WebSocket|message of a link|MASK/i,
  },
  { name: 'is of another cluster', request: hello({ clusterId: 'other' }), reason: /another cluster/ },
  { name: 'numbers a dial that it did not make', request: hello({ dial: 7 }), reason: /numbers its dial 7/ },
  {
    name: 'calls itself another node',
    request: hello({ nodeId: 'friend' as NodeId }),
    reason: /its certificate is of wrong/,
  },
];

let booted: BootedNode;
const servers: Server[] = [];
const dialled = new Map<string, { readonly source: string; count: number }>();

/** Starts one, on an address of its own. */
async function serve(layout: ClusterLayout, wrong: Wrong): Promise<string> {
  const read = (file: string): string => readFileSync(file, 'utf8');
  const own = { certPem: read(layout.caCert), keyPem: read(layout.caKey) };
  const domain = 'dev.caxton.internal';
  const credentials = mintLeaf(wrong.otherCa ? mintCa(domain) : own, domain, { nodeId: 'wrong', ...wrong.mint });
  const source = nextSource();
  const seen = { source, count: 0 };
  dialled.set(wrong.name, seen);
  const options = {
    ...credentials,
    ca: own.certPem,
    requestCert: true,
    ALPNProtocols: ['caxton-link/1'],
    ...wrong.tls,
  };
  const server = createServer(options, (socket) => {
    let request = '';
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      if (request.includes('\r\n\r\n')) return;
      request += bytes.toString('latin1');
      if (request.includes('\r\n\r\n')) wrong.request?.(socket, request);
    });
  });
  server.on('connection', () => {
    seen.count += 1;
  });
  server.on('tlsClientError', () => {});
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, source, resolve));
  return `${source}:${(server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  booted = await bootNode((layout, own) => {
    config = own;
    return Promise.all(wrongs.map((wrong) => serve(layout, wrong)));
  });
});
afterAll(async () => {
  await booted.dispose();
  for (const server of servers) server.close();
});

describe('a server that the node dials and that', () => {
  it.each(wrongs)('$name, gets no link, and the node says why', async ({ name, reason }) => {
    const { source } = dialled.get(name)!;
    await until('it was dialled', () => dialled.get(name)!.count > 0);
    if (reason) await booted.audited('LinkRefused', source, reason);
    else await until('it is dialled again', () => dialled.get(name)!.count > 1);
    await booted.serves();
  });

  it('was one of many, has cost no link to anybody else', async () => {
    expect(booted.node.control.links().map(({ peer }) => peer)).toEqual(['friend']);
    expect(booted.metric('link_dials_failed')).toBeGreaterThan(0);
    await booted.letsIn();
  });
});
