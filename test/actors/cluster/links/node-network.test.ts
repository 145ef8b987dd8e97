import { createSocket } from 'node:dgram';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { createNodeNetwork } from '../../../../src/actors/cluster/links/node-network.ts';
import { nodeClock } from '../../../../src/actors/kernel/node-clock.ts';
import type { Address, LinkChannel, TlsIdentity } from '../../../../src/actors/kernel/ports.ts';
import { issueIntermediateCa } from '../../../../src/crypto/certificate.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { verifyNodeSvid } from '../../../../src/crypto/svid.ts';
import { unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import {
  connectTcp,
  derOf,
  domain,
  identityOf,
  listenTo,
  loopback,
  makeCa,
  serveLinks,
  serveTcp,
  Undo,
  until,
} from './link-lab.ts';

const ca = makeCa();
const one = identityOf(ca, 'node-1');
const two = identityOf(ca, 'node-2');
const network = createNodeNetwork({ clock: nodeClock });
const undo = new Undo();

afterEach(() => undo.run());

const dial = async (address: Address, identity: TlsIdentity = two): Promise<LinkChannel> =>
  undo.add(await network.dialLink({ address, identity, signal: new AbortController().signal }), (channel) =>
    channel.close(4000, 'the test ends'),
  );

const codeOf = async (dialled: Promise<unknown>): Promise<string> => {
  const error = await dialled.then(
    () => new Error('it was dialled'),
    (refused: unknown) => refused,
  );
  return String((error as { code?: unknown }).code ?? error);
};

/** A TLS client of our own making, for what `dialLink` would never do. */
interface RawClient {
  readonly socket: TLSSocket;
  readonly error: () => string | undefined;
  readonly ended: () => boolean;
}

function connectTls(address: Address, options: ConnectionOptions): RawClient {
  let error: string | undefined;
  let ended = false;
  const socket = connect({ host: address.host, port: address.port, checkServerIdentity: () => undefined, ...options });
  socket.on('error', (failed: NodeJS.ErrnoException) => {
    error = failed.code ?? failed.message;
  });
  socket.on('close', () => {
    ended = true;
  });
  undo.add(socket, (open) => open.destroy());
  return { socket, error: () => error, ended: () => ended };
}

const asClient = ({ certPem, keyPem, caPem }: TlsIdentity): ConnectionOptions => ({
  cert: certPem,
  key: keyPem,
  ca: caPem,
  ALPNProtocols: ['caxton-link/1'],
});

describe('a link', () => {
  it('is TLS 1.3 with the post-quantum key exchange, and shows each side the other’s certificate', async () => {
    const { server, channels } = await serveLinks(undo, network, one);
    const dialled = await dial(server.address);
    const accepted = await until('the channel is accepted', () => channels[0]);
    expect(dialled).toMatchObject({ side: 'dialer', remote: server.address });
    expect(accepted).toMatchObject({ side: 'acceptor', remote: { host: '127.0.0.1' } });
    expect(dialled.tls).toEqual({
      protocol: 'TLSv1.3',
      cipher: expect.stringContaining('TLS_'),
      group: 'X25519MLKEM768',
    });
    expect(accepted.tls).toMatchObject({ protocol: 'TLSv1.3', group: undefined });
    expect(dialled.peerCertificate).toEqual(derOf(one.certPem));
    expect(accepted.peerCertificate).toEqual(derOf(two.certPem));
  });

  it('carries messages whole and in order, both ways', async () => {
    const { server, channels } = await serveLinks(undo, network, one);
    const dialled = await dial(server.address);
    const heardByDialer = listenTo(dialled);
    const accepted = await until('the channel is accepted', () => channels[0]);
    const heard = listenTo(accepted);
    const large = new Uint8Array(limits.linkMessageBytesMax).fill(7);
    for (const message of [Uint8Array.of(1), new Uint8Array(0), large]) dialled.send(message);
    accepted.send(Uint8Array.of(9, 9));
    await until('three messages came', () => heard.messages.length === 3);
    await until('the answer came', () => heardByDialer.messages.length === 1);
    expect(heard.messages.map((message) => message.length)).toEqual([1, 0, limits.linkMessageBytesMax]);
    expect(Buffer.compare(heard.messages[2]!, large)).toBe(0);
    expect([...heardByDialer.messages[0]!]).toEqual([9, 9]);
  });

  it('keeps messages until somebody listens', async () => {
    const { server, channels } = await serveLinks(undo, network, one);
    const dialled = await dial(server.address);
    dialled.send(Uint8Array.of(5));
    const accepted = await until('the channel is accepted', () => channels[0]);
    await until('the message has left', () => dialled.bufferedBytes === 0);
    const heard = listenTo(accepted);
    await until('it came', () => heard.messages.length === 1);
  });

  it('tells both sides of its end exactly once, the code and reason with it', async () => {
    const { server, channels } = await serveLinks(undo, network, one);
    const dialled = await dial(server.address);
    const near = listenTo(dialled);
    const far = listenTo(await until('the channel is accepted', () => channels[0]));
    dialled.close(4004, 'another one is kept');
    dialled.close(4000, 'again');
    await until('both heard', () => near.ends.length > 0 && far.ends.length > 0);
    dialled.close(4000, 'and again');
    dialled.send(Uint8Array.of(1));
    expect(far.ends).toEqual([{ code: 4004, reason: 'another one is kept' }]);
    expect(near.ends).toHaveLength(1);
  });

  it('takes a close reason of any length, cut between characters', async () => {
    const { server, channels } = await serveLinks(undo, network, one);
    const dialled = await dial(server.address);
    const far = listenTo(await until('the channel is accepted', () => channels[0]));
    dialled.close(4001, 'ö'.repeat(200));
    await until('the end came', () => far.ends.length > 0);
    expect(far.ends).toEqual([{ code: 4001, reason: 'ö'.repeat(61) }]);
  });

  it('hands out plain bytes, whose slice is a copy', async () => {
    const { server, channels } = await serveLinks(undo, network, one);
    const dialled = await dial(server.address);
    const far = listenTo(await until('the channel is accepted', () => channels[0]));
    dialled.send(Uint8Array.of(1));
    const bytes = await until('it came', () => far.messages[0]);
    bytes.slice()[0] = 9;
    expect(bytes[0]).toBe(1);
  });

  it('is cut after a second when the peer does not answer the close', async () => {
    const clock = new ManualClock();
    const { server, channels } = await serveLinks(undo, network, one);
    const channel = await createNodeNetwork({ clock }).dialLink({
      address: server.address,
      identity: two,
      signal: new AbortController().signal,
    });
    const near = listenTo(channel);
    await until('the channel is accepted', () => channels[0]);
    // Nobody listens at the other end, so that nothing is read there and the close is never answered.
    channel.close(4000, 'goodbye');
    expect(clock.pending).toBe(1);
    clock.advance(1_000);
    await until('it is cut', () => near.ends.length === 1);
    expect(clock.pending).toBe(0);
  });

  it('ends when a message is over the limit', async () => {
    const { server, channels } = await serveLinks(undo, network, one);
    const dialled = await dial(server.address);
    const near = listenTo(dialled);
    const far = listenTo(await until('the channel is accepted', () => channels[0]));
    dialled.send(new Uint8Array(limits.linkMessageBytesMax + 1));
    await until('both ended', () => near.ends.length > 0 && far.ends.length > 0);
    expect(far.messages).toEqual([]);
    expect(near.ends[0]?.code).toBe(1009);
  });

  it('says when its send buffer has run dry again', async () => {
    const { server, channels } = await serveLinks(undo, network, one);
    const dialled = await dial(server.address);
    const near = listenTo(dialled);
    const accepted = await until('the channel is accepted', () => channels[0]);
    const chunk = new Uint8Array(limits.linkBufferBytesHigh);
    for (let sent = 0; sent < 8; sent++) dialled.send(chunk);
    expect(dialled.bufferedBytes).toBeGreaterThan(limits.linkBufferBytesHigh);
    expect(near.drained).toBe(0);
    const far = listenTo(accepted);
    await until('everything came', () => far.messages.length === 8);
    await until('the drain was told', () => near.drained === 1);
    expect(dialled.bufferedBytes).toBeLessThanOrEqual(limits.linkBufferBytesHigh);
  });
});

describe('a server of links', () => {
  it.each<[string, () => ConnectionOptions, RegExp]>([
    [
      'without a certificate',
      () => ({ ca: ca.certPem, ALPNProtocols: ['caxton-link/1'] }),
      /PEER_DID_NOT_RETURN_A_CERT/,
    ],
    [
      'with a certificate of another CA',
      () => asClient(identityOf(makeCa(), 'node-2', { caPem: ca.certPem })),
      /UNABLE_TO_|SIGNATURE|SELF_SIGNED/,
    ],
    ['that speaks TLS 1.2 at most', () => ({ ...asClient(two), maxVersion: 'TLSv1.2' }), /UNSUPPORTED_PROTOCOL/],
    ['that offers another protocol', () => ({ ...asClient(two), ALPNProtocols: ['http/1.1'] }), /ALPN|NO_APPLICATION/i],
  ])('refuses a client %s, and says why', async (_, options, reason) => {
    const { server, channels, refused } = await serveLinks(undo, network, one);
    const client = connectTls(server.address, options());
    await until('it is refused', () => refused.length > 0);
    await until('the client is cut', client.ended);
    expect(refused[0]?.reason).toMatch(reason);
    expect(channels).toEqual([]);
  });

  it('says from where a client came that showed no certificate', async () => {
    const { server, refused } = await serveLinks(undo, network, one);
    const client = connectTls(server.address, { ca: ca.certPem, ALPNProtocols: ['caxton-link/1'] });
    await until('it is refused', () => refused.length > 0);
    await until('the client is cut', client.ended);
    expect(refused[0]?.remote.host).toBe('127.0.0.1');
  });

  it('refuses an upgrade by a client that offers no protocol in TLS', async () => {
    const { server, channels, refused } = await serveLinks(undo, network, one);
    const { ALPNProtocols: _, ...options } = asClient(two);
    const client = connectTls(server.address, options);
    client.socket.write(upgradeRequest);
    await until('it is refused', () => refused.length > 0);
    await until('the client is cut', client.ended);
    expect(refused).toEqual([{ remote: expect.anything(), reason: expect.stringContaining('caxton-link/1') }]);
    expect(channels).toEqual([]);
  });

  it('answers a request for a page with 426 and nothing else', async () => {
    const { server, channels } = await serveLinks(undo, network, one);
    const client = connectTls(server.address, asClient(two));
    let answer = '';
    client.socket.on('data', (bytes) => {
      answer += bytes.toString();
    });
    client.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await until('the connection ends', client.ended);
    expect(answer).toMatch(/^HTTP\/1\.1 426 /);
    expect(channels).toEqual([]);
  });

  it('never resumes a session, so that each connection is judged anew', async () => {
    const { server } = await serveLinks(undo, network, one);
    let session: Buffer | undefined;
    const first = connectTls(server.address, asClient(two));
    first.socket.on('session', (given) => {
      session = given;
    });
    await until('TLS is done', () => first.socket.authorized);
    first.socket.resume();
    first.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await until('the first is over', first.ended);
    // Without a session to offer there is nothing to resume; with one it must not be taken.
    const second = connectTls(server.address, { ...asClient(two), ...(session ? { session } : {}) });
    await until('TLS is done', () => second.socket.authorized);
    expect(second.socket.isSessionReused()).toBe(false);
  });

  it('resumes none with a client whose CA was taken away since', async () => {
    const { server, channels, refused } = await serveLinks(undo, network, one);
    let session: Buffer | undefined;
    const first = connectTls(server.address, asClient(two));
    first.socket.on('session', (given) => {
      session = given;
    });
    await until('TLS is done', () => first.socket.authorized);
    first.socket.resume();
    first.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await until('the first is over', first.ended);
    const next = makeCa();
    server.setIdentity(identityOf(next, 'node-1'));
    const second = connectTls(server.address, {
      ...{ ...asClient(two), rejectUnauthorized: false },
      ...(session ? { session } : {}),
    });
    second.socket.resume();
    await until('it is cut', second.ended);
    expect(channels).toEqual([]);
    expect(refused.at(-1)?.reason).toMatch(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN/);
  });

  it('gives the intermediates with the certificate, whichever side dialled, and no link without them', async () => {
    const now = nodeClock.now();
    const period = { notBefore: now - 23 * 3_600_000, notAfter: now + 23 * 3_600_000 };
    const online = unwrap(issueIntermediateCa(osCrypto, { ca, trustDomain: domain, ...period }));
    const below = (id: string): TlsIdentity => {
      const own = identityOf(online, id, { caPem: ca.certPem });
      return { ...own, certPem: own.certPem + online.certPem };
    };
    const [near, far] = [below('node-1'), below('node-2')];
    const { server, channels, refused } = await serveLinks(undo, network, near);
    const dialled = await dial(server.address, far);
    await until('it is accepted', () => channels.length === 1);
    const expect_ = { caPem: ca.certPem, trustDomain: domain, now };
    expect(unwrap(verifyNodeSvid(dialled.peerCertificate, expect_)).nodeId).toBe('node-1');
    expect(unwrap(verifyNodeSvid(channels[0]!.peerCertificate, expect_)).nodeId).toBe('node-2');
    const alone = identityOf(online, 'node-2', { caPem: ca.certPem });
    // TLS 1.3 lets the dialer finish before the acceptor has judged it.
    await dial(server.address, alone).catch(() => undefined);
    await until('it is refused', () => refused.length === 1);
    expect([refused[0]!.reason, channels.length]).toEqual(['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 1]);
  });

  it('cuts who has not become a channel in time, in TLS or after it', async () => {
    const clock = new ManualClock();
    const { server } = await serveLinks(undo, createNodeNetwork({ clock }), one);
    const silent = connectTcp(undo, server.address);
    const idle = connectTls(server.address, asClient(two));
    await until('TLS is done', () => idle.socket.authorized);
    await until('both are timed', () => clock.pending === 2);
    clock.advance(limits.linkHandshakeMsMax - 1);
    expect([silent.ended(), idle.ended()]).toEqual([false, false]);
    clock.advance(1);
    await until('both are cut', () => silent.ended() && idle.ended());
    expect(clock.pending).toBe(0);
  });

  it('cuts the oldest of a source that has too many handshakes under way, and takes newcomers at once', async () => {
    const clock = new ManualClock();
    const { server, channels, refused } = await serveLinks(undo, createNodeNetwork({ clock }), one);
    const most = limits.linkHandshakesPerSourceMax;
    const first = connectTcp(undo, server.address);
    await until('the first is under way', () => clock.pending === 1);
    const port = first.socket.localPort;
    const others = Array.from({ length: most - 1 }, () => connectTcp(undo, server.address));
    await until('all are under way', () => clock.pending === most);
    expect(first.ended()).toBe(false);
    await dial(server.address);
    await until('the channel is accepted', () => channels[0]);
    await until('the first is cut', first.ended);
    expect(others.some(({ ended }) => ended())).toBe(false);
    expect(refused).toEqual([{ remote: { host: '127.0.0.1', port }, reason: 'TOO_MANY_HANDSHAKES' }]);
  });

  it('shows a new identity to newcomers, still with TLS 1.3 only and client certificates asked for', async () => {
    const { server, channels, refused } = await serveLinks(undo, network, one);
    const before = await dial(server.address);
    const renewed = identityOf(ca, 'node-1');
    server.setIdentity(renewed);
    const after = await dial(server.address);
    expect(before.peerCertificate).toEqual(derOf(one.certPem));
    expect(after.peerCertificate).toEqual(derOf(renewed.certPem));
    const old = connectTls(server.address, { ...asClient(two), maxVersion: 'TLSv1.2' });
    const bare = connectTls(server.address, { ca: ca.certPem, ALPNProtocols: ['caxton-link/1'] });
    await until('both are cut', () => old.ended() && bare.ended());
    expect(refused).toHaveLength(2);
    expect(channels).toHaveLength(2);
  });

  it('asks as much of a client after a renewal as before it', async () => {
    const { server, channels, refused } = await serveLinks(undo, network, one);
    for (let renewals = 0; renewals < 3; renewals += 1) server.setIdentity(identityOf(ca, 'node-1'));
    const bad: ConnectionOptions[] = [
      { ...asClient(two), maxVersion: 'TLSv1.2' },
      { ca: ca.certPem, ALPNProtocols: ['caxton-link/1'] },
      { ...asClient(two), ALPNProtocols: ['http/1.1'] },
      asClient(identityOf(makeCa(), 'node-2', { caPem: ca.certPem })),
    ];
    for (const options of bad) {
      const client = connectTls(server.address, options);
      await until('it is cut', () => client.ended());
    }
    await until('each is told', () => refused.length === bad.length);
    expect(channels).toEqual([]);
    expect((await dial(server.address)).tls).toMatchObject({ protocol: 'TLSv1.3', group: 'X25519MLKEM768' });
  });

  it('gives no client of an earlier certificate a session to come back with', async () => {
    const { server } = await serveLinks(undo, network, one);
    const sessions: Buffer[] = [];
    const client = connectTls(server.address, asClient(two));
    client.socket.on('session', (session: Buffer) => sessions.push(session));
    await until('it is connected', () => client.socket.getProtocol() === 'TLSv1.3');
    server.setIdentity(identityOf(ca, 'node-1'));
    const again = connectTls(server.address, { ...asClient(two), session: sessions[0] ?? client.socket.getSession() });
    await until('it is connected', () => again.socket.getProtocol() === 'TLSv1.3');
    expect(again.socket.isSessionReused()).toBe(false);
  });

  it('believes only the CA of the new identity', async () => {
    const { server, refused } = await serveLinks(undo, network, one);
    const other = makeCa();
    server.setIdentity(identityOf(other, 'node-1'));
    await expect(codeOf(dial(server.address, { ...two, caPem: other.certPem }))).resolves.toBe('UNREACHABLE');
    await until('it is refused', () => refused.length > 0);
    await dial(server.address, identityOf(other, 'node-3'));
  });

  it('stops accepting when closed while its channels go on', async () => {
    const { server, channels } = await serveLinks(undo, network, one);
    const dialled = await dial(server.address);
    const far = listenTo(await until('the channel is accepted', () => channels[0]));
    const closed = server.close();
    await expect(codeOf(dial(server.address))).resolves.toBe('UNREACHABLE');
    dialled.send(Uint8Array.of(1));
    await until('the message came', () => far.messages.length === 1);
    await closed;
    expect(far.ends).toEqual([]);
  });

  it('rejects a port that is taken with ADDRESS_IN_USE', async () => {
    const { server } = await serveLinks(undo, network, one);
    const again = network.listenLinks({ address: server.address, identity: one, onChannel() {}, onRefused() {} });
    await expect(codeOf(again)).resolves.toBe('ADDRESS_IN_USE');
  });
});

describe('a dialler of links', () => {
  it('refuses a server of another CA with CERTIFICATE_REFUSED', async () => {
    const { server } = await serveLinks(undo, network, identityOf(makeCa(), 'node-1'));
    await expect(codeOf(dial(server.address))).resolves.toBe('CERTIFICATE_REFUSED');
  });

  it('reports a port where nobody listens as UNREACHABLE', async () => {
    const { server } = await serveLinks(undo, network, one);
    await server.close();
    await expect(codeOf(dial(server.address))).resolves.toBe('UNREACHABLE');
  });

  it.each<[string, Address]>([
    ['a port that is none', { host: '127.0.0.1', port: 65_536 }],
    ['a host that is none', { host: 'not a host', port: 7_701 }],
  ])('rejects %s with UNREACHABLE instead of throwing', async (_, address) => {
    let dialled: Promise<unknown> | undefined;
    expect(() => {
      dialled = network.dialLink({ address, identity: two, signal: new AbortController().signal });
    }).not.toThrow();
    await expect(codeOf(dialled!)).resolves.toBe('UNREACHABLE');
  });

  it('gives up when told to', async () => {
    const address = await serveTcp(undo);
    const abort = new AbortController();
    const dialled = network.dialLink({ address, identity: two, signal: abort.signal });
    abort.abort();
    await expect(codeOf(dialled)).resolves.toBe('UNREACHABLE');
  });

  it('gives up on a peer that trickles bytes, when the handshake’s time is over', async () => {
    const clock = new ManualClock();
    // The start of a TLS record that never ends: each byte would restart a timer that only looks for silence.
    const address = await serveTcp(undo, (socket) => socket.write(Uint8Array.of(0x16, 3, 3, 0x40, 0)));
    const dialled = createNodeNetwork({ clock }).dialLink({
      address,
      identity: two,
      signal: new AbortController().signal,
    });
    const code = codeOf(dialled);
    await until('the time is counted', () => clock.pending === 1);
    clock.advance(limits.linkHandshakeMsMax);
    await expect(code).resolves.toBe('UNREACHABLE');
    expect(clock.pending).toBe(0);
  });
});

describe('datagrams', () => {
  const bind = async (address: Address = loopback) =>
    undo.add(await network.bindDatagrams(address), (socket) => socket.close());

  it.each(['127.0.0.1', '::1'])('go from one socket to another over %s', async (host) => {
    const from = await bind({ host, port: 0 });
    const to = await bind({ host, port: 0 });
    const heard: { bytes: Uint8Array; from: Address }[] = [];
    to.onMessage((bytes, sender) => void heard.push({ bytes, from: sender }));
    from.send(Uint8Array.of(1, 2, 3), to.address);
    await until('it came', () => heard.length === 1);
    expect([...heard[0]!.bytes]).toEqual([1, 2, 3]);
    expect(heard[0]!.from).toEqual(from.address);
  });

  it('over the limit are neither sent nor read', async () => {
    const from = await bind();
    const to = await bind();
    const lengths: number[] = [];
    to.onMessage((bytes) => void lengths.push(bytes.length));
    const raw = undo.add(createSocket('udp4'), (socket) => socket.close());
    const sentRaw = (bytes: number) =>
      new Promise<void>((resolve) =>
        raw.send(new Uint8Array(bytes), to.address.port, to.address.host, () => resolve()),
      );
    from.send(new Uint8Array(limits.datagramBytesMax + 1), to.address);
    from.send(new Uint8Array(limits.datagramBytesMax), to.address);
    await until('one came', () => lengths.length === 1);
    await sentRaw(limits.datagramBytesMax + 1);
    await sentRaw(1);
    await until('the last came', () => lengths.at(-1) === 1);
    expect(lengths).toEqual([limits.datagramBytesMax, 1]);
  });

  it.each<[string, Address]>([
    ['port 0', { host: '127.0.0.1', port: 0 }],
    ['a port that is none', { host: '127.0.0.1', port: 70_000 }],
    ['a host of the other family', { host: '::1', port: 9 }],
    ['a host that is none', { host: 'not a host', port: 9 }],
  ])('to %s are lost and harm nobody', async (_, to) => {
    const from = await bind();
    expect(() => from.send(Uint8Array.of(1), to)).not.toThrow();
  });

  it('of a closed socket are lost, and closing it again is fine', async () => {
    const socket = await network.bindDatagrams(loopback);
    await socket.close();
    expect(() => socket.send(Uint8Array.of(1), { host: '127.0.0.1', port: 9 })).not.toThrow();
    await socket.close();
  });

  it('come as plain bytes, whose slice is a copy', async () => {
    const from = await bind();
    const to = await bind();
    const heard: Uint8Array[] = [];
    to.onMessage((bytes) => void heard.push(bytes));
    from.send(Uint8Array.of(1), to.address);
    const bytes = await until('it came', () => heard[0]);
    bytes.slice()[0] = 9;
    expect(bytes[0]).toBe(1);
  });

  it('cannot be bound to a port that is taken: ADDRESS_IN_USE', async () => {
    const first = await bind();
    await expect(codeOf(network.bindDatagrams(first.address))).resolves.toBe('ADDRESS_IN_USE');
  });
});

const upgradeRequest = [
  'GET / HTTP/1.1',
  'host: x',
  'connection: upgrade',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  `sec-websocket-key: ${Buffer.alloc(16).toString('base64')}`,
  '',
  '',
].join('\r\n');
