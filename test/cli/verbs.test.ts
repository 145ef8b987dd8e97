import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { NodeControl, SendRequest } from '../../src/actors/operations/control.ts';
import { ok, refuse, unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import type { AgentId, NodeId } from '../../src/names.ts';
import { auditLine, readAuditLine } from '../../src/protocols/audit/record.ts';
import { type ApiLab, agentEcho, apiLab, ca, echo, fakeControl, nodeStatus } from '../actors/operations/api/api-lab.ts';
import { type ProfileFolder, profileFolder, run } from './cli-lab.ts';

const silent = 'https://127.0.0.1:1';
const sendTo = ['message', 'send', '--to', 'default/echo'];

let lab: ApiLab;
let folder: ProfileFolder;
/** What the node does in this test; anything else it does well. */
let node: Partial<NodeControl> = {};
const usual = fakeControl();

beforeAll(async () => {
  const current = (): NodeControl => ({ ...usual, ...node });
  lab = await apiLab({
    over: {
      members: () => current().members(),
      gossipKeys: () => current().gossipKeys(),
      rotateGossipKey: (caller) => current().rotateGossipKey(caller),
      agents: (query) => current().agents(query),
      agent: (agent) => current().agent(agent),
      deploy: (request, caller) => current().deploy(request, caller),
      remove: (agent, caller) => current().remove(agent, caller),
      send: (request, caller) => current().send(request, caller),
      metrics: () => current().metrics(),
      auditTail: (options) => current().auditTail(options),
      auditVerify: (part) => current().auditVerify(part),
      shutdown: (caller) => current().shutdown(caller),
    },
  });
  folder = await profileFolder({
    nodes: [
      { id: 'node-0', api: silent },
      { id: 'node-1', api: `https://127.0.0.1:${lab.address.port}` },
    ],
    caPem: ca.certPem,
    apiKey: lab.key,
  });
});
afterEach(() => {
  node = {};
});
afterAll(async () => {
  await lab.api.close();
  await folder.remove();
});

const caxton = (argv: readonly string[], terminal: Parameters<typeof run>[1] = {}) =>
  run(argv, { cwd: folder.root, ...terminal });

describe('caxton agent deploy and remove', () => {
  const signed = { manifest: 'cxdep1.a.b.c', capability: '' };

  it('hands a signed deployment from a file or standard input to the node, and says where it runs', async () => {
    const taken: unknown[] = [];
    node = {
      deploy: async (request) => {
        taken.push(request);
        return ok(agentEcho);
      },
    };
    await writeFile(join(folder.root, 'echo.deployment'), JSON.stringify(signed));
    const ran = await caxton(['agent', 'deploy', 'echo.deployment']);
    expect(ran).toMatchObject({ code: 0, out: expect.stringContaining(`${agentEcho.agentId} runs on node-1`) });
    await caxton(['agent', 'deploy', '-'], { input: JSON.stringify(signed) });
    expect(taken).toEqual([signed, signed]);
  });

  it('asks no node for what is no deployment', async () => {
    for (const input of ['', '[]', '{"manifest":1,"capability":""}', 'x'.repeat(limits.manifestBytesMax * 2)])
      expect(await caxton(['agent', 'deploy', '-'], { input })).toMatchObject({ code: 1, out: '' });
  });

  it('passes on why the node refuses', async () => {
    node = { remove: async () => refuse('UNKNOWN_AGENT', 'default/echo is not deployed on this node.') };
    expect(await caxton(['agent', 'remove', 'default/echo'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('UNKNOWN_AGENT'),
    });
    node = { remove: async () => ok(undefined) };
    expect(await caxton(['agent', 'remove', 'default/echo'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('gone'),
    });
    expect(await caxton(['agent', 'remove', 'echo'])).toMatchObject({ code: 2 });
  });
});

describe('caxton message send', () => {
  const sent: SendRequest[] = [];
  const keep: Partial<NodeControl> = {
    send: async (request) => {
      sent.push(request);
      const reply = { performative: 'inform', sender: echo, language: 'text', content: request.content } as const;
      return ok({ messageId: 'm-1', reply });
    },
  };

  it('prints the reply, for a program the content alone', async () => {
    expect(await caxton([...sendTo, '--content', 'hello'])).toEqual({ code: 0, out: 'hello\n', err: '' });
    const { out } = await caxton([...sendTo, '--content', 'hello'], { outIsTerminal: true, env: { NO_COLOR: '1' } });
    expect(out).toBe('default/echo answers inform\nhello\n');
  });

  it('prints one object as JSON', async () => {
    const { out } = await caxton([...sendTo, '--content', 'hello', '--output', 'json']);
    expect(JSON.parse(out)).toEqual({
      messageId: 'm-1',
      reply: { performative: 'inform', sender: 'default/echo', language: 'text', content: 'hello' },
    });
  });

  it('asks for exactly what the options say', async () => {
    node = keep;
    await caxton([...sendTo, '--content', '7']);
    await caxton([
      ...sendTo,
      '--content',
      '7',
      '--performative=query-ref',
      '--protocol',
      'fipa-query',
      '--language',
      'json',
      '--timeout',
      '1.5m',
    ]);
    expect(sent.splice(0)).toEqual([
      { to: echo, performative: 'request', content: '7', timeoutMs: 5_000 },
      {
        to: echo,
        performative: 'query-ref',
        content: '7',
        protocol: 'fipa-query',
        language: 'json',
        timeoutMs: 90_000,
      },
    ]);
  });

  it('takes the content from standard input, from a file, or as it is', async () => {
    node = keep;
    await writeFile(join(folder.root, 'content.txt'), 'from a file\n');
    await caxton([...sendTo, '--content', '-'], { input: 'from ünïcode input\n' });
    await caxton([...sendTo, '--content', '@content.txt']);
    await caxton([...sendTo, '--content', '@@content.txt']);
    await caxton([...sendTo, '--content=-x']);
    expect(sent.splice(0).map(({ content }) => content)).toEqual([
      'from ünïcode input\n',
      'from a file\n',
      '@content.txt',
      '-x',
    ]);
  });

  it('refuses content that it cannot read', async () => {
    await writeFile(join(folder.root, 'binary'), Buffer.from([0xff, 0xfe]));
    await writeFile(join(folder.root, 'large'), Buffer.alloc(limits.contentBytesMax + 1, 'x'));
    for (const [content, code] of [
      ['@missing', 'FILE_UNREADABLE'],
      ['@binary', 'MALFORMED'],
      ['@large', 'LIMIT_EXCEEDED'],
    ] as const) {
      const { code: exit, err } = await caxton([...sendTo, '--content', content]);
      expect([exit, err.slice(0, code.length + 1)]).toEqual([1, `${code}:`]);
    }
    const { err } = await caxton([...sendTo, '--content', '-'], { input: 'x'.repeat(limits.contentBytesMax + 1) });
    expect(err).toContain('LIMIT_EXCEEDED');
  });

  it('exits with 1 and every reason when the message is refused', async () => {
    node = { send: async () => refuse('UNAUTHORIZED', 'The policy does not name you.', 'No capability covers it.') };
    const text = await caxton([...sendTo, '--content', 'x']);
    expect([text.code, text.out]).toEqual([1, '']);
    expect(text.err).toMatch(/^UNAUTHORIZED: The policy does not name you\.\n {2}· No capability covers it\.\n.+\n$/);
    const json = await caxton([...sendTo, '--content', 'x', '--output', 'json']);
    expect([json.code, json.out]).toEqual([1, '']);
    expect(JSON.parse(json.err)).toMatchObject({
      type: 'urn:caxton:error:UNAUTHORIZED',
      code: 'UNAUTHORIZED',
      reasons: ['The policy does not name you.', 'No capability covers it.'],
      detail: 'The policy does not name you. No capability covers it.',
      mend: expect.any(String),
    });
  });

  it.each(['refuse', 'failure', 'not-understood'] as const)(
    'exits with 1 when the agent answers %s',
    async (performative) => {
      const reply = { performative, sender: echo, language: 'text', content: 'no' };
      node = { send: async () => ok({ messageId: 'm', reply }) };
      expect(await caxton([...sendTo, '--content', 'x'])).toEqual({ code: 1, out: 'no\n', err: '' });
    },
  );

  it('says under which id it sent when nobody waits for a reply', async () => {
    node = { send: async ({ timeoutMs }) => ok({ messageId: `m-${timeoutMs}` }) };
    expect((await caxton([...sendTo, '--content', 'x', '--timeout', '0s'])).out).toBe('sent as m-0\n');
  });

  it('keeps an agent’s words from driving the terminal, and a pipe’s bytes as they are', async () => {
    const content = 'a\u001b]0;title\u0007\u009b2J\u202eb\nc\td';
    node = {
      send: async () =>
        ok({ messageId: 'm', reply: { performative: 'inform', sender: echo, language: 'text', content } }),
    };
    const shown = await caxton([...sendTo, '--content', 'x'], { outIsTerminal: true, env: { NO_COLOR: '1' } });
    expect(shown.out).toContain('a\\u001b]0;title\\u0007\\u009b2J\\u202eb\nc\td\n');
    expect((await caxton([...sendTo, '--content', 'x'])).out).toBe(`${content}\n`);
    const json = await caxton([...sendTo, '--content', 'x', '--output', 'json'], { outIsTerminal: true });
    for (const control of ['\u001b', '\u009b', '\u202e']) expect(json.out).not.toContain(control);
    expect(JSON.parse(json.out).reply.content).toBe(content);
  });
});

describe('caxton cluster keys', () => {
  it('shows stage, epochs and who holds which, by hash', async () => {
    const view = usual.gossipKeys();
    const member = { nodeId: 'node-22' as NodeId, self: false };
    node = {
      gossipKeys: () => ({ ...view, retiring: [view.sealing], members: [...view.members, member] }),
    };
    const { code, out } = await caxton(['cluster', 'keys']);
    expect(code).toBe(0);
    expect(out.split('\n').map((line) => line.trimEnd())).toEqual([
      'stage        distributing (due: operator)',
      `seals with   1 ${'ab'.repeat(16)}, since 2026-01-31 12:00:00 UTC`,
      `holds ready  2 ${'cd'.repeat(16)} made by node-1`,
      `opens still  1 ${'ab'.repeat(16)}`,
      'next by      2026-02-01 12:00:00 UTC',
      '',
      'NODE     SEALS WITH  HOLDS READY',
      'node-1   1 abababab  2 cdcdcdcd',
      'node-22  not linked',
      '',
    ]);
    expect(JSON.parse((await caxton(['cluster', 'keys', '--output', 'json'])).out).members).toHaveLength(2);
  });

  it('rotate-key says which key it will be, or why there is none', async () => {
    const { code, out } = await caxton(['cluster', 'rotate-key']);
    expect([code, out]).toEqual([
      0,
      `key 2 ${'cd'.repeat(16)} made by node-1 seals when the others hold it: see caxton cluster keys\n`,
    ]);
    const { candidate: _, ...alone } = usual.gossipKeys();
    node = { rotateGossipKey: async () => ok(alone) };
    expect((await caxton(['cluster', 'rotate-key'])).out).toContain('seals now');
    node = { rotateGossipKey: async () => refuse('PARTITION_MINORITY', 'This node sees no quorum.') };
    const refused = await caxton(['cluster', 'rotate-key']);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('no quorum')]);
  });
});

describe('the lists', () => {
  it('of members and agents are tables with a line each', async () => {
    const member = usual.members()[0]!;
    node = {
      members: () => [member, { ...member, nodeId: 'node-22' as NodeId, self: false, status: 'dead', link: 'down' }],
    };
    const { code, out } = await caxton(['cluster', 'members']);
    expect(code).toBe(0);
    expect(out.split('\n').map((line) => line.trimEnd())).toEqual([
      'NODE     STATUS  LINK  ADDRESS         BOOT  INCARNATION  SINCE (UTC)',
      'node-1   alive   self  127.0.0.1:7701  3     0            2026-01-31 12:00:00',
      'node-22  dead    down  127.0.0.1:7701  3     0            2026-01-31 12:00:00',
      '',
    ]);
    expect((await caxton(['agent', 'list'])).out).toMatch(
      /^default\/echo +node-1 +handler +running +yes +1 +echo +ed25519:abc$/m,
    );
    node = { agents: () => [] };
    expect((await caxton(['agent', 'list'])).out).toBe('No agents are deployed.\n');
  });

  it('of agents are those that are asked for, page by page', async () => {
    const asked: object[] = [];
    const all = Array.from({ length: 2_500 }, (_, i) => ({
      ...agentEcho,
      agentId: `shop/a${String(i).padStart(4, '0')}` as AgentId,
    }));
    node = {
      agents: (query = {}) => {
        asked.push(query);
        return all.filter(({ agentId }) => agentId > (query.after ?? '')).slice(0, query.limit);
      },
    };
    const argv = ['agent', 'list', '--service', 'shop/pay', '--host', 'node-1', '--tenant', 'shop', '--output', 'json'];
    const { out } = await caxton(argv);
    expect((JSON.parse(out) as { items: object[] }).items).toEqual(all);
    const query = { service: 'shop/pay', node: 'node-1', tenant: 'shop', limit: limits.apiRecordsMax + 1 };
    expect(asked).toEqual([query, { ...query, after: 'shop/a0999' }, { ...query, after: 'shop/a1999' }]);
    node = { agents: () => [] };
    expect((await caxton(['agent', 'list', '--tenant', 'shop'])).out).toBe('No agent is like that.\n');
    for (const wrong of ['--service=../x', '--host=No', '--tenant=a/b'])
      expect((await caxton(['agent', 'list', wrong])).code).toBe(2);
  });

  it('of one agent are its fields, and that there is none is an error', async () => {
    const { code, out } = await caxton(['agent', 'inspect', 'default/echo']);
    expect([code, out]).toEqual([0, expect.stringMatching(/^agent +default\/echo$/m)]);
    const json = await caxton(['agent', 'inspect', 'default/echo', '--output', 'json']);
    expect(JSON.parse(json.out)).toEqual(agentEcho);
    const none = await caxton(['agent', 'inspect', 'default/nobody']);
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('UNKNOWN_AGENT')]);
    expect((await caxton(['agent', 'inspect', 'nobody'])).code).toBe(2);
  });

  it('are items as JSON, on one line for a program', async () => {
    const { out } = await caxton(['agent', 'list', '--output', 'json']);
    expect(JSON.parse(out)).toEqual({ items: [agentEcho] });
    expect(out.indexOf('\n')).toBe(out.length - 1);
    node = { members: () => [] };
    expect((await caxton(['cluster', 'members', '--output', 'json'])).out).toBe('{"items":[]}\n');
  });

  it('fit the terminal', async () => {
    node = { agents: () => [{ ...agentEcho, deployer: 'd'.repeat(200), services: ['s'.repeat(50), 't'.repeat(50)] }] };
    const { out } = await caxton(['agent', 'list'], { outIsTerminal: true, columns: 100, env: { NO_COLOR: '1' } });
    for (const line of out.split('\n')) expect([...line].length).toBeLessThanOrEqual(100);
    expect(out).toContain('default/echo');
    expect(out).toContain('…');
  });
});

describe('caxton audit', () => {
  it('tail shows the records asked for, whatever fields they have', async () => {
    const asked: number[] = [];
    const record = {
      seq: 7,
      time: '2026-01-31T12:00:00.123Z',
      type: 'AccessDenied',
      outcome: 'refused',
      identity: 'default/\u001bintruder',
      sourceIp: '',
      code: 'UNAUTHORIZED',
      reasons: ['No capability.'],
      metadata: { receiver: 'default/worker-a' },
      count: 3,
    };
    node = {
      auditTail: async ({ limit }) => {
        asked.push(limit);
        return ok([record, { odd: true }]);
      },
    };
    const { code, out } = await caxton(['audit', 'tail']);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^7 +2026-01-31 12:00:00 +AccessDenied +refused +default\/\\u001bintruder +×3 receiver=default\/worker-a UNAUTHORIZED No capability\.$/m,
    );
    const json = await caxton(['audit', 'tail', '--limit', '1000', '--output', 'json']);
    expect(JSON.parse(json.out).items[0]).toEqual(record);
    expect(asked).toEqual([20, 1000]);
  });

  describe('with a long log', () => {
    const log = Array.from({ length: 2_500 }, (_, index) => ({
      seq: index + 1,
      time: new Date(1_769_860_800_000 + index * 1_000).toISOString(),
      type: index % 1_000 === 0 ? 'LoginFailure' : 'AgentDeployed',
      identity: `default/agent-${index + 1}`,
      sourceIp: '',
      nodeId: 'node-1',
      outcome: index % 1_000 === 0 ? 'refused' : 'success',
      reasons: [],
      metadata: {},
    }));
    const withLog: Partial<NodeControl> = {
      auditTail: async ({ limit, from }) =>
        ok(from === undefined ? log.slice(-limit) : log.slice(from - 1, from - 1 + limit)),
    };
    const sequences = (out: string): number[] =>
      out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { seq: number }).seq);

    it('tail finds what is wanted as far back as it is', async () => {
      node = withLog;
      const { out } = await caxton(['audit', 'tail', '--type', 'LoginFailure', '--limit', '2', '--output', 'json']);
      expect((JSON.parse(out) as { items: { seq: number }[] }).items.map(({ seq }) => seq)).toEqual([1_001, 2_001]);
      const none = await caxton(['audit', 'tail', '--identity', 'nobody']);
      expect(none).toMatchObject({ code: 0, out: 'No record is like that.\n' });
      const late = await caxton(['audit', 'tail', '--since', '2026-01-31T12:41:39Z', '--output', 'json']);
      expect((JSON.parse(late.out) as { items: object[] }).items).toHaveLength(1);
    });

    it.each([
      [['--type', 'Login'], /--type has no “Login”/],
      [['--outcome', 'ok'], /success, refused, failure/],
      [['--since', 'yesterday'], /--since is a time/],
      [['-x'], /no option -x/],
    ])('tail %j is a mistake', async (options, expected) => {
      expect(await caxton(['audit', 'tail', ...options])).toMatchObject({
        code: 2,
        err: expect.stringMatching(expected),
      });
    });

    it('export writes all of it, a part, or what is wanted', async () => {
      node = withLog;
      expect(sequences((await caxton(['audit', 'export'])).out)).toEqual(log.map(({ seq }) => seq));
      expect(sequences((await caxton(['audit', 'export', '--from', '999', '--to', '1002'])).out)).toEqual([
        999, 1_000, 1_001, 1_002,
      ]);
      const csv = await caxton(['audit', 'export', '--format', 'csv', '--outcome', 'refused']);
      expect(csv.out.split('\r\n')).toHaveLength(5);
      expect((await caxton(['audit', 'export', '--format', 'cef', '--to', '1'])).out).toMatch(/^CEF:0\|Caxton\|.*\n$/);
      const ocsf = await caxton(['audit', 'export', '--format', 'ocsf', '--to', '1']);
      expect(JSON.parse(ocsf.out)).toMatchObject({ class_uid: 3002 });
    });

    it('export makes a new file for its owner alone, and never writes over one', async () => {
      node = withLog;
      const file = join(folder.root, 'audit.json');
      const made = await caxton(['audit', 'export', '--file', file]);
      expect(made).toMatchObject({ code: 0, out: '', err: `2500 records are in ${file}.\n` });
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect(sequences(await readFile(file, 'utf8'))).toHaveLength(2_500);
      expect(await caxton(['audit', 'export', '--file', file])).toMatchObject({
        code: 1,
        err: expect.stringContaining('ALREADY_EXISTS'),
      });
    });

    it('export says what is not kept any more, and fails where something is missing', async () => {
      const kept = (from: number, without: number) =>
        log.filter(({ seq }) => seq >= Math.max(from, 1_500) && seq !== without);
      node = { auditTail: async ({ limit, from = 1 }) => ok(kept(from, 0).slice(0, limit)) };
      const whole = await caxton(['audit', 'export']);
      expect(whole).toMatchObject({ code: 0, err: 'The records before 1500 are not kept any more.\n' });
      expect(sequences(whole.out)).toHaveLength(1_001);
      expect(await caxton(['audit', 'export', '--to', '1499'])).toMatchObject({ code: 0, out: '' });
      node = { auditTail: async ({ limit, from = 1 }) => ok(kept(from, 1_700).slice(0, limit)) };
      expect(await caxton(['audit', 'export'])).toMatchObject({
        code: 1,
        err: expect.stringContaining('Record 1700 cannot be read'),
      });
    });

    it('export to a terminal does not steer it', async () => {
      node = {
        auditTail: async ({ from = 1 }) => ok(from > 1 ? [] : [{ ...log[0], identity: 'a\u001b[2J\u009b1mb' }]),
      };
      for (const format of ['json', 'ocsf', 'cef', 'csv'])
        expect(
          (await caxton(['audit', 'export', '--format', format], { outIsTerminal: true })).out.replaceAll('\r\n', ''),
        ).not.toMatch(/(?![\n])\p{Cc}/u);
    });

    it('export as JSON gives the very bytes that the tree of the log is over', async () => {
      const line = auditLine({
        ...unwrap(readAuditLine(JSON.stringify(log[1]))),
        code: 'UNAUTHORIZED',
        decision: { effect: 'deny', policy: 'p', layer: 'l' },
        requestId: 'r',
        policyHash: 'ab',
        count: 3,
      });
      node = { auditTail: async ({ from = 1 }) => ok(from > 2 ? [] : [JSON.parse(line)]) };
      expect((await caxton(['audit', 'export', '--from', '2'])).out).toBe(`${line}\n`);
    });

    it('tail --follow goes on after the node was away, and tells what was removed meanwhile', async () => {
      const answers = [
        ok(log.slice(0, 2)),
        refuse('UNREACHABLE', 'It is being restarted.'),
        ok(log.slice(4, 5)),
        refuse('UNAUTHENTICATED', 'The key is not known any more.'),
      ];
      const asked: unknown[] = [];
      node = {
        auditTail: async ({ from }) => {
          asked.push(from);
          return answers.shift()!;
        },
      };
      const { code, out, err } = await caxton(['audit', 'tail', '-f', '--output', 'json']);
      expect(code).toBe(1);
      expect(sequences(out)).toEqual([1, 2, 5]);
      expect(asked).toEqual([undefined, 3, 3, 6]);
      expect(err).toMatch(/does not answer; waiting for it\.\n.* answers again\.\n.*records 3 to 4 any more/);
      expect(err).toContain('UNAUTHENTICATED');
    });

    it.each([
      [['--format', 'xml'], /json, ocsf, cef, csv/],
      [['--from', '0'], /--from is the number/],
      [['--from', '5', '--to', '4'], /--to is before --from/],
    ])('export %j is a mistake', async (options, expected) => {
      expect(await caxton(['audit', 'export', ...options])).toMatchObject({
        code: 2,
        err: expect.stringMatching(expected),
      });
    });
  });

  it('verify exits with 1 when the log does not hold', async () => {
    const good = await caxton(['audit', 'verify']);
    expect(good).toMatchObject({ code: 0, out: expect.stringContaining('node-1: 9 records, the log holds') });
    const broken = {
      valid: false,
      records: 9,
      headSequence: 9,
      headHash: 'ab',
      firstBad: { sequence: 4, reason: 'hash' },
    };
    node = { auditVerify: async () => ok(broken) };
    const bad = await caxton(['audit', 'verify']);
    expect(bad).toMatchObject({
      code: 1,
      out: expect.stringMatching(/THE LOG WAS CHANGED[\s\S]*first bad record: 4: hash/),
    });
    const json = await caxton(['audit', 'verify', '--output', 'json']);
    expect([json.code, JSON.parse(json.out)]).toMatchObject([
      1,
      { nodeId: 'node-1', ...broken, checkpoint: { size: 9 } },
    ]);
  });
});

describe('caxton server', () => {
  it('status shows the node', async () => {
    const { out } = await caxton(['server', 'status']);
    expect(out).toContain('spiffe://test.caxton/node/node-1');
    expect(JSON.parse((await caxton(['server', 'status', '--output', 'json'])).out)).toEqual(nodeStatus);
  });

  it('stop wants to know which node', async () => {
    let stopped = 0;
    node = {
      shutdown: async () => {
        stopped += 1;
        return ok(undefined);
      },
    };
    const unnamed = await caxton(['server', 'stop']);
    expect([unnamed.code, unnamed.err]).toEqual([2, expect.stringContaining('--node node-0, or node-1')]);
    expect(stopped).toBe(0);
    expect(await caxton(['server', 'stop', '--node', 'node-1'])).toEqual({
      code: 0,
      out: 'node-1 is stopping\n',
      err: '',
    });
    expect(stopped).toBe(1);
  });
});

describe('the nodes of the profile', () => {
  it('are tried in order, and --node picks one', async () => {
    expect((await caxton(['server', 'status'])).code).toBe(0);
    const { code, out, err } = await caxton(['server', 'status', '--node', 'node-0']);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^UNREACHABLE: The node does not answer\./);
    expect(err).toContain('node-0: https://127.0.0.1:1 cannot be reached: nothing listens there.');
    expect(err).toContain(folder.profile);
    const unknown = await caxton(['server', 'status', '--node', 'node1']);
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('Did you mean node-1?')]);
  });

  it('get a message once, even when the first fails to answer it', async () => {
    let count = 0;
    node = {
      send: async () => {
        count += 1;
        return refuse('UNREACHABLE', 'The node of the agent is gone.');
      },
    };
    const twice = await profileFolder({
      nodes: ['node-1', 'node-2'].map((id) => ({ id, api: `https://127.0.0.1:${lab.address.port}` })),
      caPem: ca.certPem,
      apiKey: lab.key,
    });
    expect((await run([...sendTo, '--content', 'x'], { cwd: twice.root })).err).toContain('is gone');
    expect(count).toBe(1);
    await twice.remove();
  });

  it('are found from a folder below, by --profile and by $CAXTON_PROFILE', async () => {
    const below = join(folder.root, 'a', 'b');
    await mkdir(below, { recursive: true });
    for (const terminal of [{ cwd: below }, { cwd: '/', env: { CAXTON_PROFILE: folder.profile } }])
      expect((await run(['server', 'status'], terminal)).code).toBe(0);
    expect((await run(['server', 'status', '--profile', folder.profile], { cwd: '/' })).code).toBe(0);
    expect((await run(['server', 'status', '--profile', '../../.caxton/profile.json'], { cwd: below })).code).toBe(0);
  });

  it('refuse a key that is not theirs', async () => {
    const wrong = await profileFolder({
      nodes: [{ id: 'node-1', api: `https://127.0.0.1:${lab.address.port}` }],
      caPem: ca.certPem,
      apiKey: 'cxk_nothing',
    });
    const { code, err } = await run(['server', 'status'], { cwd: wrong.root });
    expect([code, err]).toEqual([1, expect.stringMatching(/^UNAUTHENTICATED: No valid API key was given\./)]);
    await wrong.remove();
  });
});

describe('caxton server metrics', () => {
  const samples = [
    { name: 'gossip_refused', kind: 'counter', labels: { code: 'REPLAYED' }, value: 12 },
    { name: 'links_ready', kind: 'gauge', labels: {}, value: 2 },
  ] as const;

  it('prints a line for each, with its labels, and JSON for programs', async () => {
    node = { metrics: () => samples };
    const { code, out } = await caxton(['server', 'metrics']);
    expect([code, out.split('\n').map((line) => line.split(/ +/))]).toEqual([
      0,
      [['NAME', 'VALUE', 'LABELS'], ['gossip_refused', '12', 'code=REPLAYED'], ['links_ready', '2'], ['']],
    ]);
    expect(JSON.parse((await caxton(['server', 'metrics', '--output', 'json'])).out)).toEqual({ items: samples });
  });
});
