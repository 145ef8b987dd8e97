import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { issueCa } from '../../../src/crypto/certificate.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { errorCodes } from '../../../src/errors.ts';
import { ca, nodeStatus, tlsIdentity } from '../../actors/operations/api/api-lab.ts';
import { type ProfileFolder, profileFolder, type Ran, run } from '../../cli/cli-lab.ts';

const folders: ProfileFolder[] = [];
let closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing) await close();
  closing = [];
});
afterAll(() => Promise.all(folders.map((folder) => folder.remove())));

/** Listens until the test ends, whatever hangs on it. */
async function portOf(server: Server | HttpsServer): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise<unknown>((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

const tls = (identity = tlsIdentity()) => ({ cert: identity.certPem, key: identity.keyPem });

/** A server with a good certificate that answers to each path with a text of the test’s. */
const answering = (textOf: (path: string) => string, status = 200): Promise<number> =>
  portOf(
    createHttpsServer(tls(), (request, response) => {
      if (request.url === '/health/live') return response.end('{"live":true}');
      response.statusCode = status;
      return response.end(textOf(request.url ?? ''));
    }),
  );

async function asked(ports: readonly number[], argv: readonly string[] = ['cluster', 'members']): Promise<Ran> {
  const folder = await profileFolder({
    nodes: ports.map((port, at) => ({ id: `node-${at + 1}`, api: `https://127.0.0.1:${port}` })),
    caPem: ca.certPem,
    apiKey: 'cxk_something',
  });
  folders.push(folder);
  const ran = await run(argv, { cwd: folder.root });
  expect(ran.err).not.toMatch(/\n {4}at /);
  return ran;
}

const now = Date.now();
const stranger = issueCa(osCrypto, { trustDomain: 'other', notBefore: now - 60_000, notAfter: now + 400 * 86_400_000 });

describe('a server that is not the node', () => {
  it('because nobody is there, is named with its address and how to start it', async () => {
    const { code, out, err } = await asked([1]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^UNREACHABLE: .*\n.*https:\/\/127\.0\.0\.1:1 cannot be reached: nothing listens there\./);
    expect(err).toContain('caxton dev start');
    expect(err).toContain('profile.json');
  });

  it('because its certificate is of another CA, or has another name, is not called down', async () => {
    for (const identity of [tlsIdentity(stranger), tlsIdentity(ca, { dns: ['elsewhere.test'], ip: [] })]) {
      const { code, err } = await asked([await portOf(createHttpsServer(tls(identity)))]);
      expect([code, err]).toEqual([1, expect.stringMatching(/^CERTIFICATE_REFUSED: node-1: The certificate of https/)]);
      expect(err).toContain('Is it the profile of this cluster?');
    }
  });

  it.each<[string, (socket: Socket) => void]>([
    ['greets like a mail server', (socket) => void socket.write('220 mail.example.org ESMTP\r\n')],
    ['sends zeros', (socket) => void socket.write(Buffer.alloc(65_536))],
    ['hangs up at once', (socket) => void socket.destroy()],
  ])('because it %s', async (_, act) => {
    const { code, out, err } = await asked([await portOf(createServer(act))]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^(UNREACHABLE|PROTOCOL_VIOLATION): /);
  });

  it('because it never says a word, is given up in time, and the next node is asked', async () => {
    const silent = await portOf(createServer(() => {}));
    const began = performance.now();
    const good = await answering(() => JSON.stringify(nodeStatus));
    const { code, err } = await asked([silent, good], ['server', 'status']);
    expect([code, err]).toEqual([0, '']);
    expect(performance.now() - began).toBeLessThan(8_000);
  });
});

describe('a server with the node’s certificate that', () => {
  it.each<[string, string]>([
    ['is no HTTP server', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['answers with two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx'],
    ['answers with an endless header', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`],
    ['stops in the middle', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"live":'],
  ])('%s is refused', async (_, bytes) => {
    const server = createTlsServer({ ...tls(), minVersion: 'TLSv1.3' }, (socket) => {
      socket.on('error', () => {});
      socket.end(bytes);
    });
    const { code, out, err } = await asked([await portOf(server)]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^(UNREACHABLE|PROTOCOL_VIOLATION): /);
  });

  it.each<[string, string, string[]]>([
    ['no JSON', '<html>', ['cluster', 'members']],
    ['nothing', '', ['cluster', 'members']],
    ['null', 'null', ['cluster', 'members']],
    ['no items', '{}', ['cluster', 'members']],
    ['items that are none', '{"items":7}', ['agent', 'list']],
    ['a member that is a number', '{"items":[7]}', ['cluster', 'members']],
    ['an agent without its services', '{"items":[{"agentId":"a/b","node":"n"}]}', ['agent', 'list']],
    ['audit records that are lists', '{"items":[[]]}', ['audit', 'tail']],
    ['a status without its addresses', '{"nodeId":"node-1"}', ['server', 'status']],
    ['a verdict that is a text', '{"valid":"yes"}', ['audit', 'verify']],
    ['a reply without content', '{"messageId":"m","reply":{}}', ['message', 'send', '--to', 'a/b', '--content', 'x']],
    ['a key of the language', '{"__proto__":{"items":[]}}', ['agent', 'list']],
    ['an object as deep as the stack', '{"a":'.repeat(200_000), ['agent', 'list']],
  ])('answers with %s breaks the protocol, and nothing is shown of it', async (_, text, argv) => {
    const { code, out, err } = await asked([await answering(() => text)], argv);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^PROTOCOL_VIOLATION: https:\/\/127\.0\.0\.1:\d+ answered with /);
  });

  it('answers with another status than it should is quoted in harmless characters', async () => {
    const problem = { code: 'UNAUTHORIZED', reasons: ['\u001b[2J\u202egone', 7, 'x'.repeat(9_000)] };
    const { code, err } = await asked([await answering(() => JSON.stringify(problem), 403)]);
    expect([code, err]).toEqual([1, expect.stringMatching(/^UNAUTHORIZED: \\u001b\[2J\\u202egone\n/)]);
    expect(err.length).toBeLessThan(3_000);
    const unknown = await asked([await answering(() => '{"code":"toString"}', 500)]);
    expect(unknown.err).toMatch(/^PROTOCOL_VIOLATION: .* answered with status 500 with the unknown code toString/);
  });

  it('sends control characters cannot move the cursor, in text or in JSON', async () => {
    const evil = '\u001b]0;title\u0007\u001b[2J\u009b1;1H\u202e\r\nfake';
    const member = {
      nodeId: evil,
      status: evil,
      address: evil,
      bootEpoch: 1,
      incarnation: 1,
      self: true,
      link: evil,
      since: evil,
    };
    const answers: Record<string, unknown> = {
      '/api/v1/cluster/members': { items: [member] },
      '/api/v1/messages': {
        messageId: evil,
        reply: { performative: evil, sender: evil, language: evil, content: evil },
      },
      '/api/v1/status': { ...nodeStatus, nodeId: evil, version: evil, audit: { ...nodeStatus.audit, state: evil } },
      '/api/v1/audit/verification': {
        valid: false,
        records: 1,
        headSequence: 1,
        headHash: evil,
        firstBad: { sequence: 1, reason: evil },
      },
      '/api/v1/audit/checkpoint': {
        origin: evil,
        size: 1,
        witnessedSize: 1,
        witnesses: [{ nodeId: evil, at: evil }],
        evidence: evil,
        fork: { kind: evil, size: 1, by: evil },
      },
      '/api/v1/audit/proofs/1': { sequence: 1, size: 1, witnesses: 1, proof: evil },
      '/api/v1/audit/witnessed': { items: [{ nodeId: evil, size: 1, root: evil, evidence: evil }] },
      '/api/v1/audit/records?limit=20': {
        items: [{ seq: evil, type: evil, metadata: { [evil]: evil }, reasons: [evil] }],
      },
    };
    const port = await answering((path) => JSON.stringify(answers[path] ?? {}));
    const folder = await profileFolder({
      nodes: [{ id: 'node-1', api: `https://127.0.0.1:${port}` }],
      caPem: ca.certPem,
      apiKey: 'cxk_something',
    });
    folders.push(folder);
    for (const argv of [
      ['cluster', 'members'],
      ['message', 'send', '--to', 'a/b', '--content', 'x'],
      ['server', 'status'],
      ['audit', 'verify'],
      ['audit', 'tail'],
      ['audit', 'verify', '--against-witness'],
    ])
      for (const output of [[], ['--output', 'json']]) {
        const terminal = { cwd: folder.root, outIsTerminal: true, errIsTerminal: true, env: { NO_COLOR: '1' } };
        const { out, err } = await run([...argv, ...output], terminal);
        expect(out, err).toContain('fake');
        // What is left of the controls: the line breaks of the table itself.
        expect(`${out}${err}`).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
      }
    // A proof is printed as it is, so it is refused unless it has the form of one.
    expect(await run(['audit', 'prove', '1'], { cwd: folder.root })).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('PROTOCOL_VIOLATION'),
    });
  });
});

describe('an error for a script', () => {
  it.each<[string, () => Promise<Ran>, string]>([
    ['of a node that is down', () => asked([1], ['agent', 'list', '--output', 'json']), 'UNREACHABLE'],
    ['of a missing profile', () => run(['agent', 'list', '--output=json'], { cwd: '/' }), 'FILE_UNREADABLE'],
    ['of the command line', () => run(['agent', 'lst', '--output', 'json']), 'MALFORMED'],
  ])('%s is one problem+json on stderr', async (_, act, code) => {
    const { out, err, code: exit } = await act();
    expect([out, exit]).toEqual(['', code === 'MALFORMED' ? 2 : 1]);
    expect(err.endsWith('}\n') && err.indexOf('\n') === err.length - 1).toBe(true);
    const problem = JSON.parse(err) as { title: string; reasons: string[] };
    expect(problem).toMatchObject({ type: `urn:caxton:error:${code}`, code });
    expect(problem.title).toBe(errorCodes[code as keyof typeof errorCodes].cause);
    expect(problem.reasons.length).toBeGreaterThan(0);
  });
});
