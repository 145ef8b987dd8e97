/**
 * Caxton for those who embed it: start a node in your process, deploy agents on it, send and ask. Everything else that
 * is importable is under a subpath of its own.
 */
export type {
  AgentContext,
  AgentHandler,
  AskOptions,
  Behaviour,
  ChartAgentEvent,
  ChartModule,
  Draft,
  HandlerModule,
  ReceivedMessage,
} from './actors/agents/behaviour.ts';
export type { SignedDeployment } from './actors/agents/deployments.ts';
export { type AgentRef, createNode, type Node } from './actors/node.ts';
export type { CreateNodeOptions } from './actors/node-base.ts';
export type { NodeControl, NodeEvent, NodeStatus } from './actors/operations/control.ts';
export { loadConfig, type NodeConfig } from './config.ts';
export { CaxtonError, type ErrorCode, errorCodes, type Refusal, type Result } from './errors.ts';
export type { AgentId, NodeId } from './names.ts';
export type { Performative } from './protocols/acl/performative.ts';
