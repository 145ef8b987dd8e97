/**
 * `caxton-runtime/protocols`: the rules by which nodes judge, as plain functions, for tools that must judge alike: a
 * deployer that signs manifests and capabilities, a policy checked before it is rolled out, an audit log verified by an
 * outsider. No input or output: UTF-8 and SHA-256 are passed in.
 */
export { type ConversationState, conversationStep, startConversation } from './acl/conversation.ts';
export {
  contractNet,
  interactionProtocols,
  iteratedContractNet,
  propose,
  protocolTable,
  query,
  request,
  subscribe,
} from './acl/interaction-protocols.ts';
export { toMermaid } from './acl/mermaid.ts';
export type { Guarantee, MessageHeader } from './acl/message.ts';
export { isPerformative, type Performative, performatives } from './acl/performative.ts';
export {
  type ProjectedTransition,
  type ProtocolTable,
  projected,
  type Role,
  type Transition,
} from './acl/protocol-table.ts';
export {
  type Checkpoint,
  type CheckpointKeys,
  decodeCheckpoint,
  logOrigin,
  type SignedCheckpoint,
  type VerifiedCheckpoint,
  verifyCheckpoint,
  witnessName,
} from './audit/checkpoint.ts';
export type { Cosignature } from './audit/cosignature.ts';
export { type AuditClass, type AuditType, auditTypes, classOf } from './audit/event-type.ts';
export { type CheckpointEvidence, decodeCheckpointEvidence } from './audit/evidence.ts';
export {
  type CompactRange,
  compactRange,
  emptyRange,
  extendRange,
  GrowingTree,
  leafHash,
  rootOf,
  type Sha256,
} from './audit/merkle.ts';
export {
  beginConsistencyProof,
  beginInclusionProof,
  type TreeHead,
  type TreeProof,
  verifyConsistency,
  verifyInclusion,
} from './audit/proof.ts';
export { decodeProofFile, type RecordProof } from './audit/proof-file.ts';
export { type AuditEvent, type AuditMetadata, type AuditRecord, type Outcome, readAuditLine } from './audit/record.ts';
export type { NoteCrypto, NoteKey, NoteSignature, SignedNote } from './audit/signed-note.ts';
export { type Action, actionOfMessage, actionText, covers, parseAction } from './authorization/action.ts';
export { type AgentPattern, containsAgents, matchesAgent, parseAgentPattern } from './authorization/agent-pattern.ts';
export { type AuthorizationRequest, authorize, type Decision, type Layer } from './authorization/authorize.ts';
export {
  type Capability,
  capabilityPayload,
  checkCapability,
  grants,
  isMeantFor,
  readCapability,
} from './authorization/capability.ts';
export {
  chainText,
  type Narrowing,
  narrowed,
  readChain,
  type TokenChain,
  wideningReasons,
} from './authorization/delegation.ts';
export { explain } from './authorization/explain.ts';
export {
  denyAll,
  emptyPolicySet,
  type Policy,
  type PolicySet,
  parsePolicy,
  policyFor,
} from './authorization/policy.ts';
export { type PolicyLayers, type PolicySources, policiesFor } from './authorization/policy-layers.ts';
export type { Operation, PolicyRules, RateLimits } from './authorization/policy-rules.ts';
export { parseRate, type Rate, rateText } from './authorization/rate.ts';
export { type AgentCode, type AgentKind, type Manifest, manifestPayload, readManifest } from './deployment/manifest.ts';
export { type Notice, noticePayload, readNotice } from './notice/notice.ts';
export type { TrustBody } from './notice/trust.ts';
