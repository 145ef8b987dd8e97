import { afterEach, describe, expect, it } from 'vitest';
import type { Address, LinkChannel, Network, TlsIdentity } from '../../src/actors/kernel/ports.ts';
import { limits } from '../../src/limits.ts';
import { derOf, identityOf, listenTo, makeCa, serveLinks, Undo } from '../actors/cluster/links/link-lab.ts';

/** A network under test, and how a test waits in its time. */
export interface NetworkLab {
  readonly network: Network;
  /** Goes on until `probe` gives something; fails with `what` in the end. */
  until<T>(what: string, probe: () => T | undefined | false): Promise<NonNullable<T>>;
  /** Goes on until the promise settles, and passes it on. */
  settled<T>(promise: Promise<T>): Promise<T>;
  /** Moves on the clock that the network was given, by this and no more. */
  pass(ms: number): Promise<void>;
}

const loopback: Address = { host: '127.0.0.1', port: 0 };
const ca = makeCa();
const one = identityOf(ca, 'node-1');
const two = identityOf(ca, 'node-2');
const other = makeCa();

/** What holds for every `Network`: the one on sockets and the one in memory. */
export function networkContract(name: string, makeLab: () => NetworkLab): void {
  const undo = new Undo();
  afterEach(() => undo.run());

  const start = () => {
    const lab = makeLab();
    const { network } = lab;
    const serve = (identity = one) => lab.settled(serveLinks(undo, network, identity));
    const dial = async (address: Address, identity: TlsIdentity = two): Promise<LinkChannel> => {
      const dialled = network.dialLink({ address, identity, signal: new AbortController().signal });
      return undo.add(await lab.settled(dialled), (channel) => channel.close(4000, 'the test ends'));
    };
    const pair = async () => {
      const open = await serve();
      const near = await dial(open.server.address);
      const far = await lab.until('the channel is accepted', () => open.channels[0]);
      return { ...open, near, far };
    };
    const bind = async (address: Address = loopback) =>
      undo.add(await lab.settled(network.bindDatagrams(address)), (socket) => socket.close());
    return { ...lab, serve, dial, pair, bind };
  };

  describe(`${name}: a link`, () => {
    it('is TLS 1.3, and shows each side the other’s certificate and address', async () => {
      const { pair } = start();
      const { server, near, far } = await pair();
      expect(near).toMatchObject({ side: 'dialer', remote: server.address, bufferedBytes: 0 });
      expect(far).toMatchObject({ side: 'acceptor', remote: { host: '127.0.0.1' } });
      expect(near.tls).toEqual({
        protocol: 'TLSv1.3',
        cipher: expect.stringMatching(/^TLS_[A-Z0-9_]+$/),
        group: 'X25519MLKEM768',
      });
      expect(far.tls).toMatchObject({ protocol: 'TLSv1.3', group: undefined });
      expect(near.peerCertificate).toEqual(derOf(one.certPem));
      expect(far.peerCertificate).toEqual(derOf(two.certPem));
    });

    it('carries messages whole and in order, both ways, as bytes that their owner may change', async () => {
      const { pair, until } = start();
      const { near, far } = await pair();
      const heardNear = listenTo(near);
      const heardFar = listenTo(far);
      const large = new Uint8Array(limits.linkMessageBytesMax).fill(7);
      for (const message of [Uint8Array.of(1), new Uint8Array(0), large]) near.send(message);
      // A Buffer, whose `slice` shares memory.
      far.send(Buffer.from([9, 9]));
      await until('three came', () => heardFar.messages.length === 3);
      await until('the answer came', () => heardNear.messages.length === 1);
      expect(heardFar.messages.map(({ length }) => length)).toEqual([1, 0, limits.linkMessageBytesMax]);
      expect(Buffer.compare(heardFar.messages[2]!, large)).toBe(0);
      const [answer] = heardNear.messages;
      answer!.slice()[0] = 1;
      expect(answer).toEqual(Uint8Array.of(9, 9));
    });

    it('keeps messages until somebody listens', async () => {
      const { pair, until } = start();
      const { near, far } = await pair();
      near.send(Uint8Array.of(5));
      await until('the message has left', () => near.bufferedBytes === 0);
      const heard = listenTo(far);
      await until('it came', () => heard.messages.length === 1);
    });

    it('tells both sides of its end exactly once, with the code and reason; what comes after is dropped', async () => {
      const { pair, until } = start();
      const { near, far } = await pair();
      const [heardNear, heardFar] = [listenTo(near), listenTo(far)];
      near.send(Uint8Array.of(1));
      near.close(4004, 'another one is kept');
      near.close(4000, 'again');
      near.send(Uint8Array.of(2));
      await until('both heard', () => heardNear.ends.length > 0 && heardFar.ends.length > 0);
      near.close(4000, 'and again');
      far.close(4000, 'and again');
      far.send(Uint8Array.of(3));
      const end = { code: 4004, reason: 'another one is kept' };
      expect(heardFar).toMatchObject({ ends: [end], messages: [Uint8Array.of(1)] });
      expect(heardNear).toMatchObject({ ends: [end], messages: [] });
    });

    it('takes a close reason of any length, cut between characters', async () => {
      const { pair, until } = start();
      const { near, far } = await pair();
      const heard = listenTo(far);
      near.close(4001, 'ö'.repeat(200));
      await until('the end came', () => heard.ends.length > 0);
      expect(heard.ends).toEqual([{ code: 4001, reason: 'ö'.repeat(61) }]);
    });

    it('takes no close code that is none: that is a bug of the caller', async () => {
      const { near } = await start().pair();
      expect(() => near.close(1006, '')).toThrow();
      expect(() => near.close(70_000, '')).toThrow();
    });

    it('is cut after a second when the peer does not answer the close', async () => {
      const { pair, pass, until } = start();
      const { near, far } = await pair();
      const heard = listenTo(near);
      // Nobody listens at the other end, so the close is never answered.
      near.close(4000, 'goodbye');
      await pass(999);
      expect(heard.ends).toEqual([]);
      await pass(1);
      await until('it is cut', () => heard.ends.length === 1);
      expect(heard.ends).toEqual([{ code: 1006, reason: '' }]);
      const late = listenTo(far);
      await until('the other end hears of it', () => late.ends.length === 1);
    });

    it('ends at both sides when a message is over the limit', async () => {
      const { pair, until } = start();
      const { near, far } = await pair();
      const [heardNear, heardFar] = [listenTo(near), listenTo(far)];
      near.send(new Uint8Array(limits.linkMessageBytesMax + 1));
      await until('both ended', () => heardNear.ends.length > 0 && heardFar.ends.length > 0);
      expect(heardFar.messages).toEqual([]);
      expect(heardNear.ends[0]?.code).toBe(1009);
    });

    it('lets bytes wait while nobody reads, and says once when its buffer has run dry again', async () => {
      const { pair, until } = start();
      const { near, far } = await pair();
      const heardNear = listenTo(near);
      for (let sent = 0; sent < 8; sent++) near.send(new Uint8Array(limits.linkBufferBytesHigh));
      expect(near.bufferedBytes).toBeGreaterThan(limits.linkBufferBytesHigh);
      expect(heardNear.drained).toBe(0);
      const heardFar = listenTo(far);
      await until('everything came', () => heardFar.messages.length === 8);
      await until('the drain was told', () => heardNear.drained === 1);
      expect(near.bufferedBytes).toBeLessThanOrEqual(limits.linkBufferBytesHigh);
    });
  });

  describe(`${name}: a server of links`, () => {
    const yesterday = Date.now() - 3_600_000;
    it.each<[string, () => TlsIdentity, TlsIdentity, RegExp]>([
      [
        'of another CA',
        () => identityOf(other, 'node-2', { caPem: ca.certPem }),
        one,
        /UNABLE_TO_|SIGNATURE|SELF_SIGNED/,
      ],
      ['that has expired', () => identityOf(ca, 'node-2', { notAfter: yesterday }), one, /EXPIRED/],
      ['that is missing', () => ({ ...two, certPem: '', keyPem: '' }), one, /PEER_DID_NOT_RETURN_A_CERT/],
    ])('refuses a certificate %s, and says why', async (_, identity, own, reason) => {
      const { serve, dial, until } = start();
      const { server, channels, refused } = await serve(own);
      // A dialer may learn of it only by the end of the connection.
      expect(['UNREACHABLE', 'CERTIFICATE_REFUSED']).toContain(await codeOf(dial(server.address, identity())));
      await until('it is refused', () => refused.length > 0);
      expect(refused).toEqual([
        { remote: { host: '127.0.0.1', port: expect.any(Number) }, reason: expect.stringMatching(reason) },
      ]);
      expect(channels).toEqual([]);
    });

    it('shows a new identity to newcomers and believes its CA alone; channels that live go on', async () => {
      const { pair, dial, until } = start();
      const { server, refused, near, far } = await pair();
      const renewed = identityOf(other, 'node-1');
      server.setIdentity(renewed);
      expect(await codeOf(dial(server.address, { ...two, caPem: other.certPem }))).toBe('UNREACHABLE');
      await until('it is refused', () => refused.length === 1);
      const after = await dial(server.address, identityOf(other, 'node-3'));
      expect(after.peerCertificate).toEqual(derOf(renewed.certPem));
      const heard = listenTo(far);
      near.send(Uint8Array.of(1));
      await until('it came', () => heard.messages.length === 1);
    });

    it.each<[string, TlsIdentity]>([
      ['a key of another certificate', { ...one, keyPem: two.keyPem }],
      ['a certificate that is none', { ...one, certPem: 'nothing' }],
    ])('does not begin with %s', async (_, identity) => {
      const { network, settled } = start();
      const listening = network.listenLinks({ address: loopback, identity, onChannel() {}, onRefused() {} });
      await expect(settled(listening)).rejects.toThrow();
    });

    it('stops accepting when closed, once or twice, while its channels go on', async () => {
      const { pair, dial, until, settled } = start();
      const { server, near, far } = await pair();
      const heard = listenTo(far);
      const closed = server.close();
      expect(await codeOf(dial(server.address))).toBe('UNREACHABLE');
      near.send(Uint8Array.of(1));
      await until('the message came', () => heard.messages.length === 1);
      await settled(closed);
      expect(heard.ends).toEqual([]);
    });

    it('rejects a port that is taken with ADDRESS_IN_USE, and takes it when it is free again', async () => {
      const { serve, network, settled } = start();
      const { server } = await serve();
      const again = () =>
        settled(network.listenLinks({ address: server.address, identity: one, onChannel() {}, onRefused() {} }));
      expect(await codeOf(again())).toBe('ADDRESS_IN_USE');
      await settled(server.close());
      undo.add(await again(), (open) => open.close());
    });
  });

  describe(`${name}: a dialler of links`, () => {
    it.each<[string, () => TlsIdentity]>([
      ['of another CA', () => identityOf(other, 'node-1')],
      ['that has expired', () => identityOf(ca, 'node-1', { notAfter: Date.now() - 3_600_000 })],
    ])('refuses a server %s with CERTIFICATE_REFUSED', async (_, identity) => {
      const { serve, dial } = start();
      const { server, channels } = await serve(identity());
      expect(await codeOf(dial(server.address))).toBe('CERTIFICATE_REFUSED');
      expect(channels).toEqual([]);
    });

    it('reports a port where nobody listens as UNREACHABLE', async () => {
      const { serve, dial, settled } = start();
      const { server } = await serve();
      await settled(server.close());
      expect(await codeOf(dial(server.address))).toBe('UNREACHABLE');
    });

    it.each<[string, Address]>([
      ['a port that is none', { host: '127.0.0.1', port: 65_536 }],
      ['a host that is none', { host: 'not a host', port: 7_701 }],
    ])('rejects %s with UNREACHABLE', async (_, address) => {
      expect(await codeOf(start().dial(address))).toBe('UNREACHABLE');
    });

    it('rejects an identity that is none with UNREACHABLE', async () => {
      const { serve, dial } = start();
      const { server } = await serve();
      expect(await codeOf(dial(server.address, { ...two, keyPem: one.keyPem }))).toBe('UNREACHABLE');
    });

    it('gives up when told to, before it begins or under way', async () => {
      const { serve, network, settled } = start();
      const { server } = await serve();
      for (const early of [true, false]) {
        const abort = new AbortController();
        if (early) abort.abort();
        const dialled = network.dialLink({ address: server.address, identity: two, signal: abort.signal });
        const code = codeOf(dialled);
        abort.abort();
        expect(await settled(code)).toBe('UNREACHABLE');
      }
    });
  });

  describe(`${name}: datagrams`, () => {
    it.each(['127.0.0.1', '::1'])('go from one socket to another over %s, as bytes of their own', async (host) => {
      const { bind, until } = start();
      const from = await bind({ host, port: 0 });
      const to = await bind({ host, port: 0 });
      const heard: { bytes: Uint8Array; from: Address }[] = [];
      to.onMessage((bytes, sender) => void heard.push({ bytes, from: sender }));
      from.send(Buffer.from([1, 2, 3]), to.address);
      await until('it came', () => heard.length === 1);
      heard[0]!.bytes.slice()[0] = 9;
      expect(heard).toEqual([{ bytes: Uint8Array.of(1, 2, 3), from: from.address }]);
    });

    it('over the limit are not sent', async () => {
      const { bind, until } = start();
      const from = await bind();
      const to = await bind();
      const lengths: number[] = [];
      to.onMessage((bytes) => void lengths.push(bytes.length));
      from.send(new Uint8Array(limits.datagramBytesMax + 1), to.address);
      from.send(new Uint8Array(limits.datagramBytesMax), to.address);
      await until('one came', () => lengths.length === 1);
      expect(lengths).toEqual([limits.datagramBytesMax]);
    });

    it.each<[string, Address]>([
      ['port 0', { host: '127.0.0.1', port: 0 }],
      ['a port that is none', { host: '127.0.0.1', port: 70_000 }],
      ['a host of the other family', { host: '::1', port: 9 }],
      ['a host that is none', { host: 'not a host', port: 9 }],
      ['nobody', { host: '127.0.0.1', port: 9 }],
    ])('to %s are lost and harm nobody', async (_, to) => {
      const from = await start().bind();
      expect(() => from.send(Uint8Array.of(1), to)).not.toThrow();
    });

    it('of a closed socket are lost, and closing it again is fine', async () => {
      const { network, settled } = start();
      const socket = await settled(network.bindDatagrams(loopback));
      await settled(socket.close());
      expect(() => socket.send(Uint8Array.of(1), { host: '127.0.0.1', port: 9 })).not.toThrow();
      await settled(socket.close());
    });

    it('cannot be bound to a port that is taken, and can when it is free again', async () => {
      const { network, settled, bind } = start();
      const first = await settled(network.bindDatagrams(loopback));
      expect(await codeOf(settled(network.bindDatagrams(first.address)))).toBe('ADDRESS_IN_USE');
      await settled(first.close());
      expect((await bind(first.address)).address).toEqual(first.address);
    });

    it('and links have ports of their own: one number serves both', async () => {
      const { serve, bind } = start();
      const { server } = await serve();
      expect((await bind(server.address)).address).toEqual(server.address);
    });
  });
}

/** The code of what a promise rejects with. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error('it did not reject'),
    (reason: unknown) => reason,
  );
  return String((error as { code?: unknown }).code ?? error);
}
