import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpSink } from '../../../../src/actors/operations/siem/http-sink.ts';
import { siemSink } from '../../../../src/actors/operations/siem/siem-sinks.ts';
import type { SiemSink } from '../../../../src/actors/operations/siem/sink.ts';
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

function plain(url: string, tls = { caPem: ca.certPem }): HttpSink {
  const made = new HttpSink({
    url,
    tls,
    headers: { authorization: 'Splunk t' },
    bodyOf: () => 'body',
    refusalIn: () => undefined,
  });
  sinks.push(made);
  return made;
}

const context = { nodeId: 'node-1', version: '1', pid: 1, now: () => 5 };

function sinkOf(kind: 'hec' | 'otlp', url: string): SiemSink {
  const shared = {
    name: 'soc',
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
    [429, '7', 7_000],
    [503, 'Wed, 21 Oct 2015 07:28:00 GMT', 60_000],
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

  it('of an unknown CA gets nothing', async () => {
    let called = false;
    const url = await receiver((_, __, response) => {
      called = true;
      response.end();
    });
    const sink = new HttpSink({ url, tls: {}, headers: {}, bodyOf: () => 'b', refusalIn: () => undefined });
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
    code = 7;
    await expect(sink.send([denial], never)).rejects.toThrow('code 7: Incorrect index');
    expect(tokens).toEqual(['Splunk tok', 'Splunk tok']);
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
  });
});
