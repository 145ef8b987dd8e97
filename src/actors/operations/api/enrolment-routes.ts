import { z } from 'zod';
import { ok } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { isNodeId, type NodeId } from '../../../names.ts';
import { type ApiRoute, route } from './route.ts';

const nodeId = z.string().refine((text): text is NodeId => isNodeId(text), 'expected a node id');
const minuteMs = 60_000;
const names = z.array(z.string().min(1).max(253)).max(limits.altNamesMax).default([]);

const tokenRequest = z.strictObject({
  nodeId,
  ttlMs: z.number().int().min(minuteMs).max(limits.joinTokenMsMax),
  dns: names,
  ip: names,
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

/**
 * How nodes join: an operator has a token made, and the newcomer shows it. The newcomer has no credential yet but the
 * token, so its two paths are open; what they may cost is bounded per source (`Enrolment`).
 */
export const enrolmentRoutes: readonly ApiRoute[] = [
  route({
    method: 'POST',
    url: '/api/v1/security/join-tokens',
    access: 'authenticated',
    body: tokenRequest,
    response: z.object({ token: z.string(), id: z.string(), expiresAt: z.string() }),
    status: () => 201,
    handle: ({ control, body, caller }) => control.joinToken(body, caller),
  }),
  route({
    method: 'GET',
    url: '/api/v1/enrolment/ca',
    access: 'open',
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
    body: enrolmentRequest,
    response: z.object({ certificate: z.string(), ca: z.string() }),
    status: () => 201,
    handle: ({ control, body, caller }) =>
      control.enrol({ ...body, request: new Uint8Array(Buffer.from(body.request, 'base64')) }, caller),
  }),
];
