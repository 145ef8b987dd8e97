import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpSink } from '../../../../src/actors/operations/siem/http-sink.ts';
import { siemSink } from '../../../../src/actors/operations/siem/siem-sinks.ts';
import type { SiemSink } from '../../../../src/actors/operations/siem/sink.ts';
import type { SinkTls } from '../../../../src/actors/operations/siem/syslog-sink.ts';
import { denial } from '../../../protocols/siem/records.ts';
import { ca, tlsIdentity } from '../api/api-lab.ts';

const never = new AbortController().signal;
const servers: Server[] = [];
const sinks: SiemSink[] = [];
afterEach(async () => {
  for (const sink of sinks.splice(0)) sink.cut();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
});

type Handler = (body: string, request: IncomingMessage, response: ServerResponse) => void;

async function receiver(handler: Handler): Promise<string> {
  const { certPem: cert, keyPem: key } = tlsIdentity();
  const server = createServer({ cert, key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => handler(Buffer.concat(chunks).toString(), request, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}/secret/path?token=secret`;
}

function plain(url: string, tls: SinkTls = { caPem: ca.certPem }, authorization = 'Splunk t'): HttpSink {
  const made = new HttpSink({
    url,
    tls,
    headers: { authorization },
    bodyOf: () => 'body',
    checkpointBodyOf: ({ line }) => line,
    refusalIn: () => undefined,
    now: () => Date.UTC(2015, 9, 21, 7, 27, 58),
  });
  sinks.push(made);
  return made;
}

const context = { nodeId: 'node-1', version: '1', pid: 1, now: () => 5 };

function sinkOf(kind: 'hec' | 'otlp', url: string): SiemSink {
  const shared = {
    name: 'soc',
    skipRecords: [],
    caPath: undefined,
    certPath: undefined,
    keyPath: undefined,
    url,
    tokenPath: 'x',
    format: 'json',
  } as const;
  const destination = kind === 'hec' ? { ...shared, kind, sourceType: 's', index: undefined } : { ...shared, kind };
  const made = siemSink(destination, { tls: { caPem: ca.certPem }, token: 'tok' }, context);
  sinks.push(made);
  return made;
}

describe('an HTTP receiver', () => {
  it('gets the body and the headers, over one connection', async () => {
    const seen: [string, string | undefined, number | undefined][] = [];
    const url = await receiver((body, { headers, socket }, response) => {
      seen.push([body, headers.authorization, socket.remotePort]);
      response.end();
    });
    const sink = plain(url);
    await sink.send([denial], never);
    await sink.send([denial], never);
    expect(seen.map(([body, token]) => [body, token])).toEqual([
      ['body', 'Splunk t'],
      ['body', 'Splunk t'],
    ]);
    expect(new Set(seen.map(([, , port]) => port)).size).toBe(1);
  });

  it.each([400, 401, 403, 413, 500, 302])(
    'that answers %i has not taken them, and the error tells no secret',
    async (status) => {
      const url = await receiver((_, __, response) => response.writeHead(status, { location: '/' }).end('because'));
      const failed = plain(url).send([denial], never);
      await expect(failed).rejects.toThrow(`it answered ${status}: because`);
      await expect(failed).rejects.not.toThrow(/secret/);
    },
  );

  it.each([
    [400, 'Unwanted'],
    [413, 'Unwanted'],
    [422, 'Unwanted'],
    [401, 'CaxtonError'],
    [404, 'CaxtonError'],
    [500, 'CaxtonError'],
    [502, 'CaxtonError'],
  ])('that answers %i says that of the records, or of us: %s', async (status, name) => {
    const url = await receiver((_, __, response) => response.writeHead(status).end());
    await expect(plain(url).send([denial], never)).rejects.toMatchObject({ name });
  });

  it('that breaks off within its answer has not taken them', async () => {
    const url = await receiver((_, __, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{');
      setImmediate(() => response.destroy());
    });
    await expect(plain(url).send([denial], never)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  it('that is not found is told by what the name service says', async () => {
    const sink = plain('https://no-such-host.invalid/x?token=secret');
    await expect(sink.send([denial], never)).rejects.toThrow(/no-such-host\.invalid cannot be reached: E/);
  });

  it.each([
    [429, '7', 7_000],
    [503, 'Wed, 21 Oct 2015 07:28:00 GMT', 2_000],
    [503, 'Wed, 21 Oct 2015 07:00:00 GMT', 0],
    [503, 'soon', 60_000],
    [503, undefined, 0],
  ])('that is busy (%i, Retry-After %s) is left alone for so long', async (status, after, retryAfterMs) => {
    const url = await receiver((_, __, response) =>
      response.writeHead(status, after === undefined ? {} : { 'retry-after': after }).end(),
    );
    await expect(plain(url).send([denial], never)).rejects.toMatchObject({ name: 'NotNow', retryAfterMs });
  });

  it('that answers without end is cut short', async () => {
    const url = await receiver((_, __, response) => response.writeHead(500).end('x'.repeat(1_000_000)));
    await expect(plain(url).send([denial], never)).rejects.toThrow(/it answered 500: x{200}\./);
  });

  it.each([200, 500])('that never ends its answer (%i) is not listened to for long', async (status) => {
    let sent = 0;
    const url = await receiver((_, __, response) => {
      response.writeHead(status);
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536))) sent += 65_536;
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    const answer = plain(url).send([denial], never);
    await (status === 200 ? answer : expect(answer).rejects.toThrow(/it answered 500: x{200}\./));
    expect(sent).toBeLessThan(64 * 1_048_576);
  });

  it('that says our token back does not have it told to others', async () => {
    const url = await receiver((_, { headers, url: path }, response) =>
      response.writeHead(502).end(`no way to ${path} for ${headers.authorization}`),
    );
    const told = await plain(url, { caPem: ca.certPem }, 'Splunk 11111111-2222')
      .send([denial], never)
      .then(
        () => '',
        (error: Error) => error.message,
      );
    expect(told).toContain('it answered 502: no way to');
    expect(told).not.toContain('11111111-2222');
    expect(told).not.toContain('secret');
  });

  it('that leads elsewhere is not followed', async () => {
    let led = 0;
    const elsewhere = await receiver((_, __, response) => {
      led += 1;
      response.end();
    });
    for (const status of [301, 307, 308]) {
      const url = await receiver((_, __, response) => response.writeHead(status, { location: elsewhere }).end());
      await expect(plain(url).send([denial], never)).rejects.toThrow(`it answered ${status}`);
    }
    expect(led).toBe(0);
  });

  it('of an unknown CA gets nothing', async () => {
    let called = false;
    const url = await receiver((_, __, response) => {
      called = true;
      response.end();
    });
    const sink = plain(url, {});
    await expect(sink.send([denial], never)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    sink.cut();
    expect(called).toBe(false);
  });

  it('that hangs is given up when nobody waits any more', async () => {
    const url = await receiver(() => {});
    const stop = new AbortController();
    const sent = plain(url).send([denial], stop.signal);
    stop.abort();
    await expect(sent).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });
});

describe('Splunk’s collector', () => {
  it('gets its token and takes records only with code 0', async () => {
    let code = 0;
    const tokens: (string | undefined)[] = [];
    const url = await receiver((_, { headers }, response) => {
      tokens.push(headers.authorization);
      response.end(JSON.stringify({ text: 'Incorrect index', code }));
    });
    const sink = sinkOf('hec', url);
    await sink.send([denial], never);
    await sink.sendCheckpoint({ size: 3, line: '{"note":"n","keys":[]}' }, never);
    code = 7;
    await expect(sink.send([denial], never)).rejects.toThrow('code 7: Incorrect index');
    expect(tokens).toEqual(['Splunk tok', 'Splunk tok', 'Splunk tok']);
  });

  it('is not whoever answers 200', async () => {
    for (const answer of ['', '<html>Please log in</html>', '[]', '{}', 'null', '{"code":"0"}']) {
      const url = await receiver((_, __, response) => response.end(answer));
      await expect(sinkOf('hec', url).send([denial], never)).rejects.toMatchObject({ name: 'Unwanted' });
    }
  });

  it('gets checkpoints as events of their own source', async () => {
    const bodies: string[] = [];
    const url = await receiver((body, _, response) => {
      bodies.push(body);
      response.end('{"text":"Success","code":0}');
    });
    await sinkOf('hec', url).sendCheckpoint({ size: 3, line: '{"note":"n","keys":[]}' }, never);
    expect(JSON.parse(bodies[0]!)).toMatchObject({
      source: 'caxton:audit:checkpoint',
      event: { note: 'n', keys: [] },
      time: 0.005,
    });
  });
});

describe('an OpenTelemetry collector', () => {
  it('that rejects some of the records has not taken them', async () => {
    let answer = '{}';
    const url = await receiver((_, __, response) => response.end(answer));
    const sink = sinkOf('otlp', url);
    await sink.send([denial], never);
    answer = '{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}';
    await expect(sink.send([denial], never)).rejects.toThrow('it rejected 2 records: too old');
    answer = '{"partialSuccess":{"rejectedLogRecords":0,"errorMessage":"a warning"}}';
    await sink.send([denial], never);
    answer = '';
    await sink.send([denial], never);
    answer = '<html>Please log in</html>';
    await expect(sink.send([denial], never)).rejects.toMatchObject({ name: 'Unwanted' });
  });

  it('gets checkpoints as log records of their own name', async () => {
    const bodies: string[] = [];
    const url = await receiver((body, _, response) => {
      bodies.push(body);
      response.end('{}');
    });
    await sinkOf('otlp', url).sendCheckpoint({ size: 3, line: 'a line' }, never);
    expect(JSON.parse(bodies[0]!).resourceLogs[0].scopeLogs[0].logRecords[0]).toMatchObject({
      eventName: 'caxton.audit.checkpoint',
      body: { stringValue: 'a line' },
      attributes: [{ key: 'caxton.audit.size', value: { intValue: '3' } }],
    });
  });
});
