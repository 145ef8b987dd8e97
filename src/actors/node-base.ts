import type { KeyObject } from 'node:crypto';
import { parseHostPort } from '../config/quantity.ts';
import type { NodeConfig } from '../config.ts';
import { CaxtonError, type Result } from '../errors.ts';
import type { NodeId } from '../names.ts';
import type { AgentAddress } from './agents/behaviour.ts';
import { nextBootEpoch } from './boot-epoch.ts';
import { TrustedRoots } from './cluster/identity/trusted-roots.ts';
import { LinkTransport } from './cluster/links/link-transport.ts';
import { NoticeBoard } from './cluster/notices/notice-board.ts';
import { Revocations } from './cluster/notices/revocations.ts';
import { createNodeEvents, type NodeEvents } from './events.ts';
import { type ExposedActor, exposedActors } from './exposed-actors.ts';
import { hearers } from './hearers.ts';
import { createKernel } from './kernel/create-kernel.ts';
import type { Kernel } from './kernel/kernel.ts';
import { describe } from './kernel/occupant.ts';
import type { Address, Ports } from './kernel/ports.ts';
import type { ChildSpec } from './kernel/spec.ts';
import { kernelWarnings } from './kernel-warnings.ts';
import { MessagePolicies } from './messaging/message-policies.ts';
import type { NodeFiles } from './node-files.ts';
import { ApiAccess } from './operations/api/api-access.ts';
import { AuditLog } from './operations/audit/audit-log.ts';
import { AuditUpkeep } from './operations/audit/audit-upkeep.ts';
import type { Caller, NodeEvent } from './operations/control.ts';

/** More than the node has actors of its own that are busy at once; each peer has one. */
const ownActorsMax = 1_024;

export interface CreateNodeOptions {
  /** Link addresses of members, beside those of the configuration. */
  readonly join?: readonly string[];
  /**
   * The Ed25519 private key that the cluster’s trust notice names as deployer and issuer: with it `node.deploy` signs.
   * Give it only to programs that may decide which agents exist and what they may do.
   */
  readonly deployer?: KeyObject;
  /**
   * The agent in whose name this program writes to its agents; default `default/program-<node id>`. Must be its own on
   * each node of the cluster.
   */
  readonly program?: AgentAddress;
  /** Actors of this program, started with the node below `programPath`. `node.kernel.startChild` adds more. */
  readonly actors?: readonly ChildSpec[];
  /**
   * Which of this program’s actors (`programPath`) other nodes may write to, ask, watch or link to, and what they may
   * say. Default: none. A path outside `programPath` is refused with CONFIG_INVALID.
   */
  readonly expose?: readonly ExposedActor[];
  /** Replaces parts of the world; the testing kit’s way in. */
  readonly ports?: Partial<Ports>;
  /** Hears everything from the first moment on; `node.on` hears what comes after the start. */
  readonly onEvent?: (event: NodeEvent) => void;
  /**
   * Where faults that no actor can be charged with are told, and restarts; `about`: such as the id of the request. With
   * `thrownBy` (a path, or empty) the error is what an actor or a stray timer threw: its words may quote a message.
   */
  readonly onFault?: (message: string, error: unknown, about?: Readonly<Record<string, string>>) => void;
  /** Where is told what harms nobody yet: lost messages, slow turns, charts that cannot be saved. Each at a bounded rate. */
  readonly onWarning?: (message: string) => void;
}

/** What every room of a node is given. */
export interface NodeBase {
  readonly config: NodeConfig;
  readonly ports: Ports;
  readonly files: NodeFiles;
  readonly kernel: Kernel;
  /** Carries messages between kernels. */
  readonly transport: LinkTransport;
  readonly audit: AuditLog;
  readonly auditUpkeep: AuditUpkeep;
  readonly revocations: Revocations;
  /** Whose certificates count. */
  readonly roots: TrustedRoots;
  /** The cluster’s documents; keeps `files.trust`, `revocations`, `roots`, `policies` and `access` at what is in force. */
  readonly notices: NoticeBoard;
  /** By what messages are judged. */
  readonly policies: MessagePolicies;
  /** Who may use the management API, and for what. */
  readonly access: ApiAccess;
  readonly events: NodeEvents;
  readonly nodeId: NodeId;
  readonly bootEpoch: number;
  readonly seeds: readonly Address[];
  /** The program’s own. */
  readonly actors: readonly ChildSpec[];
  /** Hears of each order to suspend a place that is given or taken back. */
  readonly onSuspension: (listener: (path: string) => void) => void;
  /** Where faults that nobody else hears of are told. */
  readonly fault: (message: string, error: unknown, about?: Readonly<Record<string, string>>) => void;
}

/** Counts the boot and makes what every room leans on. */
export async function assembleBase(
  config: NodeConfig,
  ports: Ports,
  files: NodeFiles,
  options: CreateNodeOptions,
): Promise<NodeBase> {
  const { clock, crypto, metrics, disk, store } = ports;
  const nodeId = config.node.id;
  const events = createNodeEvents();
  const audit = new AuditLog({
    disk,
    clock,
    crypto,
    nodeId,
    origin: `${config.cluster.trustDomain}/node/${nodeId}/audit`,
    vault: () => files.vault.ring,
    folder: config.security.audit.logPath,
    policy: config.security.audit.policy,
  });
  const fault: NodeBase['fault'] = (message, error, about) => options.onFault?.(message, error, about);
  const { logPath, retentionDays } = config.security.audit;
  const auditUpkeep = new AuditUpkeep({
    disk,
    clock,
    crypto,
    folder: logPath,
    log: audit,
    vault: files.vault,
    retentionMs: retentionDays * 86_400_000,
    fault,
  });
  const transport = new LinkTransport({ nodeId, clock, metrics });
  const warn = (message: string): void => options.onWarning?.(message);
  const suspensions = hearers<string>();
  const kernel: Kernel = createKernel({
    clock,
    metrics,
    transport,
    ...kernelWarnings(warn, () => kernel.stopping),
    exposed: exposedActors(options.expose ?? []),
    onSuspension: suspensions.tell,
    tap: () => ports.tap,
    // The others are tenants; all that keeps the node itself alive has its turn before the next of them.
    weightOf: (group) => (group === '' ? ownActorsMax : 1),
    ...(ports.faults ? { faults: ports.faults } : {}),
    onRestart: ({ path, reason, error }) => {
      // It may be anything, a trap too, and a restart is told of whatever it was.
      const ofTenants = error !== undefined && isOfTenants(path);
      const ended = ofTenants ? thrown(error) : describe({ reason: 'crash', error });
      const why = error === undefined ? reason : ended;
      fault(`${path} is restarted: ${why}`, error, ofTenants ? { thrownBy: path } : undefined);
      events.emit({ type: 'actor.restarted', nodeId, path, reason: why });
      audit.note({
        type: 'SupervisionEvent',
        identity: path,
        sourceIp: '',
        outcome: 'failure',
        reasons: [why],
        metadata: { reason },
      });
    },
    onOverrun: ({ path, ms }) =>
      fault(`${path} had not ended ${ms} ms after it was told to, and was killed`, undefined),
    // Without a place where it is told it goes on as it would have.
    ...(options.onFault
      ? { onStray: (error: unknown) => fault('a throw that belongs to no actor', error, { thrownBy: '' }) }
      : {}),
  });
  return {
    config,
    ports,
    files,
    kernel,
    transport,
    audit,
    auditUpkeep,
    ...(await openNotices(config, ports, files, fault)),
    events,
    nodeId,
    bootEpoch: await nextBootEpoch(store),
    seeds: [...config.cluster.join, ...(options.join ?? []).map(seedOf)],
    actors: options.actors ?? [],
    onSuspension: suspensions.add,
    fault,
  };
}

/** Agents and the program’s own actors: what they throw may quote the message that they could not read. */
const isOfTenants = (path: string): boolean => /^\/node\/(agents|program)(\/|$)/.test(path);

/** What kind of error it was, without its words: those are for whoever debugs. */
function thrown(error: unknown): string {
  try {
    const name = error instanceof Error ? error.name : '';
    if (/^[A-Z][A-Za-z0-9]{0,39}$/.test(name)) return `It threw ${name}.`;
  } catch {
    // It may be a trap: no look at it is safe.
  }
  return 'It ended with an error.';
}

/** Reads what is kept of the cluster’s documents: `files.trust` is what is in force afterwards. */
async function openNotices(
  config: NodeConfig,
  { store, clock }: Ports,
  { trust, vault, identity, policies: local, apiKeys, notices: files }: NodeFiles,
  fault: NodeBase['fault'],
): Promise<Pick<NodeBase, 'revocations' | 'roots' | 'policies' | 'access' | 'notices'>> {
  const revocations = new Revocations();
  const roots = new TrustedRoots(config.cluster.trustDomain, identity.tls.caPem);
  roots.onChanged(() => void identity.believe(roots.caPem, clock.now()));
  const seal = (text: string): string => vault.ring.hash(text);
  const policies = new MessagePolicies({ local, clusterRequired: config.security.agents.clusterPolicy === 'required' });
  const access = new ApiAccess({ fileKeys: apiKeys, blind: (hash) => seal(`api key ${hash}`) });
  const notices = await NoticeBoard.open({
    clusterId: config.cluster.id,
    ...{ store, trust, revocations, roots, policies, access, files, seal },
    trouble: (error) => fault('a cluster document that is in force could not be kept', error),
  });
  if (!access.hasKeys)
    fault('no API key counts here: there is no api_keys_path, and this node holds no document of keys yet', undefined);
  return { revocations, roots, policies, access, notices };
}

function seedOf(text: string): Address {
  const address = parseHostPort(text);
  if (address) return address;
  throw new CaxtonError('CONFIG_INVALID', `“${text}” is not a link address: expected host:port.`);
}

/** Class A: the certificate that the node starts with is not the one that lay in its place. */
export const recordMended = ({ audit, files }: NodeBase): Promise<Result<unknown>> =>
  audit.record({
    type: 'CertificateRotated',
    identity: files.identity.svid.spiffeId,
    sourceIp: '',
    outcome: 'success',
    reasons: [
      files.enrolledAgain === undefined
        ? 'The certificate and its key did not belong together; the last pair that did was put in their places.'
        : `The certificate had ended, and ${files.enrolledAgain} gave another one.`,
    ],
    certificateSerial: files.identity.svid.serial,
    metadata: {},
  });

/** Class A: the node’s own start and stop; `caller` when somebody asked for it over the API. */
export const recordNode = (
  { audit, nodeId, bootEpoch }: NodeBase,
  type: 'NodeStarted' | 'NodeStopped',
  caller?: Caller,
): Promise<Result<unknown>> =>
  audit.record({
    type,
    identity: nodeId,
    sourceIp: caller?.sourceIp ?? '',
    outcome: 'success',
    reasons: [],
    ...(caller ? { requestId: caller.requestId } : {}),
    metadata: { bootEpoch, by: caller?.identity ?? 'program' },
  });
