import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import type { NodeId } from '../../../src/names.ts';
import { type BootedNode, bootNode } from '../lab/boot-node.ts';
import { heldBytes } from '../lab/memory.ts';
import { type Credentials, mintLeaf } from '../lab/mint.ts';
import { until } from '../lab/until.ts';
import {
  helloOf,
  linkedTo,
  nextSource,
  readyFrame,
  tcpTo,
  tlsTo,
  upgradedTo,
  upgradeRequest,
  type Wire,
  webSocketFrame,
} from '../lab/wire.ts';

let booted: BootedNode;
let heldBefore = 0;
/** A good certificate of another node than the stranger. */
let crowdShows: Credentials;
/** Those that were not cut yet when their test was over. */
const silent: Wire[] = [];
beforeAll(async () => {
  booted = await bootNode();
  crowdShows = mintLeaf(booted.ca, booted.config.cluster.trustDomain, { nodeId: 'crowd' });
  heldBefore = heldBytes();
});
afterAll(() => booted.dispose());

/** Peer-connections that the node holds, in whatever state. */
const connections = (): number =>
  booted.node.control.actors().filter(({ path }) => path.startsWith('/node/cluster/links/')).length;

/** The first bytes of a TLS 1.3 ClientHello, whose record says that 508 more will come. */
const halfClientHello = Buffer.from('16030101fc010001f80303', 'hex');

describe('on the link port, whoever speaks no TLS', () => {
  it.each<[string, string | Buffer, RegExp]>([
    ['asks for a page', 'GET / HTTP/1.1\r\nHost: target\r\n\r\n', /HTTP_REQUEST|WRONG_VERSION|SSL/],
    ['sends noise', Buffer.alloc(4_096, 0xa5), /WRONG_VERSION|SSL/],
    ['sends SSH’s greeting', 'SSH-2.0-OpenSSH_9.9\r\n', /WRONG_VERSION|SSL/],
    ['sends a record longer than TLS has', Buffer.from('160301ffff0100', 'hex'), /LENGTH|SSL|RECORD/],
  ])('and %s, is cut at once, with reason and source in the audit log', async (_, bytes, reason) => {
    const source = nextSource();
    const { socket, cut } = await tcpTo(booted, source);
    socket.write(bytes);
    expect(await cut()).toBeLessThan(1_000);
    expect((await booted.audited('LinkRefused', source, reason)).code).toBe('PROTOCOL_VIOLATION');
    await booted.serves();
  });

  it('and leaves in the middle, is told of all the same', async () => {
    const source = nextSource();
    const { socket } = await tcpTo(booted, source);
    socket.write(halfClientHello);
    socket.resetAndDestroy();
    const told = await booted.audited('LinkRefused', source, /CLOSED_BEFORE_HANDSHAKE|ECONNRESET/);
    expect(told.code).toBe('PROTOCOL_VIOLATION');
  });
});

describe('on the link port, whoever stops on the way', () => {
  /** Sends a byte now and then, so that no timer that looks for silence ever fires. */
  const dribble = (socket: Socket, byte: string): void => {
    const timer = setInterval(() => socket.destroyed || socket.write(byte), 100);
    socket.once('close', () => clearInterval(timer));
  };
  const cases: readonly [string, (source: string) => Promise<Wire>, RegExp][] = [
    ['says nothing', (source) => tcpTo(booted, source), /HANDSHAKE_TIMEOUT/],
    [
      'begins TLS and goes on forever',
      async (source) => {
        const made = await tcpTo(booted, source);
        made.socket.write(halfClientHello);
        dribble(made.socket, '\0');
        return made;
      },
      /HANDSHAKE_TIMEOUT/,
    ],
    ['finishes TLS and asks for no upgrade', (source) => tlsTo(booted, source), /HANDSHAKE_TIMEOUT/],
    [
      'sends the header of its request without end',
      async (source) => {
        const made = await tlsTo(booted, source);
        made.socket.write(upgradeRequest.slice(0, 60));
        dribble(made.socket, 'x');
        return made;
      },
      /HANDSHAKE_TIMEOUT/,
    ],
    ['upgrades and never says hello', (source) => upgradedTo(booted, source), /did not finish its greeting/],
    [
      'says hello and is never ready',
      async (source) => {
        const made = await upgradedTo(booted, source);
        made.socket.write(webSocketFrame({ payload: helloOf(booted) }));
        return made;
      },
      /did not finish its greeting \(awaiting-ready\)/,
    ],
    [
      'sends its hello byte by byte',
      async (source) => {
        const made = await upgradedTo(booted, source);
        made.socket.write(webSocketFrame({ payload: helloOf(booted) }).subarray(0, 8));
        dribble(made.socket, '\0');
        return made;
      },
      /did not finish its greeting|kind|frame/,
    ],
  ];
  const attacks = new Map<string, { readonly source: string; readonly wire: Wire }>();
  beforeAll(async () => {
    // All at once, for each takes the whole time that it is given.
    for (const [what, open] of cases) {
      const source = nextSource();
      attacks.set(what, { source, wire: await open(source) });
    }
  });

  it('keeps nobody out', () => booted.letsIn());

  it('and comes in a crowd with one good certificate, takes no more places than that certificate has', async () => {
    const source = nextSource();
    const crowd: Wire[] = [];
    for (let batch = 0; batch < 5; batch++)
      crowd.push(...(await Promise.all(Array.from({ length: 20 }, () => upgradedTo(booted, source, crowdShows)))));
    // The others are the friend’s link and those of the stranger who stops on the way.
    await until('the crowd is cut', () => connections() <= limits.linkGreetingsPerPeerMax + 4);
    await booted.audited('LinkRefused', source, /connections that it did not bring up/);
    await booted.letsIn();
    // Room is made by the oldest: the newest have their time.
    expect(crowd.at(-1)?.isCut()).toBe(false);
    silent.push(...crowd);
  });

  it('and comes and goes at every stage, leaves no connection behind', async () => {
    const stages: readonly ((source: string, turn: number) => Promise<Wire>)[] = [
      (source) => tcpTo(booted, source),
      (source) => tlsTo(booted, source),
      (source) => upgradedTo(booted, source, crowdShows),
      async (source, turn) => {
        const made = await upgradedTo(booted, source, crowdShows);
        made.socket.write(webSocketFrame({ payload: helloOf(booted, { nodeId: 'crowd' as NodeId, dial: turn + 1 }) }));
        return made;
      },
      async (source, turn) => {
        const made = await upgradedTo(booted, source, crowdShows);
        made.socket.write(webSocketFrame({ payload: helloOf(booted, { nodeId: 'crowd' as NodeId, dial: turn + 1 }) }));
        made.socket.write(webSocketFrame({ payload: readyFrame() }));
        return made;
      },
    ];
    const source = nextSource();
    for (let turn = 0; turn < 100; turn++) {
      const { socket } = await stages[turn % stages.length]!(source, turn);
      if (socket instanceof TLSSocket) socket.destroy();
      else socket.resetAndDestroy();
    }
    await until('only the friend is left', () => connections() === 1);
    const last = await linkedTo(booted, source, 1_000);
    last.socket.destroy();
    await until('only the friend is left again', () => connections() === 1);
    await booted.letsIn();
  });

  it.each(cases)('and %s, is cut at the deadline, with reason and source in the audit log', async (what, _, reason) => {
    const { source, wire } = attacks.get(what)!;
    const tookMs = await wire.cut();
    // A second more for a close that the attacker does not answer.
    expect(tookMs).toBeLessThan(limits.linkHandshakeMsMax + 2_000);
    expect(tookMs).toBeGreaterThan(limits.linkHandshakeMsMax - 1_000);
    await booted.audited('LinkRefused', source, reason);
    await booted.serves();
  });

  it('and says nothing from a hundred addresses, ten times each, keeps nobody out', async () => {
    const wires: Wire[] = [];
    const sources = Array.from({ length: 100 }, nextSource);
    const flood = async (): Promise<void> => {
      for (let round = 0; round < 10; round++)
        wires.push(...(await Promise.all(sources.map((source) => tcpTo(booted, source)))));
    };
    const flooding = flood();
    await until('the flood is on', () => wires.length >= 300);
    await booted.letsIn();
    await flooding;
    await booted.serves();
    const open = (): number => wires.filter(({ isCut }) => !isCut()).length;
    await until('no more than may be are left', () => open() <= limits.linkHandshakesMax);
    for (const { socket } of wires) socket.destroy();
    // A refusal each would fill the disk: beyond the first ones of a source they are counted.
    const told = (await booted.auditTail()).filter(({ type }) => type === 'LinkRefused');
    expect(told.length).toBeLessThan(1_000);
    expect(booted.metric('links_refused')).toBeGreaterThanOrEqual(850);
  });

  it('has cost nothing that stays', async () => {
    await until('the crowd is cut', () => silent.every(({ isCut }) => isCut()));
    silent.length = 0;
    expect(heldBytes() - heldBefore).toBeLessThan(16 * 1_024 * 1_024);
    await booted.serves();
  });
});
