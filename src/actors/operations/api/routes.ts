import { z } from 'zod';
import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { type AgentId, isAgentId, isName, tenantOf } from '../../../names.ts';
import type { Permission } from '../../../protocols/access/permission.ts';
import type { Resource } from '../../../protocols/access/resource.ts';
import { readServiceAddress } from '../../../protocols/registry/service-address.ts';
import type { AgentAddress } from '../../agents/behaviour.ts';
import type { AgentView, NodeStatus } from '../control.ts';
import { accessRoutes } from './access-routes.ts';
import { auditProofRoutes } from './audit-proof-routes.ts';
import { unauthenticatedText } from './authentication.ts';
import { enrolmentRoutes } from './enrolment-routes.ts';
import { gossipKeyRoutes } from './gossip-key-routes.ts';
import type { Permit } from './permit.ts';
import { type ApiRoute, route } from './route.ts';
import {
  type AgentPage,
  actorView,
  agentId,
  agentPage,
  agentView,
  linkView,
  listOf,
  memberView,
  metricSample,
  nodeId,
  noticeView,
  performative,
  rootsView,
  sendOutcome,
  statusView,
} from './views.ts';

const name = z.string().refine(isName, 'expected [a-z0-9][a-z0-9_-]*');
/** Words of a message header; their exact grammar is the message’s own. */
const word = z.string().min(1).max(limits.headerTextCharsMax);

/** An agent, or whoever offers a service. */
const receiver = z.string().refine((text): text is AgentAddress => isAgentId(text) || readServiceAddress(text).ok, {
  error: 'expected tenant/name or service:tenant/name?pick=best|rr|all',
});

const sendRequest = z.strictObject({
  to: receiver,
  performative,
  content: z.string().refine((text) => Buffer.byteLength(text) <= limits.contentBytesMax, {
    error: `expected at most ${limits.contentBytesMax} bytes`,
  }),
  language: word.exactOptional(),
  protocol: word.exactOptional(),
  ontology: word.exactOptional(),
  conversationId: word.exactOptional(),
  timeoutMs: z.number().int().min(0).max(limits.askMsMax),
});

const deployRequest = z.strictObject({
  manifest: z.string().min(1).max(limits.manifestBytesMax),
  // Empty for an agent that only answers.
  capability: z.string().max(limits.tokenBytesMax),
});

/** A query value is text; empty text is no number. */
const recordsQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,5}$/, 'expected a whole number from 1')
    .transform(Number)
    .pipe(z.number().max(limits.apiRecordsMax))
    .default(100),
  from: z
    .string()
    .regex(/^[1-9][0-9]{0,14}$/, 'expected a record’s number')
    .transform(Number)
    .exactOptional(),
});

/** A page: what is behind the last one of the page before. */
const agentsQuery = z.strictObject({
  service: z
    .string()
    .refine((text) => isName(text) || isAgentId(text), { error: 'expected a service as name or tenant/name' })
    .exactOptional(),
  node: nodeId.exactOptional(),
  tenant: name.exactOptional(),
  after: agentId.exactOptional(),
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,5}$/, 'expected a whole number from 1')
    .transform(Number)
    .pipe(z.number().max(limits.apiRecordsMax))
    .default(limits.apiRecordsMax),
});

/** One more is asked for than a page holds, to know whether another page follows. */
function pageOf(agents: readonly AgentView[], limit: number): AgentPage {
  const page = agents.slice(0, limit);
  return { items: page, ...(agents.length > limit ? { next: page.at(-1)!.agentId } : {}) };
}

const mapped = <T, R>(result: Result<T>, to: (value: T) => R): Result<R> => (result.ok ? ok(to(result.value)) : result);
const items = <T>(list: readonly T[]): Result<{ items: T[] }> => ok({ items: [...list] });

/** Whoever is sent to when a service is addressed is known later: somebody of the tenant. */
const receiversOf = (to: AgentAddress): Resource => {
  const service = readServiceAddress(to);
  return service.ok ? `agent:${tenantOf(service.value.service as AgentId)}/*` : (`agent:${to}` as Resource);
};

const maySee = (permit: Permit | undefined, agent: AgentId): boolean =>
  permit?.allows('Inspect', `agent:${agent}`) === true;

const permitted = (permit: Permit | undefined, permission: Permission, on: Resource): Result<void> =>
  permit?.judge(permission, on) ?? refuse('UNAUTHENTICATED', unauthenticatedText);

const readyView = z.object({ ready: z.boolean(), state: z.enum(['starting', 'running', 'draining', 'stopped']) });
const ready = (state: NodeStatus['state']) => ({ ready: state === 'running', state });

/** Everything that the management API offers. */
export const apiRoutes: readonly ApiRoute[] = [
  route({
    method: 'GET',
    url: '/health/live',
    access: 'open',
    needs: 'nothing',
    response: z.object({ live: z.literal(true) }),
    handle: () => ok({ live: true as const }),
  }),
  route({
    method: 'GET',
    url: '/health/ready',
    access: 'open',
    needs: 'nothing',
    response: readyView,
    status: (view) => (view.ready ? 200 : 503),
    handle: ({ control }) => ok(ready(control.status().state)),
  }),
  route({
    method: 'GET',
    url: '/api/v1/status',
    access: 'authenticated',
    needs: 'Inspect',
    response: statusView,
    handle: ({ control }) => ok(control.status()),
  }),
  route({
    method: 'GET',
    url: '/api/v1/cluster/members',
    access: 'authenticated',
    needs: 'Inspect',
    response: listOf(memberView),
    handle: ({ control }) => items(control.members()),
  }),
  route({
    method: 'GET',
    url: '/api/v1/cluster/links',
    access: 'authenticated',
    needs: 'Inspect',
    response: listOf(linkView),
    handle: ({ control }) => items(control.links()),
  }),
  route({
    method: 'GET',
    url: '/api/v1/agents',
    access: 'authenticated',
    needs: 'Inspect',
    on: 'anywhere',
    query: agentsQuery,
    response: agentPage,
    handle: ({ control, query: { limit, ...query }, permit }) =>
      ok(
        pageOf(
          control.agents({ ...query, limit: limit + 1 }, (agent) => maySee(permit, agent)),
          limit,
        ),
      ),
  }),
  route({
    method: 'GET',
    url: '/api/v1/agents/:tenant/:name',
    access: 'authenticated',
    needs: 'Inspect',
    on: ({ params }) => `agent:${params.tenant}/${params.name}` as Resource,
    params: z.strictObject({ tenant: name, name }),
    response: agentView,
    handle: ({ control, params }) => {
      const agent = `${params.tenant}/${params.name}` as AgentId;
      const view = control.agent(agent);
      return view ? ok(view) : refuse('UNKNOWN_AGENT', `No node hosts ${agent}.`);
    },
  }),
  route({
    method: 'POST',
    url: '/api/v1/agents',
    access: 'authenticated',
    needs: ['DeployAgent', 'UpdateAgent'],
    on: 'handler',
    body: deployRequest,
    response: agentView,
    status: () => 201,
    handle: ({ control, body, caller, permit }) =>
      control.deploy(body, caller, (permission, agent) => permitted(permit, permission, `agent:${agent}`)),
  }),
  route({
    method: 'DELETE',
    url: '/api/v1/agents/:tenant/:name',
    access: 'authenticated',
    needs: 'RemoveAgent',
    on: ({ params }) => `agent:${params.tenant}/${params.name}` as Resource,
    params: z.strictObject({ tenant: name, name }),
    response: z.object({}),
    handle: async ({ control, params, caller }) =>
      mapped(await control.remove(`${params.tenant}/${params.name}` as AgentId, caller), () => ({})),
  }),
  route({
    method: 'POST',
    url: '/api/v1/messages',
    access: 'authenticated',
    needs: 'SendMessage',
    on: ({ body }) => receiversOf(body.to),
    body: sendRequest,
    response: sendOutcome,
    handle: ({ control, body, caller }) => control.send(body, caller),
  }),
  route({
    method: 'GET',
    url: '/api/v1/audit/records',
    access: 'authenticated',
    needs: 'ReadAudit',
    query: recordsQuery,
    response: listOf(z.unknown()),
    handle: async ({ control, query }) => mapped(await control.auditTail(query), (list) => ({ items: [...list] })),
  }),
  route({
    method: 'GET',
    url: '/api/v1/notices',
    access: 'authenticated',
    needs: 'Inspect',
    response: listOf(noticeView),
    handle: ({ control }) => items(control.notices()),
  }),
  route({
    method: 'POST',
    url: '/api/v1/notices',
    access: 'authenticated',
    needs: 'ManageSecurity',
    outlivesKey: true,
    body: z.strictObject({ document: z.string().min(1).max(limits.noticeBytesMax) }),
    response: noticeView,
    handle: ({ control, body, caller }) => control.publishNotice(body.document, caller),
  }),
  route({
    method: 'GET',
    url: '/api/v1/security/roots',
    access: 'authenticated',
    needs: 'Inspect',
    response: rootsView,
    handle: async ({ control }) => ok(await control.roots()),
  }),
  ...accessRoutes,
  ...auditProofRoutes,
  ...enrolmentRoutes,
  ...gossipKeyRoutes,
  route({
    method: 'GET',
    url: '/api/v1/actors',
    access: 'authenticated',
    needs: 'Inspect',
    response: listOf(actorView),
    handle: ({ control }) => items(control.actors()),
  }),
  route({
    method: 'GET',
    url: '/api/v1/metrics',
    access: 'authenticated',
    needs: 'ViewMetrics',
    response: listOf(metricSample),
    handle: ({ control }) => items(control.metrics()),
  }),
  route({
    method: 'POST',
    url: '/api/v1/server/shutdown',
    access: 'protective',
    needs: 'ManageCluster',
    response: z.object({ stopping: z.literal(true) }),
    status: () => 202,
    handle: async ({ control, caller }) => mapped(await control.shutdown(caller), () => ({ stopping: true as const })),
  }),
];
