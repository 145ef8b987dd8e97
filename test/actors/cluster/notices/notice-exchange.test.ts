import { beforeEach, describe, expect, it, vi } from 'vitest';
import { TrustedRoots } from '../../../../src/actors/cluster/identity/trusted-roots.ts';
import type { LinkSession } from '../../../../src/actors/cluster/links/link-session.ts';
import type { Links } from '../../../../src/actors/cluster/links/links.ts';
import { NoticeBoard } from '../../../../src/actors/cluster/notices/notice-board.ts';
import { NoticeExchange } from '../../../../src/actors/cluster/notices/notice-exchange.ts';
import { Revocations } from '../../../../src/actors/cluster/notices/revocations.ts';
import { createMetrics } from '../../../../src/actors/kernel/metrics-registry.ts';
import { utf8 } from '../../../../src/actors/kernel/utf8.ts';
import { MessagePolicies } from '../../../../src/actors/messaging/message-policies.ts';
import { readTrustNotice } from '../../../../src/actors/messaging/trust.ts';
import { ApiAccess } from '../../../../src/actors/operations/api/api-access.ts';
import { keyIdOf } from '../../../../src/crypto/keys.ts';
import { type Refusal, unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId, TrustDomain } from '../../../../src/names.ts';
import type { Frame } from '../../../../src/protocols/link/frame.ts';
import { decodeFrames } from '../../../../src/protocols/link/frame.ts';
import type { Hello } from '../../../../src/protocols/link/hello.ts';
import { encodeNoticePart, encodeNoticeRequest, noticesFeature } from '../../../../src/protocols/link/notice-frame.ts';
import { trustInForce } from '../../../../src/protocols/notice/reconciliation.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';
import { newKey, revocationOf, signNotice } from '../../notice-lab.ts';

const noRoots = () => new TrustedRoots('example.org' as TrustDomain, '');
const noRules = () => ({
  policies: new MessagePolicies({ local: undefined, clusterRequired: false }),
  access: new ApiAccess({ fileKeys: { keys: [] }, blind: (hash) => hash }),
  files: [],
});
const clusterId = 'cluster-1';
const authority = newKey();
const peer = 'node-2' as NodeId;
const bundle = { deployers: [], issuers: [], authorities: [authority.text] };
const trustText = signNotice(authority.key, { kind: 'trust', generation: 1, clusterId, body: bundle });
const revoking = (generation: number, key = authority.key) =>
  signNotice(key, {
    kind: 'revocations',
    generation,
    clusterId,
    body: { revocations: [revocationOf('node', `node-${generation}`)] },
  });
const mark = (kind: string, generation: number) => ({ kind, generation, hash: new Uint8Array(32) });
const hello = (...notices: Hello['notices']): Hello => ({ features: [noticesFeature], notices }) as unknown as Hello;
const part = (left: number, text: string): Frame => ({ kind: 'notice', ...encodeNoticePart(utf8, { left, text }) });

describe('the exchange of notices in a greeting', () => {
  let board: NoticeBoard;
  let exchange: NoticeExchange;
  let refused: Refusal[];
  let store: MemoryStore;
  const clock = new ManualClock();
  const revocations = new Revocations();
  const openBoard = (): Promise<NoticeBoard> =>
    NoticeBoard.open({
      clusterId,
      store,
      trust: unwrap(readTrustNotice(trustText, [authority.text], clusterId)),
      revocations,
      roots: noRoots(),
      ...noRules(),
      seal: (text) => `hmac:${text.length}:${text.slice(-8)}`,
      trouble: (error) => {
        throw error;
      },
    });

  beforeEach(async () => {
    store = new MemoryStore();
    refused = [];
    board = await openBoard();
    exchange = new NoticeExchange({
      board,
      clock,
      metrics: createMetrics(),
      onRefused: (_, refusal) => void refused.push(refusal),
    });
  });

  const greet = (...notices: Hello['notices']) => {
    const greeting = exchange.greeting(peer);
    expect(unwrap(greeting.request(hello(...notices)))).toBeDefined();
    return greeting;
  };

  it('asks only for what is newer, and is done with the last document', () => {
    expect(unwrap(exchange.greeting(peer).request(hello()))).toBeUndefined();
    expect(unwrap(exchange.greeting(peer).request(hello(...board.marks)))).toBeUndefined();
    const greeting = greet(mark('revocations', 2));
    expect(unwrap(greeting.take(part(1, trustText)))).toBe(false);
    expect(unwrap(greeting.take(part(0, revoking(2))))).toBe(true);
    expect(revocations.nodes).toEqual(['node-2']);
  });

  it.each<[string, string]>([
    ['a forged document', revoking(5, newKey().key)],
    ['garbage', 'cxnot1.a.b.c'],
    ['nothing', ''],
    ['an older one than it promised', revoking(4)],
    [
      'one of another cluster',
      signNotice(authority.key, { kind: 'revocations', generation: 5, clusterId: 'other', body: { revocations: [] } }),
    ],
  ])('refuses the link of a peer that promises something newer and gives %s', (_, text) => {
    const taken = greet(mark('revocations', 5)).take(part(0, text));
    expect(taken.ok ? 'ok' : taken.refusal.code).toBe('PROTOCOL_VIOLATION');
  });

  it('refuses one that promises and has no way to give', () => {
    const mute = { ...hello(mark('revocations', 9)), features: [] };
    const asked = exchange.greeting(peer).request(mute);
    expect(asked.ok ? 'ok' : asked.refusal.code).toBe('PROTOCOL_VIOLATION');
    // A kind of a later version is nothing that this node could lack.
    expect(unwrap(exchange.greeting(peer).request(hello(mark('weather', 9))))).toBeUndefined();
  });

  it('refuses an answer that does not count down', () => {
    const greeting = greet(mark('revocations', 5));
    expect(greeting.take(part(7, trustText)).ok).toBe(true);
    expect(greeting.take(part(7, trustText)).ok).toBe(false);
    expect(greeting.take({ ...part(0, ''), header: new Uint8Array([0xff]) }).ok).toBe(false);
  });

  it('stops looking at what a member gives that floods it with forgeries, and looks again later', () => {
    const forged = Array.from({ length: 40 }, (_, at) => revoking(at + 1, newKey().key));
    for (let round = 0; round < 5; round++) {
      const greeting = greet(mark('revocations', 99));
      for (const [at, text] of forged.entries()) greeting.take(part(forged.length - 1 - at, text));
    }
    // Each greeting looks at no more than a few, and all of them together at no more than the budget.
    expect(refused.length).toBeLessThanOrEqual(5 * limits.noticeRefusalsMax);
    const spent = refused.length;
    const last = greet(mark('revocations', 99));
    last.take(part(0, revoking(1)));
    expect(refused.length - spent).toBeLessThanOrEqual(1);
  });

  it('answers a few requests, and then no more for a while', () => {
    unwrap(board.take(revoking(1), { type: 'api' }));
    const request: Frame = {
      kind: 'notice-request',
      header: encodeNoticeRequest(utf8, []),
      content: new Uint8Array(0),
    };
    const answer = exchange.greeting(peer).answer(request);
    expect(unwrap(answer).flatMap((bytes) => unwrap(decodeFrames(bytes)).map(({ kind }) => kind))).toEqual([
      'notice',
      'notice',
    ]);
    const codes = Array.from({ length: 12 }, () => {
      const again = exchange.greeting(peer).answer(request);
      return again.ok ? 'ok' : again.refusal.code;
    });
    expect([codes[0], codes.at(-1)]).toEqual(['ok', 'RATE_LIMIT_EXCEEDED']);
    expect(exchange.greeting('node-3' as NodeId).answer(request).ok).toBe(true);
  });
});

describe('the exchange of notices over links that are up', () => {
  type Handler = (link: LinkSession, frame: Frame) => void;
  const lab = async () => {
    const clock = new ManualClock();
    const board = await NoticeBoard.open({
      clusterId,
      store: new MemoryStore(),
      trust: unwrap(readTrustNotice(trustText, [authority.text], clusterId)),
      revocations: new Revocations(),
      roots: noRoots(),
      ...noRules(),
      seal: (text) => `${text.length}`,
      trouble: () => {},
    });
    const exchange = new NoticeExchange({ board, clock, metrics: createMetrics(), onRefused: () => {} });
    const handlers = new Map<string, Handler>();
    const links = {
      onFrame: (kind: string, handler: Handler) => void handlers.set(kind, handler),
      onReady: () => {},
      onClosed: () => {},
    };
    exchange.listen(links as unknown as Links);
    const asked: string[] = [];
    const linkTo = (nodeId: string): LinkSession =>
      ({
        nodeId,
        hello: hello(),
        send: (kind: string) => void asked.push(`${kind} ${nodeId}`),
      }) as unknown as LinkSession;
    const claims = (nodeId: string, generation: number): void => {
      const header = encodeNoticeRequest(utf8, [...board.marks.slice(0, 1), mark('revocations', generation)]);
      handlers.get('notice-request')!(linkTo(nodeId), { kind: 'notice-request', header, content: new Uint8Array(0) });
    };
    const gives = (nodeId: string, text: string): void => handlers.get('notice')!(linkTo(nodeId), part(0, text));
    return { clock, board, asked, claims, gives };
  };

  it('asks whoever tells of news, also when another claims to have some all the time and gives none', async () => {
    const { clock, asked, claims } = await lab();
    for (let at = 0; at < 20; at++) claims('node-2', 9);
    claims('node-3', 2);
    expect(asked).toEqual(['notice-request node-2', 'notice-request node-3']);
    for (let at = 0; at < 400; at++) {
      clock.advance(10);
      claims('node-2', 9);
    }
    expect(asked).toHaveLength(2);
    clock.advance(1_000);
    claims('node-2', 9);
    expect(asked).toHaveLength(3);
  });

  it('asks one that was right again at once, and of many that tell the same only a few', async () => {
    const { clock, asked, claims, gives } = await lab();
    for (const generation of [1, 2, 3]) {
      claims('node-2', generation);
      gives('node-2', revoking(generation));
      clock.advance(500);
    }
    expect(asked).toHaveLength(3);
    for (let at = 3; at < 100; at++) claims(`node-${at}`, 9);
    expect(asked).toHaveLength(3 + 4);
  });

  it('stops reading old notices, dear to read and cheap to send, and reads on later', async () => {
    const { clock, board, gives } = await lab();
    unwrap(board.take(revoking(2), { type: 'api' }));
    const take = vi.spyOn(board, 'take');
    for (let at = 0; at < 1_000; at++) gives('node-2', revoking(1));
    const read = take.mock.calls.length;
    expect(read).toBeLessThan(40);
    gives('node-3', revoking(3));
    expect(board.marks.at(-1)?.generation).toBe(3);
    clock.advance(10_000);
    gives('node-2', revoking(4));
    expect(board.marks.at(-1)?.generation).toBe(4);
  });
});

describe('two authorities that drop each other', () => {
  const other = newKey();
  const trusting = (signer: typeof authority, generation: number, authorities: readonly string[]) =>
    signNotice(signer.key, { kind: 'trust', generation, clusterId, body: { ...bundle, authorities } });
  const both = trusting(authority, 1, [authority.text, other.text]);
  const [ours, theirs] = [trusting(authority, 2, [authority.text]), trusting(other, 2, [other.text])];
  const open = async () => {
    const board = await NoticeBoard.open({
      clusterId,
      store: new MemoryStore(),
      trust: unwrap(readTrustNotice(both, [authority.text], clusterId)),
      revocations: new Revocations(),
      roots: noRoots(),
      ...noRules(),
      seal: (text) => `${text.length}`,
      trouble: () => {},
    });
    const news: string[] = [];
    board.onNews(({ type }) => void news.push(type));
    const take = (text: string) => {
      const taken = board.take(text, { type: 'peer', peer });
      return taken.ok ? 'ok' : taken.refusal.code;
    };
    return { board, news, take };
  };

  it('are noticed by whoever hears of both, in either order, and none of the two is followed', async () => {
    const ended = [];
    for (const order of [
      [ours, theirs],
      [theirs, ours],
    ]) {
      const { board, news, take } = await open();
      expect(order.map(take)).toEqual(['ok', 'ok']);
      expect(news).toEqual(['installed', 'installed', 'forked']);
      expect(trustInForce(board.state)?.authorities).toEqual([]);
      ended.push(board.marks);
    }
    expect(ended[0]).toEqual(ended[1]);
  });

  it('leave the dropped one no other say', async () => {
    const { take } = await open();
    expect(take(ours)).toBe('ok');
    for (const text of [trusting(other, 3, [other.text]), trusting(other, 1, [other.text]), revoking(1, other.key)])
      expect(take(text)).toBe('SIGNATURE_INVALID');
    const dropped = revocationOf('key', keyIdOf(other.key));
    expect(
      take(
        signNotice(authority.key, { kind: 'revocations', generation: 1, clusterId, body: { revocations: [dropped] } }),
      ),
    ).toBe('ok');
    expect(take(theirs)).not.toBe('ok');
  });

  it('leave it none at all once the next bundle is there', async () => {
    const { take } = await open();
    expect([ours, trusting(authority, 3, [authority.text]), theirs].map(take)).toEqual([
      'ok',
      'ok',
      'SIGNATURE_INVALID',
    ]);
  });
});

describe('what a node keeps of the notices', () => {
  const store = new MemoryStore();
  const trust = () => unwrap(readTrustNotice(trustText, [authority.text], clusterId));
  const open = (seal = (text: string) => `${text.length}`) =>
    NoticeBoard.open({
      clusterId,
      store,
      trust: trust(),
      revocations: new Revocations(),
      roots: noRoots(),
      ...noRules(),
      seal,
      trouble: () => {},
    });

  it('gives way to a newer file of the operator, and never to an older one', async () => {
    const newer = signNotice(authority.key, {
      kind: 'trust',
      generation: 4,
      clusterId,
      body: { ...bundle, deployers: [authority.text] },
    });
    const from = (text: string) =>
      NoticeBoard.open({
        clusterId,
        store: kept,
        trust: unwrap(readTrustNotice(text, [authority.text], clusterId)),
        revocations: new Revocations(),
        roots: noRoots(),
        ...noRules(),
        seal: (line) => `${line.length}`,
        trouble: () => {},
      });
    const kept = new MemoryStore();
    const generations = [];
    for (const text of [trustText, newer, trustText])
      generations.push((await from(text)).marks.map(({ generation }) => generation));
    expect(generations).toEqual([[1], [4], [4]]);
  });

  it('is read again at the next start, and not when somebody changed it', async () => {
    const board = await open();
    unwrap(board.take(revoking(3), { type: 'api' }));
    await board.saved();
    expect((await open()).marks).toEqual(board.marks);
    await expect(open(() => 'another vault')).rejects.toMatchObject({ code: 'MALFORMED' });
    const kept = utf8.decode((await store.get('notices', 'revocations'))!);
    await store.put('notices', 'revocations', utf8.encode(kept.replace('{"current"', '{"currant"')));
    await expect(open()).rejects.toMatchObject({ code: 'MALFORMED' });
  });
});
