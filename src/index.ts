/**
 * Caxton for those who embed it: start a node in your process, deploy agents on it, send and ask. What else can be
 * imported has subpaths of its own: `/client`, `/crypto`, `/protocols`, `/testing`.
 */
// Charts of agents are made with the same XState that runs them: a second copy would be another class.
export { assign, createMachine, fromPromise, setup } from 'xstate';
export type {
  AgentAddress,
  AgentContext,
  AgentHandler,
  AskOptions,
  Behaviour,
  ChartAgentEvent,
  ChartAgentInput,
  ChartModule,
  Draft,
  HandlerModule,
  ReceivedMessage,
} from './actors/agents/behaviour.ts';
export type {
  AgentRef,
  AnswerOf,
  AnswerTo,
  AnyContract,
  CheckedMessage,
  Checks,
  Contract,
  ContractOf,
  MessageFor,
  PerformativeOf,
} from './actors/agents/contract.ts';
export { type DeploymentFacts, signDeployment } from './actors/agents/deployer.ts';
export type { AgentCode, AgentPolicy, CheckedHandler, Deploy, DeployOptions } from './actors/agents/embedding.ts';
export type { SignedDeployment } from './actors/agents/stored-deployment.ts';
export { type ExposedActor, programPath } from './actors/exposed-actors.ts';
export { ActorExit } from './actors/kernel/actor-exit.ts';
export type { Asked, AskOptions as ActorAskOptions } from './actors/kernel/asks.ts';
export type { Check, StandardSchema } from './actors/kernel/check.ts';
export type { ChildAnswer, ChildRefusal } from './actors/kernel/child-requests.ts';
export type { ChildCounts, ChildView } from './actors/kernel/children.ts';
export { fromHandler, type HandlerLife, type HandlerSelf } from './actors/kernel/handler.ts';
export type { Kernel } from './actors/kernel/kernel.ts';
export type { Down, Monitor } from './actors/kernel/monitors.ts';
export type { Tap, TapEvent } from './actors/kernel/ports.ts';
export type { Ref } from './actors/kernel/ref.ts';
export type { ChildSpec, InstanceSpec, SupervisorSpec, WorkerSpec } from './actors/kernel/spec.ts';
export { chargeStrayThrows } from './actors/kernel/stray.ts';
export { sendTarget } from './actors/kernel/xstate-bridge.ts';
export { createNode, type Node } from './actors/node.ts';
export type { CreateNodeOptions } from './actors/node-base.ts';
export { type ProofTrust, type ProvenRecord, verifyAuditProof } from './actors/operations/audit/proof-check.ts';
export type { AgentView, NodeControl, NodeEvent, NodeStatus } from './actors/operations/control.ts';
export { loadConfig, type NodeConfig } from './config.ts';
export {
  type DevelopmentCluster,
  type DevelopmentClusterOptions,
  developmentCluster,
} from './development/development-cluster.ts';
export { CaxtonError, type ErrorCode, errorCodes, type Refusal, type Result } from './errors.ts';
export type { AgentId, NodeId } from './names.ts';
export type { Performative } from './protocols/acl/performative.ts';
export type { AgentQuery } from './protocols/registry/agent-query.ts';
