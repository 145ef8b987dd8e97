import type { IncomingMessage } from 'node:http';
// HTTP/1.1 and not HTTP/2: loading node:http2 takes half as long again, and one request has nothing to multiplex.
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import { CaxtonError } from '../errors.ts';
import { limits } from '../limits.ts';
import { type AnswerShape, misfit } from './answer-shape.ts';
import { connectionError } from './connection-error.ts';
import { problemError } from './problem-error.ts';

export interface ConnectionOptions {
  readonly address: string;
  /** Undefined: whoever answers is believed. Only for what is sent to anybody, and checked in another way. */
  readonly caPem?: string;
  /** Undefined: none is sent, for paths that need none. */
  readonly apiKey?: string;
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  /** Sent as JSON; absent: no body. */
  readonly body?: unknown;
  /** For connection, request and answer together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** The statuses whose body is an answer; default every 2xx. */
  readonly answers?: readonly number[];
  /** What the answer must look like. */
  readonly shape: AnswerShape;
}

/** One server over kept-alive TLS 1.3 connections. */
export interface Connection {
  /** The answer’s JSON, of the asked shape. Rejects with CaxtonError alone. */
  request<T>(request: ApiRequest): Promise<T>;
  close(): void;
}

const connectionsMax = 16;

/** What may stand in an HTTP header; everything else would be a header of its own, or none. */
const apiKeyForm = /^[\x21-\x7e]{1,512}$/;

/** Makes a connection to an `https://host:port` address. Throws CONFIG_INVALID for any other, and for no API key. */
export function createConnection({ address, caPem, apiKey }: ConnectionOptions): Connection {
  const { host, port } = endpointOf(address);
  if (apiKey !== undefined && !apiKeyForm.test(apiKey))
    throw new CaxtonError('CONFIG_INVALID', 'The API key is not one line of the form cxk_…_….');
  const agent = new Agent({
    keepAlive: true,
    maxSockets: connectionsMax,
    ...(caPem === undefined ? { rejectUnauthorized: false } : { ca: caPem, rejectUnauthorized: true }),
    minVersion: 'TLSv1.3',
  });
  return {
    request: async <T>(request: ApiRequest): Promise<T> => {
      const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
      const headers = {
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(body.length) }),
      };
      const { method, path } = request;
      const { status, text } = await exchange({ agent, host, port, method, path, headers }, body, request, address);
      const expected = request.answers?.includes(status) ?? (status >= 200 && status < 300);
      if (!expected) throw problemError(status, text, address);
      return parseAnswer(text, request.shape, address) as T;
    },
    close: () => agent.destroy(),
  };
}

function endpointOf(address: string): { host: string; port: number } {
  const url = URL.parse(address);
  const bare = url !== null && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
  if (!bare || url.protocol !== 'https:')
    throw new CaxtonError('CONFIG_INVALID', `An API address has the form https://host:port; “${address}” has not.`);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 443 : Number(url.port) };
}

function exchange(
  options: RequestOptions,
  body: Buffer | undefined,
  { timeoutMs, signal }: ApiRequest,
  address: string,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new CaxtonError('CANCELLED', 'The request was cancelled before it was sent.'));
      return;
    }
    const outgoing = httpsRequest(options);
    const timedOut = () =>
      fail(new CaxtonError('TIMED_OUT', `${address} gave no complete answer within ${timeoutMs} ms.`));
    const timer = setTimeout(timedOut, timeoutMs);
    const cancelled = () => fail(new CaxtonError('CANCELLED', 'The request was cancelled.'));
    signal?.addEventListener('abort', cancelled, { once: true });
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancelled);
    };
    const fail = (error: Error) => {
      settle();
      reject(error instanceof CaxtonError ? error : connectionError(error, address));
      outgoing.destroy();
    };
    outgoing.on('error', fail);
    outgoing.on('response', (response) =>
      readBody(response).then((text) => {
        settle();
        resolve({ status: response.statusCode ?? 0, text });
      }, fail),
    );
    outgoing.end(body);
  });
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limits.apiAnswerBytesMax)
      throw new CaxtonError('LIMIT_EXCEEDED', `The answer is larger than ${limits.apiAnswerBytesMax} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseAnswer(text: string, shape: AnswerShape, address: string): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new CaxtonError('PROTOCOL_VIOLATION', `${address} answered with something that is not JSON.`);
  }
  const wrong = misfit(answer, shape);
  if (wrong === undefined) return answer;
  throw new CaxtonError('PROTOCOL_VIOLATION', `${address} answered with JSON that is not Caxton’s: ${wrong} is wrong.`);
}
