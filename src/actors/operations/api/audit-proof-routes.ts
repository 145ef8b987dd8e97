import { z } from 'zod';
import { ok } from '../../../errors.ts';
import { isNodeId, type NodeId } from '../../../names.ts';
import { type ApiRoute, route } from './route.ts';
import { auditCheckpoint, auditConsistency, auditProof, auditVerification, listOf, witnessedLog } from './views.ts';

/** A query value is text. */
const sequence = z
  .string()
  .regex(/^[1-9][0-9]{0,15}$/, 'expected a whole number from 1')
  .transform(Number)
  .pipe(z.number().max(Number.MAX_SAFE_INTEGER));

const partQuery = z
  .strictObject({ from: sequence.exactOptional(), to: sequence.exactOptional() })
  .refine(({ from = 1, to = Number.MAX_SAFE_INTEGER }) => from <= to, 'expected from to be at most to');

const nodeId = z.string().refine((text): text is NodeId => isNodeId(text), 'expected a node id');

/** What shows that the audit log is what it was: for the operator, and for whoever believes no single node. */
export const auditProofRoutes: readonly ApiRoute[] = [
  route({
    method: 'GET',
    url: '/api/v1/audit/verification',
    access: 'authenticated',
    needs: 'ReadAudit',
    query: partQuery,
    response: auditVerification,
    handle: ({ control, query: { from, to } }) =>
      control.auditVerify({ from: from ?? 1, ...(to === undefined ? {} : { to }) }),
  }),
  route({
    method: 'GET',
    url: '/api/v1/audit/checkpoint',
    access: 'authenticated',
    needs: 'ReadAudit',
    response: auditCheckpoint,
    handle: ({ control }) => ok(control.auditCheckpoint()),
  }),
  route({
    method: 'GET',
    url: '/api/v1/audit/witnessed',
    access: 'authenticated',
    needs: 'ReadAudit',
    response: listOf(witnessedLog),
    handle: ({ control }) => ok({ items: [...control.auditWitnessed()] }),
  }),
  route({
    method: 'GET',
    url: '/api/v1/audit/proofs/:sequence',
    access: 'authenticated',
    needs: 'ReadAudit',
    params: z.strictObject({ sequence }),
    response: auditProof,
    handle: ({ control, params }) => control.auditProve(params.sequence),
  }),
  route({
    method: 'GET',
    url: '/api/v1/audit/consistency',
    access: 'authenticated',
    needs: 'ReadAudit',
    query: z.strictObject({ from: sequence, to: sequence }),
    response: auditConsistency,
    handle: ({ control, query }) => control.auditConsistency(query),
  }),
  route({
    method: 'POST',
    url: '/api/v1/audit/acceptances',
    access: 'authenticated',
    needs: 'ManageSecurity',
    body: z.strictObject({ log: nodeId }),
    response: z.object({}),
    handle: async ({ control, body, caller }) => {
      const accepted = await control.auditAccept(body.log, caller);
      return accepted.ok ? ok({}) : accepted;
    },
  }),
];
