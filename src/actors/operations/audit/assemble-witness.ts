import type { NodeId } from '../../../names.ts';
import { type VerifiedCheckpoint, witnessName } from '../../../protocols/audit/checkpoint.ts';
import { encodeCheckpointEvidence } from '../../../protocols/audit/evidence.ts';
import { encodeNote } from '../../../protocols/audit/signed-note.ts';
import type { ForkKind, WitnessEntry } from '../../../protocols/audit/witness.ts';
import type { FrameParts } from '../../../protocols/link/checkpoint-frame.ts';
import type { DirectoryEntry } from '../../../protocols/link/push-pull-frame.ts';
import type { ClusterParts } from '../../cluster/assemble.ts';
import type { NodeBase } from '../../node-base.ts';
import type { SiemCheckpoints } from '../siem/assemble.ts';
import { AuditCheckpoints } from './audit-checkpoints.ts';
import type { AuditNotaryEvent, AuditNotaryInput } from './audit-notary.ts';
import { AuditWitness } from './audit-witness.ts';
import { CheckpointFile } from './checkpoint-file.ts';
import type { CheckpointNews } from './checkpoint-news.ts';
import { noteCrypto } from './proof-check.ts';
import { Rest } from './rest.ts';

/** Where the notary lives in the tree. */
export const notaryPath = '/node/operations/audit-notary';

/** The audit log’s proof to others: its own checkpoints, and this node’s countersignature under those of its peers. */
export interface WitnessParts extends AuditNotaryInput {
  /** What vouches for the key of a node, this one included; undefined while it is not known. */
  readonly keyEntryOf: (node: NodeId) => DirectoryEntry | undefined;
  /** What is to be kept outside of the cluster. */
  readonly forSiem: SiemCheckpoints;
}

/** Makes both and gives them their frames. Nothing is signed before the actor runs. */
export function assembleWitness(base: NodeBase, { links, directory }: ClusterParts): WitnessParts {
  const { config, ports, files, kernel, audit, nodeId } = base;
  const { identity } = files;
  const { trustDomain } = config.cluster;
  const now = () => ports.clock.now();
  const keyEntryOf = (node: NodeId): DirectoryEntry | undefined =>
    node === nodeId
      ? { nodeId, certificate: identity.svid.der, binding: identity.binding }
      : directory.entryOf(node, now());
  const file = new CheckpointFile({
    disk: ports.disk,
    clock: ports.clock,
    folder: config.security.audit.logPath,
    first: () => audit.reader.first(),
  });
  const common = {
    clock: ports.clock,
    store: ports.store,
    metrics: ports.metrics,
    noteCrypto,
    trustDomain,
    nodeId,
    ownKey: identity.claimKey,
    sign: (bytes: Uint8Array) => identity.signNote(bytes),
    claimKeyOf: (node: NodeId) => directory.claimKeyOf(node, now()),
  };
  const checkpoints = new AuditCheckpoints({
    ...common,
    log: audit.reader,
    peers: () => links.all().map((link) => link.nodeId),
    send: (peer, { header, content }: FrameParts) => links.get(peer)?.send('checkpoint', header, content).ok ?? false,
    expectsWitnesses: config.cluster.expectedSize > 1,
    keysOf: (checkpoint) => signersOf(checkpoint, trustDomain, nodeId, links.all(), keyEntryOf),
    keep: (checkpoint) => file.keep(checkpoint),
    kept: () => file.notes(),
    tell: (news) => tell(base, news),
  });
  const witness = new AuditWitness({ ...common, told: (log, kind, entry) => recordFork(base, log, kind, entry) });
  links.onFrame('checkpoint', (link, frame) => {
    const taken = witness.take(link.nodeId, frame, ({ header, content }) => {
      links.get(link.nodeId)?.send('cosignature', header, content);
    });
    if (!taken.ok) link.violated(taken.refusal.reasons[0]);
  });
  links.onFrame('cosignature', (link, frame) => {
    const taken = checkpoints.requests.take(link.nodeId, frame);
    if (!taken.ok) link.violated(taken.refusal.reasons[0]);
  });
  links.onClosed((link) => checkpoints.requests.lost(link.nodeId));
  const notary = kernel.ref<AuditNotaryEvent>(notaryPath);
  const rest = new Rest();
  const stir = (): void => {
    if (rest.stir()) notary.tell({ type: 'audit.stirred' }, 'control');
  };
  audit.listeners.add(() => {
    stir();
    if (checkpoints.hasMany) notary.tell({ type: 'audit.grown' }, 'control');
  });
  links.onReady(stir);
  links.onClosed(stir);
  let told = '';
  const trouble = (error: unknown): void => {
    const why = error instanceof Error ? error.message : String(error);
    ports.metrics.count('audit_checkpoints_failed');
    // A round comes each second, and its trouble may last.
    if (why !== told) base.fault(`the audit log’s checkpoint could not be made: ${why}`, error);
    told = why;
  };
  const forSiem: SiemCheckpoints = {
    listeners: checkpoints.listeners,
    newest() {
      const shown = checkpoints.shown;
      if (!shown) return undefined;
      const keys = 'keys' in shown ? shown.keys : [keyEntryOf(nodeId)].filter((entry) => entry !== undefined);
      return { size: shown.size, line: encodeCheckpointEvidence({ note: encodeNote(shown.note), keys }) };
    },
  };
  return { checkpoints, witness, rest, trouble, keyEntryOf, forSiem };
}

function signersOf(
  { cosignatures }: VerifiedCheckpoint,
  trustDomain: string,
  own: NodeId,
  peers: readonly { readonly nodeId: NodeId }[],
  keyEntryOf: (node: NodeId) => DirectoryEntry | undefined,
): readonly DirectoryEntry[] {
  const names = new Set(cosignatures.map(({ name }) => name));
  const nodes = peers.map(({ nodeId }) => nodeId).filter((node) => names.has(witnessName(trustDomain, node)));
  return [own, ...nodes].map(keyEntryOf).filter((entry) => entry !== undefined);
}

const forkWords: Readonly<Record<ForkKind, string>> = {
  rollback: 'it is shorter than it was',
  inconsistent: 'what was in it before is not in it any more as it was',
  equivocation: 'two different histories of one length were signed with its key',
};

/** The witness’s side: class A, for it may be the only place where anybody ever learns of it. */
function recordFork(
  { audit, events, nodeId }: NodeBase,
  log: NodeId,
  kind: ForkKind | undefined,
  { head, fork }: WitnessEntry,
) {
  if (kind) events.emit({ type: 'audit.forked', nodeId, log, kind, size: head?.size ?? 0 });
  const shown = fork ? { shownSize: fork.size, shownRoot: hex(fork.root) } : {};
  return audit.record({
    type: 'AuditForked',
    identity: `node/${log}`,
    sourceIp: '',
    outcome: kind ? 'refused' : 'success',
    reasons: [
      kind
        ? `The audit log of ${log} does not continue what was countersigned here: ${forkWords[kind]}.`
        : `The audit log of ${log} continues what was countersigned here again.`,
    ],
    metadata: { log, ...(kind && { kind }), ...(head && { size: head.size, root: hex(head.root) }), ...shown },
  });
}

/** The log’s own side. */
async function tell(base: NodeBase, news: CheckpointNews): Promise<void> {
  const { audit, events, nodeId, fault } = base;
  const identity = `node/${nodeId}`;
  switch (news.type) {
    case 'forked': {
      const by = news.by ?? nodeId;
      const reason = `This audit log does not continue its own checkpoint of record ${news.size}: ${forkWords[news.kind]}.`;
      fault(`${reason} See docs/audit-proof.md.`, undefined);
      events.emit({ type: 'audit.forked', nodeId, log: nodeId, kind: news.kind, size: news.size });
      await audit.record({
        type: 'AuditForked',
        identity,
        sourceIp: '',
        outcome: 'failure',
        reasons: [reason],
        metadata: { log: nodeId, kind: news.kind, size: news.size, by },
      });
      return;
    }
    case 'witness.forgot':
      return noteWitness(base, 'failure', `${news.witness} has forgotten what it countersigned.`, {
        witness: news.witness,
        size: news.size,
      });
    case 'unwitnessed':
      return noteWitness(base, 'failure', 'Nobody countersigns this audit log now.', { since: news.since });
    case 'witnessed':
      return noteWitness(base, 'success', 'This audit log is countersigned again.', {});
  }
}

function noteWitness(
  { audit, nodeId }: NodeBase,
  outcome: 'success' | 'failure',
  reason: string,
  metadata: Readonly<Record<string, string | number>>,
): void {
  audit.note({
    type: 'WitnessChanged',
    identity: `node/${nodeId}`,
    sourceIp: '',
    outcome,
    reasons: [reason],
    metadata,
  });
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
