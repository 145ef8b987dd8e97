import { setTimeout as pause } from 'node:timers/promises';
import { CertificateIssuer } from '../../src/actors/cluster/identity/certificate-issuer.ts';
import { shownChain } from '../../src/actors/cluster/identity/pem.ts';
import { nodeClock } from '../../src/actors/kernel/node-clock.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { createSigningRequest } from '../../src/crypto/signing-request.ts';
import { verifyNodeSvid } from '../../src/crypto/svid.ts';
import { ok, unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import type { NodeId } from '../../src/names.ts';
import { measureCalls } from '../runner/calls.ts';
import { type BenchOptions, type Report, roundsOf } from '../runner/report.ts';
import { type Contender, interleave } from '../runner/rounds.ts';
import { quantile, ratioOf, spreadOf } from '../runner/statistics.ts';
import { noise, shortNumber, shownSpread, type Table, verdict } from '../runner/table.ts';
import { type Authority, identityOf, makeAuthority, trustDomain } from './authority.ts';
import { bareTls, bareWebSockets, caxtonLinks, type Handshakes } from './handshakes.ts';
import { LinkPeer } from './hub.ts';

const issueGoalMs = 3;
const readyGoal = 0.9;
const pauseGoalMs = 100;
const busyLinks = 50;

/** What certificates cost: to issue one, to come up with one, and to change one while work goes on. */
export async function identity({ quick }: BenchOptions): Promise<Report> {
  const authority = makeAuthority();
  return {
    title: 'bench/identity: certificates issued, shown and changed',
    about,
    tables: [await issuing(authority, quick), await coming(authority, quick), await changing(authority, quick)],
  };
}

const about = [
  'P-256 certificates of one CA. “Issued” is the whole of what a CA node does for one: the request read strictly, its ' +
    'signature checked, what it asks for judged, the certificate signed and judged as a peer would; without the audit ' +
    'record, whose sync depends on the disk. “Ready”: connections one after the other, both ends in this process, with ' +
    'the same TLS settings; a link judges both SVIDs and greets. A node makes its TLS context once and keeps what it has ' +
    'read of a chain that it accepted (bytes and signatures; time, bundle and revocation are judged each time), so a link ' +
    'that is made again costs less than a first one. “Changed”: one node with 50 links over each of which 300 ' +
    'bytes go forth and back all the time, all in this one process; it rotates, and each link’s longest time between two ' +
    'echoes is taken.',
];

async function issuing(authority: Authority, quick: boolean): Promise<Table> {
  const held = unwrap(
    verifyNodeSvid(unwrap(shownChain(identityOf(authority, 'node-1').certPem)), {
      caPem: authority.certPem,
      trustDomain,
      now: nodeClock.now(),
    }),
  );
  const issuer = new CertificateIssuer({
    clock: nodeClock,
    crypto: osCrypto,
    trustDomain,
    authority: async () => ok({ ca: authority, chainPem: '', validityMsMax: 90 * 86_400_000 }),
    caPem: () => authority.certPem,
    revoked: () => undefined,
    revokedUntil: () => undefined,
    issued: undefined,
    record: async () => ok(undefined),
  });
  const names = { dns: ['localhost'], ip: ['127.0.0.1'] };
  const request = () =>
    createSigningRequest({ nodeId: 'node-1' as NodeId, trustDomain, key: osCrypto.generateKeyPair('p256'), ...names });
  const ready = request();
  const plan = { inFlight: 1, ms: quick ? 100 : 1_000 };
  const contenders: Contender[] = [
    { name: 'Key and request made', round: () => measureCalls(async () => void request(), plan) },
    {
      name: 'Certificate issued',
      round: () => measureCalls(async () => void unwrap(await issuer.renew(ready, held, '')), plan),
    },
  ];
  const readings = await interleave(contenders, roundsOf(quick, { rounds: 7, warmUps: 2 }));
  const issued = spreadOf(readings.get('Certificate issued')!.p50!).median / 1_000;
  return {
    title: 'Issued',
    head: ['', 'a second', 'p50 µs', 'p99 µs'],
    rows: [...readings].map(([name, all]) => [
      name,
      shownSpread(spreadOf(all.perSecond!)),
      shortNumber(spreadOf(all.p50!).median),
      shortNumber(spreadOf(all.p99!).median),
    ]),
    after: [
      verdict(`under ${issueGoalMs} ms a certificate`, issued < issueGoalMs, `${issued.toFixed(2)} ms`),
      ...noise(readings, 'perSecond'),
    ],
  };
}

const link = 'Caxton, link ready';
const strangers = 'Caxton, the dialer’s certificate not seen before';
const echo = 'ws over mutual TLS, first echo';
const keptEcho = 'the same, its TLS context kept';
/** More than a node keeps of chains that it has read. */
const strangersCount = 2 * limits.chainsKeptMin + 1;

async function coming(authority: Authority, quick: boolean): Promise<Table> {
  const [one, two] = [identityOf(authority, 'node-1'), identityOf(authority, 'node-2')];
  const all = new Map<string, Handshakes>([
    [link, await caxtonLinks(one, [two])],
    [
      strangers,
      await caxtonLinks(
        one,
        Array.from({ length: strangersCount }, () => identityOf(authority, 'node-2')),
      ),
    ],
    [echo, await bareWebSockets(one, two, 'each time')],
    [keptEcho, await bareWebSockets(one, two, 'kept')],
    ['tls.connect, mutual', await bareTls(one, two)],
  ]);
  const plan = { inFlight: 1, ms: quick ? 200 : 2_000 };
  const contenders = [...all].map(([name, { once }]) => ({ name, round: () => measureCalls(once, plan) }));
  const readings = await interleave(contenders, roundsOf(quick, { rounds: 7, warmUps: 2 }));
  for (const { close } of all.values()) await close();
  const ours = readings.get(link)!.perSecond!;
  const ratio = ratioOf(ours, readings.get(echo)!.perSecond!);
  return {
    title: 'Ready',
    head: ['', 'a second', 'Caxton ÷ this', 'p50 µs', 'p99 µs'],
    rows: [...readings].map(([name, reading]) => [
      name,
      shownSpread(spreadOf(reading.perSecond!)),
      name === link ? '' : shownSpread(ratioOf(ours, reading.perSecond!)),
      shortNumber(spreadOf(reading.p50!).median),
      shortNumber(spreadOf(reading.p99!).median),
    ]),
    after: [
      verdict(`at least ${readyGoal} of a bare first echo`, ratio.median >= readyGoal, ratio.median.toFixed(2)),
      ...noise(readings, 'perSecond'),
    ],
  };
}

/** Of each link the longest time between two echoes while `act` and what follows it run. */
class Echoes {
  readonly #last = new Map<string, number>();
  readonly #longest = new Map<string, number>();

  note(peer: string): void {
    const now = performance.now();
    this.#longest.set(peer, Math.max(this.#longest.get(peer) ?? 0, now - (this.#last.get(peer) ?? now)));
    this.#last.set(peer, now);
  }

  async over(act: () => Promise<void>): Promise<{ readonly p50: number; readonly p99: number; readonly max: number }> {
    this.#longest.clear();
    await act();
    const sorted = Float64Array.from(this.#longest.values()).sort();
    return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), max: sorted.at(-1) ?? Number.NaN };
  }
}

async function changing(authority: Authority, quick: boolean): Promise<Table> {
  const hub = await LinkPeer.start('hub', authority);
  const peers: LinkPeer[] = [];
  const echoes = new Echoes();
  const content = Buffer.alloc(300, 'caxton ');
  hub.links.onFrame(
    'message',
    ({ nodeId }, frame) => void hub.links.get(nodeId)?.send('message', frame.header, frame.content),
  );
  for (let index = 0; index < busyLinks; index += 1) {
    const peer = await LinkPeer.start(`peer-${index}`, authority);
    peers.push(peer);
    const next = () => void peer.links.get(hub.nodeId)?.send('message', content);
    peer.links.onFrame('message', () => {
      echoes.note(peer.nodeId);
      next();
    });
    peer.links.onReady(next);
    // Half of the links each way: one side dials again by itself, the other asks for it.
    if (index % 2 === 0) peer.links.ensure({ nodeId: hub.nodeId, address: hub.address });
    else hub.links.ensure({ nodeId: peer.nodeId, address: peer.address });
  }
  while (hub.links.all().length < busyLinks) await pause(20);
  await pause(quick ? 100 : 2_000);
  const ms = quick ? 1_500 : 3_000;
  const calm = () => echoes.over(async () => void (await pause(ms)));
  const rotation = () =>
    echoes.over(async () => {
      const before = new Set(hub.links.all());
      hub.rotate();
      await pause(ms);
      while (hub.links.all().some((present) => before.has(present))) await pause(20);
    });
  const contenders: Contender[] = [
    { name: 'Rotation', round: rotation },
    { name: 'Without one', round: calm },
  ];
  const readings = await interleave(contenders, roundsOf(quick, { rounds: 7, warmUps: 1 }));
  await Promise.all([hub, ...peers].map((peer) => peer.stop()));
  const p99 = spreadOf(readings.get('Rotation')!.p99!).median;
  return {
    title: `Changed, ${busyLinks} busy links`,
    head: ['', 'longest pause of a link, p50 ms', 'p99 ms', 'max ms'],
    rows: [...readings].map(([name, all]) => [
      name,
      ...(['p50', 'p99', 'max'] as const).map((figure) => shownSpread(spreadOf(all[figure]!))),
    ]),
    after: [
      verdict(`no pause over ${pauseGoalMs} ms p99`, p99 <= pauseGoalMs, `${p99.toFixed(0)} ms`),
      ...noise(readings, 'p99'),
    ],
  };
}
