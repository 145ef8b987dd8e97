import { constants, type Http2SecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  type RouteGenericInterface,
} from 'fastify';
import { z } from 'zod';
import type { Crypto } from '../../../crypto/port.ts';
import { type Refusal, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { NodeControl } from '../control.ts';
import type { Admit, Admitted } from './admission.ts';
import type { ApiIdentity } from './api-access.ts';
import { answerUnreadable, refusalOfThrow } from './failure.ts';
import { problemOf, problemType } from './problem.ts';
import { type ApiRoute, type Call, judgedOf, neededBy, zodSerializer, zodValidator } from './route.ts';
import { plainIp } from './source.ts';
import { UnderWay } from './under-way.ts';

type Request = FastifyRequest<RouteGenericInterface, Http2SecureServer, Http2ServerRequest>;
type Reply = FastifyReply<RouteGenericInterface, Http2SecureServer, Http2ServerRequest, Http2ServerResponse>;
export type HttpApp = FastifyInstance<Http2SecureServer, Http2ServerRequest, Http2ServerResponse>;
export type HttpHandler = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

export interface HttpAppOptions {
  readonly routes: readonly ApiRoute[];
  readonly control: NodeControl;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly admit: Admit;
  readonly draining: () => boolean;
  /** When the key of somebody stops to count, milliseconds since 1970. */
  readonly endsAt: (identity: ApiIdentity) => number;
  /** A handler threw: a bug. Strangers get a request id instead of the reason. */
  readonly onBug: (error: unknown, requestId: string) => void;
  /** Makes the server that hands its requests to `handler`. */
  readonly server: (handler: HttpHandler) => Http2SecureServer;
}

const requestIdBytes = 12;

/** The application, and what cuts requests under way whose callers may not go on. */
export interface HttpParts {
  readonly app: HttpApp;
  readonly underWay: UnderWay;
}

/** The HTTP application: admission, checked requests and answers, and a problem document for everything else. */
export function createHttpApp(options: HttpAppOptions): HttpParts {
  const { routes, control, crypto, admit, draining, onBug } = options;
  const admitted: AdmittedRequests = new WeakMap();
  const underWay = new UnderWay(options.clock, options.endsAt);
  const app = fastify<Http2SecureServer, Http2ServerRequest, Http2ServerResponse>({
    http2: true,
    // Never used, since the factory makes the server; it selects the types.
    https: { allowHTTP1: true },
    serverFactory: (handler) => options.server(handler),
    bodyLimit: limits.apiBodyBytesMax,
    // A client’s own id would end up in the audit log: ids come from here alone.
    requestIdHeader: false,
    genReqId: () => Buffer.from(crypto.randomBytes(requestIdBytes)).toString('hex'),
    return503OnClosing: false,
    routerOptions: { maxParamLength: 128 },
    frameworkErrors: (error, request, reply) => sendThrow(error, request, reply),
    clientErrorHandler: answerUnreadable,
  });
  const sendThrow = (error: unknown, request: Request, reply: Reply) => {
    const { refusal, status, bug } = refusalOfThrow(error);
    if (bug) onBug(error, request.id);
    return sendProblem(request, reply, refusal, status);
  };

  // JSON is the only thing read, whatever fastify reads by default.
  app.removeContentTypeParser('text/plain');
  app.setValidatorCompiler<z.ZodType>(zodValidator);
  app.setSerializerCompiler<z.ZodType>(zodSerializer);
  app.setErrorHandler(sendThrow);
  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request);
    const allowed = routes.filter((route) => patternOf(route.url).test(path)).map((route) => route.method);
    if (allowed.length === 0) return sendProblem(request, reply, refuse('NOT_FOUND', 'There is no such path.').refusal);
    void reply.header('allow', [...new Set(allowed)].join(', '));
    const reason = `This path answers ${allowed.join(' and ')}, not ${request.method}.`;
    return sendProblem(request, reply, refuse('NOT_FOUND', reason).refusal, 405);
  });
  const known = new Map(routes.map((route) => [`${route.method} ${route.url}`, route]));
  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id).header('cache-control', 'no-store');
    if (draining()) {
      if (request.raw.httpVersionMajor === 1) void reply.header('connection', 'close');
      return sendProblem(request, reply, refuse('STOPPED', 'This node is stopping.').refusal);
    }
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    // A path that leads nowhere shows nothing, so it needs no key; it spends the budget of the source all the same.
    const route = request.is404 ? undefined : known.get(`${method} ${request.routeOptions.url}`);
    const arrived = await admit({
      requestId: request.id,
      sourceIp: plainIp(request.ip ?? ''),
      authorization: request.headers.authorization,
      access: request.is404 ? 'open' : (route?.access ?? 'authenticated'),
      needs: route ? neededBy(route) : [],
    });
    if (!arrived.ok) return sendProblem(request, reply, arrived.refusal);
    admitted.set(request, arrived.value);
  });
  boundBodies(app, options.clock);
  for (const route of routes) addRoute(app, route, control, admitted, underWay);
  return { app, underWay };
}

type AdmittedRequests = WeakMap<Request, Admitted>;

/**
 * HTTP/1.1 has a time for a whole request of its own, HTTP/2 only one for silence, which a byte now and then breaks: a
 * body that is not there in time ends its stream.
 */
function boundBodies(app: HttpApp, clock: Clock): void {
  const timers = new WeakMap<Request, unknown>();
  const done = async (request: Request): Promise<void> => clock.clearTimeout(timers.get(request));
  app.addHook('preParsing', async (request) => {
    const { stream } = request.raw;
    if (request.raw.httpVersionMajor < 2 || !stream) return;
    const cut = (): void => stream.close(constants.NGHTTP2_CANCEL);
    timers.set(request, clock.setTimeout(cut, limits.apiRequestMsMax));
  });
  app.addHook('preValidation', done);
  app.addHook('onRequestAbort', done);
  app.addHook('onResponse', done);
}

function addRoute(
  app: HttpApp,
  route: ApiRoute,
  control: NodeControl,
  admitted: AdmittedRequests,
  underWay: UnderWay,
): void {
  app.route({
    method: route.method,
    url: route.url,
    schema: {
      ...(route.params ? { params: route.params } : {}),
      querystring: route.query ?? nothing,
      ...(route.body ? { body: route.body } : {}),
      response: { '2xx': route.response, 503: route.response },
    },
    handler: async (request, reply) => {
      const arrived = admitted.get(request);
      if (!arrived) throw new Error(`${route.url} was reached without admission`);
      if (!route.body && request.body !== undefined && request.body !== null)
        return sendProblem(request, reply, refuse('MALFORMED', 'This path takes no body.').refusal);
      const { params, query, body } = request;
      const { caller, permit } = arrived;
      const judged = judgedOf(route, { params, body });
      const refused = judged && permit?.judge(judged.permission, judged.on);
      if (refused?.ok === false) return sendProblem(request, reply, refused.refusal);
      const done = underWay.begin(arrived, route, judged, () => cut(request));
      const call: Call<unknown, unknown, unknown> = { control, caller, permit, params, query, body };
      const result = await Promise.resolve(route.handle(call)).finally(done);
      if (!result.ok) return sendProblem(request, reply, result.refusal);
      return reply.code(route.status?.(result.value) ?? 200).send(result.value);
    },
  });
}

/** No answer and no more of one. The connection of HTTP/1.1 carries nothing but this request; that of HTTP/2 goes on. */
function cut({ raw }: Request): void {
  if (raw.httpVersionMajor >= 2 && raw.stream) raw.stream.close(constants.NGHTTP2_CANCEL);
  else raw.socket.destroy();
}

function sendProblem(request: Request, reply: Reply, refusal: Refusal, status?: number): Reply {
  const problem = problemOf(refusal, request.id, status);
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer realm="caxton"');
  if (problem.retryAfterMs !== undefined) void reply.header('retry-after', Math.ceil(problem.retryAfterMs / 1000));
  return reply
    .code(problem.status)
    .header('x-request-id', request.id)
    .type(problemType)
    .serializer((value: unknown) => JSON.stringify(value))
    .send(problem);
}

/** The query of a path that takes none. */
const nothing = z.strictObject({});

const pathOf = (request: Request): string => request.url.split('?', 1)[0]!;

const patternOf = (url: string): RegExp => new RegExp(`^${url.replace(/:[a-z]+/g, '[^/]+').replaceAll('.', '\\.')}$`);
