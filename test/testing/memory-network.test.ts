import { describe, expect, it } from 'vitest';
import type { Address, DatagramSocket, LinkChannel } from '../../src/actors/kernel/ports.ts';
import { issueCa, issueNodeCertificate } from '../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import { HostClock } from '../../src/testing/host-clock.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { MemoryNetwork, type MemoryNetworkOptions } from '../../src/testing/memory-network.ts';
import type { Traffic } from '../../src/testing/network/world.ts';
import { insecureSeededCrypto } from '../../src/testing/seeded-crypto.ts';
import { seededRandom } from '../../src/testing/seeded-random.ts';
import { listenTo } from '../actors/cluster/links/link-lab.ts';

const startMs = 1_750_000_000_000;
const hourMs = 3_600_000;
const crypto = insecureSeededCrypto(1);
const domain = 'test.caxton.internal';
const ca = issueCa(crypto, { trustDomain: domain, notBefore: startMs - hourMs, notAfter: startMs + 100 * hourMs });

function identityOf(nodeId: string) {
  const keys = crypto.generateKeyPair('p256');
  const certPem = unwrap(
    issueNodeCertificate(crypto, {
      ca,
      nodeId,
      trustDomain: domain,
      publicKey: keys.publicKey,
      notBefore: startMs - hourMs,
      notAfter: startMs + hourMs,
      dns: [],
      ip: ['127.0.0.1'],
    }),
  );
  return { certPem, keyPem: privateKeyToPem(keys.privateKey), caPem: ca.certPem };
}

const [one, two] = [identityOf('a'), identityOf('b')];

function lab(options: Partial<MemoryNetworkOptions> = {}) {
  const clock = new ManualClock(startMs);
  const net = new MemoryNetwork({ clock, ...options });
  const bind = (host: string, port = 7_700): Promise<DatagramSocket> =>
    net.host(host).bindDatagrams({ host: `10.0.0.${host.charCodeAt(0)}`, port });
  /** The numbers that a socket hears, and when. */
  const hear = (socket: DatagramSocket): { readonly what: number; readonly atMs: number }[] => {
    const heard: { what: number; atMs: number }[] = [];
    socket.onMessage((bytes) => void heard.push({ what: bytes[0]!, atMs: clock.monotonic() }));
    return heard;
  };
  const listen = (host: string, onChannel: (channel: LinkChannel) => void = () => {}) =>
    net.host(host).listenLinks({ address: addressOf(host), identity: one, onChannel, onRefused() {} });
  const dial = (host: string, to: string) =>
    net.host(host).dialLink({ address: addressOf(to), identity: two, signal: new AbortController().signal });
  const linked = async () => {
    const accepted: LinkChannel[] = [];
    await listen('a', (channel) => void accepted.push(channel));
    const dialled = dial('b', 'a');
    await clock.advanceAsync(100);
    const [near, far] = [await dialled, accepted[0]!];
    return { near, far, heardNear: listenTo(near), heardFar: listenTo(far) };
  };
  return { clock, net, bind, hear, listen, dial, linked };
}

const addressOf = (host: string): Address => ({ host: `10.0.0.${host.charCodeAt(0)}`, port: 7_701 });

const outcome = (promise: Promise<unknown>): { code?: unknown; done: boolean } => {
  const seen: { code?: unknown; done: boolean } = { done: false };
  promise.then(
    () => {
      seen.done = true;
    },
    (error: { code?: unknown }) => {
      Object.assign(seen, { code: error.code, done: true });
    },
  );
  return seen;
};

describe('datagrams of a memory network', () => {
  it('take the latency of their path, one way at a time', async () => {
    const { clock, net, bind, hear } = lab();
    net.setConditions({ latencyMs: 30 }, 'a', 'b');
    const [a, b] = [await bind('a'), await bind('b')];
    const [heardA, heardB] = [hear(a), hear(b)];
    a.send(Uint8Array.of(1), b.address);
    b.send(Uint8Array.of(2), a.address);
    clock.advance(100);
    expect([heardA, heardB]).toEqual([[{ what: 2, atMs: 1 }], [{ what: 1, atMs: 30 }]]);
  });

  it('are lost, doubled, late and overtaken as often as the conditions say, the same for the same seed', async () => {
    const run = async (seed: number) => {
      const conditions = { latencyMs: 10, jitterMs: 0, loss: 0.2, duplication: 0.1, reordering: 0.1 };
      const { clock, bind, hear } = lab({ random: seededRandom(seed), conditions });
      const [a, b] = [await bind('a'), await bind('b')];
      const heard = hear(b);
      for (let sent = 0; sent < 2_000; sent++) {
        a.send(Uint8Array.of(sent & 0xff), b.address);
        clock.advance(1);
      }
      clock.advance(1_000);
      return heard;
    };
    const [first, again, other] = [await run(1), await run(1), await run(2)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    // 2,000 × 0.8 × 1.1 with six standard deviations each side.
    expect(Math.abs(first.length - 1_760)).toBeLessThan(140);
    const overtaken = first.filter(({ what }, at) => at > 0 && ((first[at - 1]!.what - what + 256) & 0xff) - 1 < 100);
    expect(overtaken.length).toBeGreaterThan(50);
  });

  it('do not cross a partition or a cut, not even those under way, and do after the heal', async () => {
    const { clock, net, bind, hear } = lab();
    const [a, b, c] = [await bind('a'), await bind('b'), await bind('c')];
    const [heardA, heardB, heardC] = [hear(a), hear(b), hear(c)];
    a.send(Uint8Array.of(1), b.address);
    net.partition(['a'], ['b']);
    clock.advance(5);
    a.send(Uint8Array.of(2), b.address);
    a.send(Uint8Array.of(3), c.address);
    clock.advance(5);
    net.heal();
    net.cut('a', 'b');
    a.send(Uint8Array.of(4), b.address);
    b.send(Uint8Array.of(5), a.address);
    clock.advance(5);
    net.heal();
    a.send(Uint8Array.of(6), b.address);
    clock.advance(5);
    const what = (heard: readonly { what: number }[]) => heard.map((one) => one.what);
    expect([heardA, heardB, heardC].map(what)).toEqual([[5], [6], [3]]);
  });

  it('wait for a paused host, and no more than a socket holds', async () => {
    const { clock, net, bind, hear } = lab();
    const [a, b] = [await bind('a'), await bind('b')];
    const heard = hear(b);
    net.pause('b');
    for (let sent = 0; sent < limits.memoryDatagramsMax + 10; sent++) a.send(Uint8Array.of(sent & 0xff), b.address);
    clock.advance(1_000);
    expect(heard).toEqual([]);
    net.resume('b');
    expect(heard).toHaveLength(limits.memoryDatagramsMax);
    a.send(Uint8Array.of(9), b.address);
    clock.advance(1);
    expect(heard).toHaveLength(limits.memoryDatagramsMax + 1);
  });

  it('stay with a muted host until it may send again, and are in order then', async () => {
    const { clock, net, bind, hear } = lab();
    const [a, b] = [await bind('a'), await bind('b')];
    const [atA, atB] = [hear(a), hear(b)];
    net.mute('a');
    for (const what of [1, 2]) a.send(Uint8Array.of(what), b.address);
    b.send(Uint8Array.of(3), a.address);
    clock.advance(1_000);
    expect([atA.map(({ what }) => what), atB]).toEqual([[3], []]);
    net.unmute('a');
    clock.advance(1);
    expect(atB).toEqual([
      { what: 1, atMs: 1_001 },
      { what: 2, atMs: 1_001 },
    ]);
  });

  it('can be sent once more by who has seen them, with their sender’s address', async () => {
    const { clock, net, bind } = lab();
    const [a, b] = [await bind('a'), await bind('b')];
    const heard: string[] = [];
    b.onMessage((bytes, from) => void heard.push(`${bytes[0]} ${from.host}`));
    const seen: Traffic[] = [];
    net.onTraffic((one) => void seen.push(one));
    a.send(Uint8Array.of(7), b.address);
    net.replay(seen[0]!);
    clock.advance(1);
    expect(heard).toEqual([`7 ${a.address.host}`, `7 ${a.address.host}`]);
  });

  it('can be cut off alone, while links go on, and the other way round', async () => {
    const { clock, net, bind, hear, linked } = lab();
    const [a, b] = [await bind('a'), await bind('b')];
    const { near, heardFar } = await linked();
    const heard = hear(a);
    net.cut('b', 'a', 'datagram');
    b.send(Uint8Array.of(1), a.address);
    near.send(Uint8Array.of(1));
    await clock.advanceAsync(5);
    expect([heard, heardFar.messages.length]).toEqual([[], 1]);
    net.heal();
    net.cut('b', 'a', 'link');
    b.send(Uint8Array.of(2), a.address);
    near.send(Uint8Array.of(2));
    await clock.advanceAsync(5);
    expect([heard.length, heardFar.messages.length]).toEqual([1, 1]);
    expect(net.heldBy('b')).toEqual({ links: 1, listeners: 0, sockets: 1 });
  });

  it('are seen by whoever watches, the lost ones too', async () => {
    const { net, bind, clock } = lab();
    const [a, b] = [await bind('a'), await bind('b')];
    const seen: Traffic[] = [];
    const stop = net.onTraffic((one) => void seen.push(one));
    a.send(Uint8Array.of(1), b.address);
    net.partition(['a'], ['b']);
    a.send(Uint8Array.of(2), b.address);
    a.send(Uint8Array.of(3), { host: '10.9.9.9', port: 1 });
    stop();
    a.send(Uint8Array.of(4), b.address);
    clock.advance(10);
    expect(seen.map(({ from, to, bytes, copies }) => [from, to, bytes[0], copies])).toEqual([
      ['a', 'b', 1, 1],
      ['a', 'b', 2, 0],
      ['a', undefined, 3, 0],
    ]);
    expect(seen[0]).toMatchObject({ kind: 'datagram', source: a.address, destination: b.address });
  });

  it('find a host that listens everywhere under its own address', async () => {
    const { net, clock, bind, hear } = lab();
    const everywhere = await net.host('z', { address: '10.1.1.1' }).bindDatagrams({ host: '0.0.0.0', port: 5 });
    const a = await bind('a');
    const [heard, answers] = [hear(everywhere), [] as Address[]];
    a.onMessage((_, from) => void answers.push(from));
    a.send(Uint8Array.of(1), { host: '10.1.1.1', port: 5 });
    everywhere.send(Uint8Array.of(1), a.address);
    clock.advance(5);
    expect([heard.length, answers]).toEqual([1, [{ host: '10.1.1.1', port: 5 }]]);
  });
});

describe('links of a memory network', () => {
  it('need three ways there and back to stand, and one for a message', async () => {
    const { clock, listen, dial, net } = lab({ conditions: { latencyMs: 10 } });
    await listen('a');
    const dialled = outcome(dial('b', 'a'));
    await clock.advanceAsync(39);
    expect(dialled.done).toBe(false);
    await clock.advanceAsync(1);
    expect(dialled).toEqual({ done: true });
    net.crash('a');
  });

  it('are not dialled through a partition: UNREACHABLE when the handshake’s time is over', async () => {
    const { clock, net, listen, dial } = lab();
    await listen('a');
    net.partition(['a'], ['b']);
    const dialled = outcome(dial('b', 'a'));
    await clock.advanceAsync(limits.linkHandshakeMsMax - 1);
    expect(dialled.done).toBe(false);
    await clock.advanceAsync(1);
    expect(dialled).toEqual({ code: 'UNREACHABLE', done: true });
    // The server forgets who called as well, so that silence never fills it.
    net.heal();
    await clock.advanceAsync(limits.linkHandshakeMsMax);
    expect(clock.pending).toBe(0);
  });

  it('are cut by a partition although they were dialled before anybody listened', async () => {
    const { clock, net, listen, dial } = lab();
    const dialled = dial('b', 'a');
    const channels: LinkChannel[] = [];
    await listen('a', (channel) => void channels.push(channel));
    await clock.advanceAsync(10);
    const near = listenTo(await dialled);
    net.partition(['a'], ['b']);
    listenTo(channels[0]!);
    channels[0]!.send(new Uint8Array(1));
    await clock.advanceAsync(1_000);
    expect(near.messages).toEqual([]);
    net.heal();
    await clock.advanceAsync(1);
    expect(near.messages).toHaveLength(1);
    net.crash('a');
  });

  it('keep what is sent over a blocked way until it opens, in order; the other way goes on', async () => {
    const { clock, net, linked } = lab();
    const { near, far, heardNear, heardFar } = await linked();
    net.cut('b', 'a');
    near.send(Uint8Array.of(1));
    near.send(Uint8Array.of(2));
    far.send(Uint8Array.of(3));
    await clock.advanceAsync(60_000);
    expect([heardFar.messages, heardNear.messages]).toEqual([[], [Uint8Array.of(3)]]);
    net.heal();
    expect(heardFar.messages).toEqual([Uint8Array.of(1), Uint8Array.of(2)]);
  });

  it('carry nothing from a muted host until it may send again', async () => {
    const { clock, net, linked } = lab();
    const { near, far, heardNear, heardFar } = await linked();
    net.mute('b');
    near.send(Uint8Array.of(1));
    far.send(Uint8Array.of(2));
    await clock.advanceAsync(50);
    expect([heardNear.messages.length, heardFar.messages.length]).toEqual([1, 0]);
    net.unmute('b');
    await clock.advanceAsync(1);
    expect(heardFar.messages.length).toBe(1);
  });

  it('press back on the sender while the peer is paused', async () => {
    const { clock, net, linked } = lab();
    const { near, heardNear, heardFar } = await linked();
    net.pause('a');
    const chunk = new Uint8Array(limits.linkBufferBytesHigh);
    for (let sent = 0; sent < 4; sent++) near.send(chunk);
    await clock.advanceAsync(1_000);
    expect(near.bufferedBytes).toBe(3 * chunk.length);
    expect(heardFar.messages).toEqual([]);
    net.resume('a');
    await clock.advanceAsync(100);
    expect([heardFar.messages.length, heardNear.drained, near.bufferedBytes]).toEqual([4, 1, 0]);
  });

  it('break at both ends when told to, and may be dialled again', async () => {
    const { clock, net, linked, dial } = lab();
    const { heardNear, heardFar } = await linked();
    net.breakLinks('a', 'c');
    expect(heardNear.ends).toEqual([]);
    net.breakLinks('a', 'b');
    expect([heardNear.ends, heardFar.ends]).toEqual([[{ code: 1006, reason: '' }], [{ code: 1006, reason: '' }]]);
    const again = outcome(dial('b', 'a'));
    await clock.advanceAsync(100);
    expect(again).toEqual({ done: true });
  });

  it('end with a reset when the peer’s process is killed; nobody answers there, and its handlers hear nothing', async () => {
    const { clock, net, linked, dial, listen } = lab();
    const { heardNear, heardFar } = await linked();
    const before = net.host('a');
    net.crash('a');
    await clock.advanceAsync(1);
    expect([heardNear.ends, heardFar.ends]).toEqual([[{ code: 1006, reason: '' }], []]);
    const refused = outcome(dial('b', 'a'));
    await clock.advanceAsync(2);
    expect(refused).toEqual({ code: 'UNREACHABLE', done: true });
    await expect(before.bindDatagrams(addressOf('a'))).rejects.toMatchObject({ code: 'STOPPED' });
    await listen('a');
    const again = outcome(dial('b', 'a'));
    await clock.advanceAsync(10);
    expect(again).toEqual({ done: true });
  });

  it('stay half open when the power of the peer fails, until it is back and something is sent', async () => {
    const { clock, net, linked, dial } = lab();
    const { near, heardNear } = await linked();
    net.crash('a', { silently: true });
    near.send(Uint8Array.of(1));
    const nobody = outcome(dial('b', 'a'));
    await clock.advanceAsync(limits.linkHandshakeMsMax - 1);
    expect([heardNear.ends, nobody.done]).toEqual([[], false]);
    await clock.advanceAsync(1);
    expect(nobody).toEqual({ code: 'UNREACHABLE', done: true });
    net.host('a');
    await clock.advanceAsync(10);
    expect(heardNear.ends).toEqual([{ code: 1006, reason: '' }]);
  });

  it('hear of a close that met a blocked way when it opens', async () => {
    const { clock, net, linked } = lab();
    const { near, heardNear, heardFar } = await linked();
    net.partition(['a'], ['b']);
    near.close(4000, 'enough');
    await clock.advanceAsync(1_000);
    expect([heardNear.ends, heardFar.ends]).toEqual([[{ code: 1006, reason: '' }], []]);
    net.heal();
    expect(heardFar.ends).toEqual([{ code: 4000, reason: 'enough' }]);
  });

  it('are refused past the most handshakes at once, and taken when there is room', async () => {
    const { clock, net, listen, dial } = lab();
    await listen('a');
    // The server’s answers do not come back, so all stay in the handshake.
    net.cut('a', 'b');
    const waiting = Array.from({ length: limits.linkHandshakesMax }, () => outcome(dial('b', 'a')));
    await clock.advanceAsync(5);
    const late = outcome(dial('c', 'a'));
    await clock.advanceAsync(5);
    expect(late).toEqual({ code: 'UNREACHABLE', done: true });
    await clock.advanceAsync(limits.linkHandshakeMsMax);
    expect(waiting.every(({ code }) => code === 'UNREACHABLE')).toBe(true);
    const taken = outcome(dial('c', 'a'));
    await clock.advanceAsync(10);
    expect(taken).toEqual({ done: true });
  });

  it('are judged by the clock of each host', async () => {
    const { clock, net, listen } = lab();
    const late = new HostClock(clock, 2 * hourMs);
    await listen('a');
    const network = net.host('d', { clock: late });
    const dialled = outcome(
      network.dialLink({ address: addressOf('a'), identity: two, signal: new AbortController().signal }),
    );
    await clock.advanceAsync(10);
    expect(dialled).toEqual({ code: 'CERTIFICATE_REFUSED', done: true });
  });

  it('leave nothing behind when they end', async () => {
    const { clock, linked } = lab();
    const { near } = await linked();
    near.close(4000, 'done');
    await clock.advanceAsync(2_000);
    expect(clock.pending).toBe(0);
  });
});
