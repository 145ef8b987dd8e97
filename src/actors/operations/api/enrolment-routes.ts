import { z } from 'zod';
import { ok } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { isNodeId, type NodeId } from '../../../names.ts';
import { type ApiRoute, route } from './route.ts';
import { listOf } from './views.ts';

const nodeId = z.string().refine((text): text is NodeId => isNodeId(text), 'expected a node id');
const minuteMs = 60_000;
const names = z.array(z.string().min(1).max(253)).max(limits.altNamesMax).default([]);

const tokenRequest = z.strictObject({
  nodeId,
  ttlMs: z.number().int().min(minuteMs).max(limits.joinTokenMsMax),
  dns: names,
  ip: names,
  replace: z.boolean().default(false),
});

const base64 = z
  .string()
  .min(1)
  .max(2 * limits.signingRequestBytesMax)
  .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'expected base64');
const enrolmentRequest = z.strictObject({
  id: z.string().min(1).max(64),
  secret: z.string().min(1).max(128),
  request: base64,
});

const tokenId = z.strictObject({ id: z.string().regex(/^[0-9a-f]{32}$/, 'expected the id of a join token') });
const enrolmentAgain = z.strictObject({
  certificate: z
    .string()
    .min(1)
    .max(3 * limits.certificateBytesMax),
  request: base64,
  proof: base64,
});
const enrolled = z.object({ certificate: z.string(), ca: z.string() });
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const openToken = z.object({
  id: z.string(),
  nodeId: z.string(),
  replace: z.boolean(),
  expiresAt: z.string(),
  serial: z.string().exactOptional(),
});
const heldCertificate = z.object({
  serial: z.string(),
  notAfter: z.string(),
  revoked: z.boolean(),
  certificate: z.string(),
});

/**
 * How nodes join: an operator has a token made, and the newcomer shows it. The newcomer has no credential yet but the
 * token, and who enrols again none that counts, so their paths are open; what they may cost is bounded per source (`Enrolment`).
 */
export const enrolmentRoutes: readonly ApiRoute[] = [
  route({
    method: 'POST',
    url: '/api/v1/security/join-tokens',
    access: 'authenticated',
    needs: 'ManageCluster',
    body: tokenRequest,
    response: z.object({ token: z.string(), id: z.string(), expiresAt: z.string() }),
    status: () => 201,
    handle: ({ control, body, caller }) => control.joinToken(body, caller),
  }),
  route({
    method: 'GET',
    url: '/api/v1/security/join-tokens',
    access: 'authenticated',
    needs: 'ManageCluster',
    response: listOf(openToken),
    handle: async ({ control }) => {
      const open = await control.joinTokens();
      return open.ok ? ok({ items: [...open.value] }) : open;
    },
  }),
  route({
    method: 'DELETE',
    url: '/api/v1/security/join-tokens/:id',
    access: 'protective',
    needs: 'ManageCluster',
    params: tokenId,
    response: z.object({ nodeId: z.string(), serial: z.string().exactOptional() }),
    handle: ({ control, params, caller }) => control.cancelJoinToken(params.id, caller),
  }),
  route({
    method: 'GET',
    url: '/api/v1/security/certificates/:node',
    access: 'authenticated',
    needs: 'Inspect',
    params: z.strictObject({ node: nodeId }),
    response: listOf(heldCertificate),
    handle: async ({ control, params }) => ok({ items: [...(await control.certificatesOf(params.node))] }),
  }),
  route({
    method: 'GET',
    url: '/api/v1/enrolment/ca',
    access: 'open',
    needs: 'nothing',
    response: z.object({ ca: z.string() }),
    handle: ({ control }) => {
      const ca = control.enrolmentCa();
      return ca.ok ? ok({ ca: ca.value }) : ca;
    },
  }),
  route({
    method: 'POST',
    url: '/api/v1/enrolment',
    access: 'open',
    needs: 'nothing',
    body: enrolmentRequest,
    response: enrolled,
    status: () => 201,
    handle: ({ control, body, caller }) => control.enrol({ ...body, request: bytesOf(body.request) }, caller),
  }),
  route({
    method: 'POST',
    url: '/api/v1/enrolment/renewals',
    access: 'open',
    needs: 'nothing',
    body: enrolmentAgain,
    response: enrolled,
    status: () => 201,
    handle: ({ control, body: { certificate, request, proof }, caller }) =>
      control.enrolAgain({ certificate, request: bytesOf(request), proof: bytesOf(proof) }, caller),
  }),
];
