import { afterEach, describe, expect, test } from 'vitest';
import { setup } from 'xstate';
import { actorsFeature } from '../../../src/actors/cluster/links/link-transport.ts';
import type { PeerLink } from '../../../src/actors/cluster/links/links.ts';
import { exposedActors } from '../../../src/actors/exposed-actors.ts';
import type { Asked } from '../../../src/actors/kernel/asks.ts';
import type { Exposed } from '../../../src/actors/kernel/exposure.ts';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import type { Message } from '../../../src/actors/kernel/ref.ts';
import type { WorkerSpec } from '../../../src/actors/kernel/spec.ts';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { limits } from '../../../src/limits.ts';
import {
  type ActorPacket,
  decodeActorHeader,
  encodeActorHeader,
  encodeStreamControl,
  type StreamControl,
} from '../../../src/protocols/link/actor-frame.ts';
import { encodePlainData } from '../../../src/protocols/msgpack/plain-data.ts';
import { linkUp, startKernelNode } from '../../actors/cluster/links/kernel-lab.ts';
import { identityOf, makeCa, startLinkNode, Undo, until } from '../../actors/cluster/links/link-lab.ts';
import { heldBytes } from '../lab/memory.ts';

type Echo = Asked<{ readonly type: 'echo'; readonly it: number }, number>;

const undo = new Undo();
afterEach(() => undo.run());

const isText = (data: unknown): boolean => typeof (data as { text?: unknown }).text === 'string';
const isEcho = (data: unknown): boolean => (data as { type?: unknown }).type === 'echo';
const isNumber = (data: unknown): data is number => typeof data === 'number';

/** What the target opens: some to all, the echo to the friend alone. The kernel of the lab has its places in `/node`. */
const open = exposedActors([
  { path: '/node/program/keeper', to: ['*'], tells: isText },
  { path: '/node/program/stuck', to: ['*'], tells: isText, asks: isEcho },
  { path: '/node/program/mortal', to: ['*'], tells: isText, monitors: true },
  { path: '/node/program/echo', to: ['friend'], asks: isEcho },
]);
const exposed: Exposed = (path, node) => open(path.replace('/node/', '/node/program/'), node);

/** A member in the wrong hands: it has a good certificate, and sends what it likes over its link. */
interface Evil {
  readonly link: PeerLink;
  say(packet: ActorPacket, content?: unknown): void;
  raw(header: Uint8Array, content?: Uint8Array): void;
  control(control: StreamControl): void;
  /** What the target said, newest last. */
  readonly heard: ActorPacket[];
  readonly closed: readonly { readonly reason: string }[];
}

async function attacked() {
  const ca = makeCa();
  const kept: Message[] = [];
  const held: Message[] = [];
  const child = (id: string, logic: WorkerSpec['logic'], more: Partial<WorkerSpec> = {}): WorkerSpec => ({
    kind: 'worker',
    id,
    logic,
    ...more,
  });
  const children = [
    child(
      'keeper',
      fromHandler<Message>(() => (message) => kept.push(message)),
    ),
    child(
      'stuck',
      fromHandler<Message>(() => (message) => held.push(message)),
    ),
    child(
      'mortal',
      fromHandler<Message>(() => () => {}),
      { restart: 'temporary' },
    ),
    child(
      'echo',
      fromHandler<Echo>(
        () =>
          ({ it, replyTo }) =>
            replyTo.tell(it),
      ),
    ),
    child(
      'audit-writer',
      fromHandler<Message>(() => (message) => kept.push(message)),
    ),
  ];
  const target = await startKernelNode(undo, ca, 'target', { exposed, children });
  const silent = fromHandler<Echo>(() => () => {});
  const friend = await startKernelNode(undo, ca, 'friend', {
    exposed: () => ({ asks: isEcho }),
    children: [child('silent', silent)],
  });
  await linkUp(friend.node, target.node);
  const evilNode = await startLinkNode(undo, 'evil', identityOf(ca, 'evil'), { features: [actorsFeature] });
  const heard: ActorPacket[] = [];
  let opened = 0;
  evilNode.links.onFrame('actors', (_, { header }) => {
    const read = decodeActorHeader(utf8, header);
    if (read.ok) heard.push(read.value.unverified.packet);
  });
  evilNode.links.onFrame('actor-stream', () => {
    opened++;
  });
  await linkUp(evilNode, target.node);
  const link = evilNode.links.get(target.node.nodeId)!;
  const raw: Evil['raw'] = (header, content) => void link.send('actors', header, content);
  const evil: Evil = {
    link,
    raw,
    say: (packet, content) => {
      const bytes =
        content === undefined ? undefined : encodePlainData(utf8, content, { bytesMax: 2 ** 20 }, () => undefined);
      if (bytes?.ok === false) throw new Error('not to be encoded');
      raw(encodeActorHeader(utf8, { ack: 0, packet }), bytes?.value);
    },
    control: (control) => void link.send('actor-stream', encodeStreamControl(utf8, control)),
    heard,
    closed: evilNode.closed,
  };
  evil.control({ kind: 'open', stream: 5, received: 0, resume: false });
  await until('the stream is open', () => opened > 0);
  /** The friend’s question is answered, and soon. */
  const serves = async (): Promise<void> => {
    const ref = friend.kernel.ref<Echo>('target!/node/echo');
    const answer = await friend.kernel.ask(ref, { type: 'echo', it: 7 }, { accepts: isNumber, timeoutMs: 2_000 });
    expect(answer).toEqual({ ok: true, value: 7 });
  };
  await serves();
  /** Everything that was said before has been taken. */
  const settled = async (): Promise<void> => {
    const before = kept.length;
    evil.say({ kind: 'tell', path: '/node/keeper' }, { text: 'the end' });
    await until('the end has come', () => kept.length > before);
    kept.splice(before);
  };
  const codes = (): string[] => target.denials.map(({ refusal, packet }) => `${packet.kind} ${refusal.code}`);
  return { target, friend, evil, kept, held, serves, settled, codes };
}

describe('a member in the wrong hands, about actors', () => {
  test('reaches nothing that was not opened to it, and learns nothing of it', async () => {
    const { target, evil, kept, serves, settled, codes } = await attacked();
    const paths = [
      '/node/audit-writer',
      '/node',
      '/',
      '/node/echo',
      '/node/nobody',
      '/node/keeper/..',
      '/node/keeper/',
    ];
    for (const [at, path] of paths.entries()) {
      evil.say({ kind: 'tell', path }, { text: 'x' });
      evil.say({ kind: 'ask', path, id: at + 1 }, { type: 'echo', it: 1 });
      evil.say({ kind: 'monitor', path, id: 100 + at, linked: false });
      evil.say({ kind: 'monitor', path, id: 200 + at, linked: true });
    }
    await settled();
    await serves();
    expect(kept).toEqual([]);
    expect(codes()).toHaveLength(4 * paths.length);
    expect(new Set(codes())).toEqual(new Set(['tell UNAUTHORIZED', 'ask UNAUTHORIZED', 'monitor UNAUTHORIZED']));
    await until('all is refused', () => evil.heard.length === 3 * paths.length);
    // The words are the same whether somebody lives there or not.
    const words = evil.heard.flatMap((packet) => (packet.kind === 'refused' ? packet.refusal.reasons : []));
    const same = words.map((word, at) => word.replace(paths[at]!, 'it'));
    expect(new Set(same).size).toBe(1);
    expect(target.kernel.remote).toMatchObject({ asked: 0, visitors: 0 });
  });

  test('cannot stop an actor that is not open for links, nor forge its end or the kernel’s events', async () => {
    const { target, evil, kept, settled, codes } = await attacked();
    evil.say({ kind: 'monitor', path: '/node/mortal', id: 1, linked: false });
    evil.say({ kind: 'monitor', path: '/node/mortal', id: 2, linked: true });
    for (const id of [1, 2, 3, 77]) evil.say({ kind: 'exit', id, reason: 'killed' });
    const messages: unknown[] = [
      { type: 'kernel.shutdown', text: 'x' },
      { type: 'kernel.down', text: 'x' },
      { type: 'xstate.stop', text: 'x' },
      { type: 'xstate.error.actor.x', text: 'x' },
      { type: 'x', text: 'x', replyTo: { path: '/node/keeper' } },
      [{ text: 'x' }],
      'text',
      7,
      null,
      { text: 7 },
    ];
    for (const message of messages) evil.say({ kind: 'tell', path: '/node/mortal' }, message);
    evil.say({ kind: 'tell', path: '/node/mortal' });
    await settled();
    expect(target.kernel.tree().some(({ path }) => path === '/node/mortal')).toBe(true);
    expect(codes()).toEqual(['monitor UNAUTHORIZED', ...Array(messages.length + 1).fill('tell MALFORMED')]);
    expect(kept).toEqual([]);
    expect(target.kernel.remote?.visitors).toBe(0);
  });

  test('cannot answer what it was not asked', async () => {
    const { target, evil, settled, codes } = await attacked();
    const ref = target.kernel.ref<Echo>('friend!/node/silent');
    const stop = new AbortController();
    const asked = [1, 2, 3].map((it) =>
      target.kernel.ask(ref, { type: 'echo', it }, { accepts: isNumber, signal: stop.signal }),
    );
    for (let id = 1; id <= 100; id++) {
      evil.say({ kind: 'answer', id }, 666);
      evil.say({ kind: 'refused', id, refusal: { code: 'STOPPED', reasons: ['No.'] } });
      evil.say({ kind: 'down', id, reason: 'crash' });
    }
    await settled();
    expect(target.kernel.remote?.questions).toBe(3);
    expect(new Set(codes())).toEqual(
      new Set(['answer PROTOCOL_VIOLATION', 'refused PROTOCOL_VIOLATION', 'down PROTOCOL_VIOLATION']),
    );
    expect(codes()).toHaveLength(300);
    stop.abort();
    for (const answer of await Promise.all(asked)) expect(answer).toMatchObject({ refusal: { code: 'CANCELLED' } });
  });

  test('cannot bring in what is too deep, too much or poisonous', async () => {
    const { evil, kept, serves, settled, codes } = await attacked();
    const tell = encodeActorHeader(utf8, { ack: 0, packet: { kind: 'tell', path: '/node/keeper' } });
    const contents = [
      new Uint8Array(limits.contentBytesMax).fill(0x91),
      new Uint8Array(limits.contentBytesMax).fill(0x81),
      Uint8Array.from([0xdc, 0xff, 0xff, ...new Uint8Array(65_535).fill(0x80)]),
      Uint8Array.from([0x81, 0xa9, ...utf8.encode('__proto__'), 0x81, 0xa4, ...utf8.encode('text'), 0xa1, 0x61]),
      Uint8Array.from([0xdf, 0xff, 0xff, 0xff, 0xff]),
      Uint8Array.from([0xdb, 0xff, 0xff, 0xff, 0xff]),
      new Uint8Array(limits.contentBytesMax + 1),
    ];
    for (const content of contents) evil.raw(tell, content);
    await settled();
    expect(kept).toEqual([]);
    expect(codes()).toEqual(Array(contents.length).fill('tell MALFORMED'));
    expect(({} as { text?: string }).text).toBeUndefined();
    await serves();
  });

  test('is cut off when it sends more than the window, and what it held is let go', async () => {
    const { target, evil, serves } = await attacked();
    const before = process.memoryUsage().heapUsed;
    evil.say({ kind: 'monitor', path: '/node/mortal', id: 1, linked: false });
    const header = encodeActorHeader(utf8, { ack: 0, packet: { kind: 'tell', path: '/node/nobody' } });
    const junk = new Uint8Array(1_000);
    for (let n = 0; n < 300_000 && evil.closed.length === 0; n++) {
      evil.raw(header, junk);
      if (n % 1_000 === 0) await new Promise(setImmediate);
      if (n % 5_000 === 0) await serves();
    }
    await until('its budget is spent, and so its window', () => evil.closed.length > 0);
    expect(target.node.refused.at(-1)?.refusal.code).toBe('PROTOCOL_VIOLATION');
    await until('nothing is held', () => target.kernel.remote?.visitors === 0);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(200_000_000);
    await serves();
  });

  test('cannot watch without end, nor fill the target with answers that it does not take', async () => {
    const { target, evil, serves } = await attacked();
    for (let id = 1; id <= limits.monitorsMax + 1_000; id++) {
      evil.say({ kind: 'monitor', path: '/node/mortal', id, linked: false });
      if (id % 2_000 === 0) await new Promise(setImmediate);
    }
    await until('so many and no more', () => (target.kernel.remote?.visitors ?? 0) === limits.monitorsMax);
    await serves();
    // It acknowledges nothing, so that the answers to whatever it asks for pile up here: up to a point.
    const downs = () => evil.heard.filter(({ kind }) => kind === 'down').length;
    await until('the others are refused', () => downs() === 1_000);
    await target.kernel.terminateChild('/node', 'mortal');
    await until('all of them fire', () => downs() === limits.monitorsMax + 1_000, 20_000);
    expect(target.kernel.remote?.visitors).toBe(0);
    await serves();
  });

  test('can fill only its half of an inbox', async () => {
    const { target, friend, evil, serves, settled } = await attacked();
    const taken: Message[] = [];
    // One that is busy: its inbox is not read in this turn of the event loop.
    await target.kernel.terminateChild('/node', 'stuck');
    const spec: WorkerSpec = {
      kind: 'worker',
      id: 'stuck',
      logic: fromHandler<Message>(() => (message) => taken.push(message)),
      inboxMessagesMax: 10,
    };
    await target.kernel.deleteChild('/node', 'stuck');
    expect((await target.kernel.startChild('/node', spec)).ok).toBe(true);
    for (let n = 0; n < 100; n++) evil.say({ kind: 'tell', path: '/node/stuck' }, { text: `${n}` });
    await settled();
    // They came in one piece, so at most half of ten places were its own before the actor had a turn.
    expect(taken.length).toBeLessThan(100);
    expect(target.kernel.deadLetters.byReason().get('inbox full')).toBeGreaterThan(0);
    expect(target.kernel.deadLetters.recent().every(({ message }) => JSON.stringify(message).length < 100)).toBe(true);
    expect(friend.kernel.ref<Message>('target!/node/keeper').tell({ type: 'x', text: 'x' } as Message).ok).toBe(true);
    await serves();
  });

  test('has nothing kept of what it tells one that is down, or that goes down, or cannot use it', async () => {
    const { target, evil, serves, settled } = await attacked();
    const long = 'x'.repeat(1_000);
    const chart = setup({}).createMachine({});
    const spec: WorkerSpec = { kind: 'worker', id: 'stuck', logic: chart, shutdown: 'brutal-kill' };
    await target.kernel.terminateChild('/node', 'stuck');
    for (let n = 0; n < 50; n++) evil.say({ kind: 'tell', path: '/node/stuck' }, { text: `${n} ${long}` });
    await settled();
    await target.kernel.deleteChild('/node', 'stuck');
    expect((await target.kernel.startChild('/node', spec)).ok).toBe(true);
    // No event of a chart.
    for (let n = 0; n < 50; n++) evil.say({ kind: 'tell', path: '/node/stuck' }, { text: `${n} ${long}` });
    await settled();
    expect(target.kernel.suspend('/node/stuck').ok).toBe(true);
    for (let n = 0; n < 50; n++) evil.say({ kind: 'tell', path: '/node/stuck' }, { type: 'x', text: `${n} ${long}` });
    await settled();
    await target.kernel.stopChild('/node', 'stuck');
    const letters = target.kernel.deadLetters.recent().filter(({ path }) => path === '/node/stuck');
    const count = (wanted: string) => letters.filter(({ reason }) => reason === wanted).length;
    expect([letters.length, count('stopped'), count('refused')]).toEqual([150, 100, 50]);
    expect(letters.every(({ message }) => JSON.stringify(message).length < 100)).toBe(true);
    await serves();
  });

  test('cannot make a chart remember the names of events without end', async () => {
    const { target, evil, serves, settled } = await attacked();
    const heard: string[] = [];
    const chart = setup({}).createMachine({
      initial: 'a',
      states: { a: { on: { known: { actions: ({ event }) => void heard.push(event.type) } } } },
    });
    const spec: WorkerSpec = { kind: 'worker', id: 'stuck', logic: chart, shutdown: 'brutal-kill' };
    await target.kernel.terminateChild('/node', 'stuck');
    await target.kernel.deleteChild('/node', 'stuck');
    expect((await target.kernel.startChild('/node', spec)).ok).toBe(true);
    const round = async (from: number): Promise<void> => {
      for (let n = from; n < from + 300; n++) {
        evil.say({ kind: 'tell', path: '/node/stuck' }, { type: `${n}${'x'.repeat(60_000)}`, text: '' });
        if (n % 50 === 49) await settled();
      }
    };
    await round(0);
    const before = heldBytes();
    await round(300);
    await round(600);
    expect(heldBytes() - before).toBeLessThan(15_000_000);
    for (let n = 0; n < limits.chartEventTypesMax + 1_000; n++) {
      evil.say({ kind: 'tell', path: '/node/stuck' }, { type: `short ${n}`, text: '' });
      if (n % 200 === 199) await settled();
    }
    const refused = target.kernel.deadLetters.byReason().get('refused') ?? 0;
    expect(refused).toBeGreaterThanOrEqual(1_900);
    // What the chart names it goes on hearing.
    evil.say({ kind: 'tell', path: '/node/stuck' }, { type: 'known', text: '' });
    await settled();
    expect(heard).toEqual(['known']);
    await serves();
  });

  test('can have only so many questions under way', async () => {
    const { target, evil, held, serves, settled } = await attacked();
    for (let id = 1; id <= limits.asksPerNodeMax + 100; id++) {
      evil.say({ kind: 'ask', path: '/node/stuck', id }, { type: 'echo', it: id });
      if (id % 500 === 0) await until('they are read', () => held.length >= Math.min(id, limits.asksPerNodeMax) - 500);
    }
    await settled();
    expect(target.kernel.remote?.asked).toBe(limits.asksPerNodeMax);
    const refused = () =>
      evil.heard.filter((packet) => packet.kind === 'refused' && packet.refusal.code === 'LIMIT_EXCEEDED').length;
    await until('the others are refused', () => refused() === 100);
    evil.link.close('goodbye', 'enough');
    await until('they are let go', () => target.kernel.remote?.asked === 0);
    await serves();
  });

  test.each<[string, (evil: Evil) => void]>([
    ['a header that is none', (evil) => evil.raw(Uint8Array.of(0xc1))],
    ['an acknowledgement of what was never sent', (evil) => evil.control({ kind: 'ack', stream: 5, received: 99 })],
    [
      'an opening that claims to have received',
      (evil) => evil.control({ kind: 'open', stream: 5, received: 9, resume: true }),
    ],
    [
      'what the other side has to say',
      (evil) => evil.control({ kind: 'opened', stream: 5, received: 0, resumed: true }),
    ],
    ['a reset', (evil) => evil.control({ kind: 'reset', stream: 5 })],
  ])('loses its link, and what it held, by %s', async (_, act) => {
    const { target, evil, serves } = await attacked();
    evil.say({ kind: 'monitor', path: '/node/mortal', id: 1, linked: false });
    await until('it watches', () => target.kernel.remote?.visitors === 1);
    act(evil);
    await until('its link is closed', () => evil.closed.length === 1);
    expect(target.kernel.remote?.visitors).toBe(0);
    expect(target.node.refused.map(({ refusal }) => refusal.code)).toEqual(['PROTOCOL_VIOLATION']);
    await serves();
  });

  test('gains nothing by beginning anew again and again', async () => {
    const { target, evil, serves } = await attacked();
    for (let stream = 6; stream < 5_000; stream++) {
      evil.control({ kind: 'open', stream, received: 0, resume: stream % 2 === 0 });
      evil.say({ kind: 'monitor', path: '/node/mortal', id: 1, linked: false });
      if (stream % 500 === 0) await new Promise(setImmediate);
    }
    await until('it watches once', () => target.kernel.remote?.visitors === 1);
    await serves();
  });
});
