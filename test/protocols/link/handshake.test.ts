import { describe, expect, test } from 'vitest';
import { encodeFrame, type Frame, type FrameKind, frameKinds } from '../../../src/protocols/link/frame.ts';
import {
  createHandshake,
  type HandshakeEffect,
  type HandshakeInput,
  type HandshakeOptions,
  type HandshakeState,
  handshakeStep,
} from '../../../src/protocols/link/handshake.ts';
import { encodeHello, encodeReady, type Hello } from '../../../src/protocols/link/hello.ts';
import { domain, frameOf, helloOf, nodeId, optionsOf, utf8 } from './fixtures.ts';

const helloFrame = (hello: Hello): Frame => frameOf(encodeFrame('hello', encodeHello(utf8, hello)));
const readyFrame = (version = 1): Frame =>
  frameOf(encodeFrame('ready', encodeReady(utf8, { version, heartbeatMs: 9 })));
const heard = (frame: Frame): HandshakeInput => ({ type: 'frame', frame });
const admitted: HandshakeInput = { type: 'admit', yes: true };
const open: HandshakeInput = { type: 'open' };

/** One end of a greeting, with all that it did so far. */
class Side {
  state: HandshakeState;
  readonly effects: HandshakeEffect[] = [];

  constructor(options: HandshakeOptions) {
    this.state = createHandshake(options);
  }

  /** What these inputs led to. */
  after(...inputs: readonly HandshakeInput[]): HandshakeEffect[] {
    const before = this.effects.length;
    for (const input of inputs) {
      const { state, effects } = handshakeStep(this.state, input);
      this.state = state;
      this.effects.push(...effects);
    }
    return this.effects.slice(before);
  }

  get sent(): Frame[] {
    return this.effects.flatMap((effect) => (effect.type === 'send' ? [frameOf(effect.bytes)] : []));
  }
}

/** The hello of a dialler: it numbers its dial. */
const dialling = (more: Partial<Hello> = {}): Hello => helloOf('n1', { dial: 1, ...more });

const dialer = (own: Hello = dialling(), expect: Partial<HandshakeOptions['expect']> = {}): Side =>
  new Side(optionsOf('dialer', own, 'n2', expect));
const acceptor = (own: Hello = helloOf('n2'), expect: Partial<HandshakeOptions['expect']> = {}): Side =>
  new Side(optionsOf('acceptor', own, 'n1', expect));

/** Carries frames from each side to the other until both are quiet; each side admits its peer. */
function pipe(one: Side, two: Side): void {
  const taken = new Map([
    [one, 0],
    [two, 0],
  ]);
  for (let quiet = false; !quiet; ) {
    quiet = true;
    for (const [from, to] of [
      [one, two],
      [two, one],
    ] as const) {
      const at = taken.get(from)!;
      const frame = from.sent[at];
      if (!frame) continue;
      quiet = false;
      taken.set(from, at + 1);
      if (to.after(heard(frame)).some(({ type }) => type === 'peer')) to.after(admitted);
    }
  }
}

describe('a greeting', () => {
  test('goes hello, hello and ready, ready; then both are up', () => {
    const one = dialer(dialling({ bootEpoch: 7 }));
    const two = acceptor(helloOf('n2', { bootEpoch: 9 }));
    two.after(open);
    expect(two.sent).toEqual([]);
    one.after(open);
    pipe(one, two);
    expect([one.state.phase, two.state.phase]).toEqual(['up', 'up']);
    expect(one.sent.map(({ kind }) => kind)).toEqual(['hello', 'ready']);
    expect(two.sent.map(({ kind }) => kind)).toEqual(['hello', 'ready']);
    expect(one.effects.map(({ type }) => type)).toEqual(['send', 'peer', 'send', 'ready']);
    expect(two.effects.map(({ type }) => type)).toEqual(['peer', 'send', 'send', 'ready']);
    expect([one.state.peer, two.state.peer]).toEqual([helloOf('n2', { bootEpoch: 9 }), dialling({ bootEpoch: 7 })]);
    expect(one.effects.at(-1)).toEqual({ type: 'ready', version: 1, peerHeartbeatMs: 5_000 });
  });

  test('takes the highest version that both speak, whatever each likes best', () => {
    const one = dialer(dialling({ versions: [4, 2, 3] }));
    const two = acceptor(helloOf('n2', { versions: [1, 2, 3, 9] }));
    two.after(open);
    one.after(open);
    pipe(one, two);
    for (const side of [one, two]) expect(side.effects.at(-1)).toMatchObject({ type: 'ready', version: 3 });
  });

  test('says nothing to a dialler that it does not want', () => {
    const two = acceptor();
    two.after(open, heard(helloFrame(dialling())));
    expect(two.after({ type: 'admit', yes: false, reason: 'Another link is kept.' })).toEqual([
      { type: 'close', reason: 'duplicate', refusal: { code: 'ALREADY_EXISTS', reasons: ['Another link is kept.'] } },
    ]);
    expect(two.sent).toEqual([]);
  });
});

describe('a greeting between two that do not hold the same notices', () => {
  const asks: HandshakeInput = { type: 'admit', yes: true, request: new Uint8Array([0x90]) };
  const request = frameOf(encodeFrame('notice-request', new Uint8Array([0x90])));
  const notice = frameOf(encodeFrame('notice', new Uint8Array([0x91, 0]), new Uint8Array([1])));

  test('is ready only once the one that lacks something has taken it', () => {
    const two = acceptor();
    two.after(open, heard(helloFrame(dialling())), asks);
    expect([two.state.phase, two.sent.map(({ kind }) => kind)]).toEqual(['reconciling', ['hello', 'notice-request']]);
    // The peer lacks nothing, and is ready already.
    expect(two.after(heard(readyFrame()))).toEqual([]);
    expect(two.after(heard(notice))).toEqual([{ type: 'notices.given', frame: notice }]);
    expect(two.after({ type: 'reconciled' }).map(({ type }) => type)).toEqual(['send', 'ready']);
    expect(two.state.phase).toBe('up');
  });

  test('goes both ways at once', () => {
    const one = dialer();
    one.after(open, heard(helloFrame(helloOf('n2'))), asks);
    expect(one.after(heard(request))).toEqual([{ type: 'notices.asked', frame: request }]);
    one.after(heard(notice), { type: 'reconciled' });
    expect(one.state.phase).toBe('awaiting-ready');
    one.after(heard(readyFrame()));
    expect([one.state.phase, one.sent.map(({ kind }) => kind)]).toEqual(['up', ['hello', 'notice-request', 'ready']]);
  });

  test.each<[string, readonly HandshakeInput[]]>([
    ['a second request', [heard(request), heard(request)]],
    ['a second ready', [heard(readyFrame()), heard(readyFrame())]],
    ['another hello', [heard(helloFrame(helloOf('n2')))]],
    ['a notice after the last', [{ type: 'reconciled' }, heard(notice)]],
    ['two ends of it', [{ type: 'reconciled' }, { type: 'reconciled' }]],
  ])('ends with %s', (_, inputs) => {
    const one = dialer();
    one.after(open, heard(helloFrame(helloOf('n2'))), asks);
    expect(one.after(...inputs).at(-1)).toMatchObject({ type: 'close', reason: 'protocolViolation' });
    expect(one.state.phase).toBe('closed');
  });

  test('ends when time is up', () => {
    const one = dialer();
    one.after(open, heard(helloFrame(helloOf('n2'))), asks);
    expect(one.after({ type: 'timeout' })).toMatchObject([{ type: 'close', reason: 'handshakeTimeout' }]);
  });
});

describe('a hello is refused', () => {
  const cases: readonly [string, Hello, Partial<HandshakeOptions['expect']>, string, string][] = [
    ['by another name than its certificate’s', helloOf('n9'), {}, 'foreign', 'its certificate is of n2'],
    ['by another node than was dialled', helloOf('n2'), { nodeId: nodeId('n3') }, 'foreign', 'n3 was expected'],
    ['by this node itself', helloOf('n1'), { peerNodeId: nodeId('n1') }, 'self', 'the id of this node'],
    ['by one that only calls itself as this node', helloOf('n1'), {}, 'foreign', 'the id of this node'],
    [
      'of another trust domain',
      helloOf('n2', { trustDomain: domain('else.test') }),
      {},
      'foreign',
      'trust domain else',
    ],
    ['of another cluster', helloOf('n2', { clusterId: 'cluster-2' }), {}, 'foreign', 'another cluster'],
    ['of an empty cluster id', helloOf('n2', { clusterId: '' }), {}, 'foreign', 'another cluster'],
    ['without a common version', helloOf('n2', { versions: [2, 3] }), {}, 'foreign', 'link versions 2, 3'],
    ['without any version', helloOf('n2', { versions: [] }), {}, 'foreign', 'link versions'],
  ];
  test.each(cases)('%s', (_, hello, expected, reason, words) => {
    const side = dialer(dialling(), expected);
    side.after(open);
    const effects = side.after(heard(helloFrame(hello)));
    expect(effects).toMatchObject([{ type: 'close', reason, refusal: { code: 'PROTOCOL_VIOLATION' } }]);
    const [close] = effects;
    if (close?.type === 'close') expect(close.refusal.reasons.join(' ')).toContain(words);
    expect(side.state).toMatchObject({ phase: 'closed', peer: undefined });
    expect(side.sent.map(({ kind }) => kind)).toEqual(['hello']);
  });

  test('by a dialler that does not number its dial, and by an acceptor that does', () => {
    const two = acceptor();
    expect(two.after(open, heard(helloFrame(helloOf('n1'))))).toMatchObject([{ type: 'close', reason: 'foreign' }]);
    const one = dialer();
    const [, close] = one.after(open, heard(helloFrame(helloOf('n2', { dial: 1 }))));
    expect(close).toMatchObject({
      type: 'close',
      refusal: { reasons: [expect.stringContaining('numbers its dial 1')] },
    });
  });

  test.each([
    ['hello', [open]],
    ['ready', [open, heard(helloFrame(dialling())), admitted]],
  ] as const)('with content behind %s', (kind, before) => {
    const two = acceptor();
    two.after(...before);
    const frame = kind === 'hello' ? helloFrame(dialling()) : readyFrame();
    expect(two.after(heard({ ...frame, content: Uint8Array.of(1) }))).toMatchObject([
      { type: 'close', reason: 'protocolViolation', refusal: { reasons: [expect.stringContaining('content behind')] } },
    ]);
  });

  test('with every reason at once', () => {
    const two = acceptor();
    two.after(open);
    const hello = helloOf('n8', { trustDomain: domain('x'), clusterId: 'x', versions: [8] });
    const [close] = two.after(heard(helloFrame(hello)));
    expect(close).toMatchObject({ type: 'close', reason: 'foreign' });
    if (close?.type === 'close') expect(close.refusal.reasons).toHaveLength(5);
  });

  test.each([
    ['hello', [open], 'hello' as const],
    ['ready', [open, heard(helloFrame(dialling())), admitted], 'ready' as const],
  ])('a malformed %s closes', (_, before, kind) => {
    const two = acceptor();
    two.after(...before);
    expect(two.after(heard({ kind, header: Uint8Array.of(0xff), content: Uint8Array.of() }))).toMatchObject([
      { type: 'close', reason: 'protocolViolation', refusal: { code: 'MALFORMED' } },
    ]);
  });

  test('a ready for another version than both would choose closes', () => {
    const two = acceptor(helloOf('n2', { versions: [1, 2] }));
    two.after(open, heard(helloFrame(dialling({ versions: [1, 2] }))), admitted);
    expect(two.after(heard(readyFrame(1)))).toMatchObject([{ type: 'close', reason: 'protocolViolation' }]);
  });
});

type Way = readonly (readonly [HandshakeState['phase'], readonly HandshakeInput[]])[];

/** How a side gets into each phase when it hears this hello. */
const wayWith = (hello: HandshakeInput): Way => [
  ['new', []],
  ['awaiting-hello', [open]],
  ['judging', [open, hello]],
  ['awaiting-ready', [open, hello, admitted]],
  ['up', [open, hello, admitted, heard(readyFrame())]],
];
const fits: Record<string, string> = {
  new: 'open',
  'awaiting-hello': 'hello',
  judging: 'admit',
  'awaiting-ready': 'ready',
};
const empty = new Uint8Array(0);
const inputs: readonly (readonly [string, HandshakeInput])[] = [
  ['open', open],
  ['admit', admitted],
  ['decline', { type: 'admit', yes: false, reason: 'no' }],
  ['hello', heard(helloFrame(dialling()))],
  ['ready', heard(readyFrame())],
  ...(Object.keys(frameKinds) as FrameKind[])
    .filter((kind) => kind !== 'hello' && kind !== 'ready')
    .map((kind): [string, HandshakeInput] => [kind, heard({ kind, header: empty, content: empty })]),
];

describe.each(['dialer', 'acceptor'] as const)('out of order at the %s', (side) => {
  const way = wayWith(heard(helloFrame(side === 'acceptor' ? dialling() : helloOf('n1'))));
  const at = (before: readonly HandshakeInput[]): Side => {
    const made = new Side(optionsOf(side, helloOf('n2', { dial: side === 'dialer' ? 3 : 0 }), 'n1'));
    made.after(...before);
    return made;
  };
  const table = way.flatMap(([phase, before]) =>
    inputs
      .filter(([name]) => fits[phase] !== name && !(phase === 'judging' && name === 'decline'))
      .filter(([name]) => !(phase === 'awaiting-ready' && name === 'notice-request'))
      .map(([name, input]): [string, HandshakeState['phase'], readonly HandshakeInput[], HandshakeInput] => [
        name,
        phase,
        before,
        input,
      ]),
  );
  test.each(table)('%s while %s closes', (_, phase, before, input) => {
    const made = at(before);
    expect(made.state.phase).toBe(phase);
    expect(made.after(input)).toMatchObject([
      { type: 'close', reason: 'protocolViolation', refusal: { code: 'PROTOCOL_VIOLATION' } },
    ]);
    expect(made.state.phase).toBe('closed');
  });

  test.each(way.filter(([phase]) => phase !== 'up'))('time out while %s closes', (_, before) => {
    const made = at(before);
    expect(made.after({ type: 'timeout' })).toMatchObject([
      { type: 'close', reason: 'handshakeTimeout', refusal: { code: 'TIMED_OUT' } },
    ]);
    expect(made.state.phase).toBe('closed');
  });

  test('a timer that fires late leaves a link that is up alone', () => {
    const made = at(way.at(-1)![1]);
    expect(made.after({ type: 'timeout' })).toEqual([]);
    expect(made.state.phase).toBe('up');
  });

  test('what is closed stays closed and says nothing more', () => {
    const made = at([open, { type: 'timeout' }]);
    for (const [, input] of inputs) expect(made.after(input)).toEqual([]);
    expect(made.after({ type: 'timeout' })).toEqual([]);
    expect(made.state.phase).toBe('closed');
  });
});
