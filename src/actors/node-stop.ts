import { limits } from '../limits.ts';
import { recordNode } from './node-base.ts';
import { closeSockets, type NodeParts } from './node-parts.ts';
import type { Caller, StopPhaseName } from './operations/control.ts';

/** Something that has to end before what comes after it may. */
interface Step {
  /** What it is about, for people: the path of a room of the tree, or a few words. */
  readonly what: string;
  readonly run: () => Promise<unknown>;
  /** Ends it as it is; without one nobody waits for it any longer. */
  readonly cut?: () => void;
}

interface StopPhase {
  readonly name: StopPhaseName;
  /** Milliseconds for all its steps. */
  readonly ms: number;
  readonly steps: readonly Step[];
}

/** How many of those that held a phase up are named. */
const namedMax = 5;

/** A node that is to be stopped. */
export interface Stopping {
  readonly parts: NodeParts;
  /** Closes what the node was given: its store, and the lock of the audit folder once `written` has settled. */
  readonly close: (written: Promise<unknown>) => Promise<void>;
  /** Whoever asked for it over the API. */
  readonly caller: Caller | undefined;
}

/**
 * How a node stops: phase by phase, each with its own time, so that nobody can keep it from stopping. Everything that a
 * phase needs still runs in it: agents drain while links stand, and the audit log records everybody else’s end. The rooms
 * are those of `node-tree.ts`, from right to left.
 */
function phasesOf({ parts, close, caller }: Stopping): readonly StopPhase[] {
  const { kernel } = parts;
  // Of a step that is cut the act may go on: what hangs on its end is not done before it.
  const written = Promise.withResolvers<void>();
  const room = (id: string): Step => ({
    what: `/node/${id}`,
    run: () => kernel.terminateChild('/node', id),
    cut: () => kernel.kill(`/node/${id}`),
  });
  return [
    {
      // No deployment, no new link; requests under way are answered. From here on the stop is on record.
      name: 'stop-accepting',
      ms: limits.stopAcceptingMsMax,
      steps: [
        // Of a tree that has ended already nobody writes; what waits is written when the parts are closed.
        {
          what: 'the record of the stop',
          run: () => Promise.race([recordNode(parts, 'NodeStopped', caller), kernel.ended]),
        },
        room('operations'),
      ],
    },
    // The program’s actors and the agents work off what they have, and asks under way are answered.
    { name: 'drain', ms: limits.stopDrainingMsMax, steps: [room('program'), room('agents'), room('messaging')] },
    // The others are told that it goes for good, before its links go.
    { name: 'leave-cluster', ms: limits.stopLeavingMsMax, steps: [room('cluster'), room('pki')] },
    // Everybody who had something to record has ended.
    { name: 'flush-audit', ms: limits.stopFlushingMsMax, steps: [room('audit-keeper'), room('audit-writer')] },
    {
      // What is kept of charts, what an actor that was cut has left open, and the store.
      name: 'close',
      ms: limits.stopClosingMsMax,
      steps: [
        { what: 'the tree', run: () => kernel.stop(), cut: () => kernel.kill('/node') },
        { what: 'sockets', run: () => closeSockets(parts) },
        {
          what: 'the audit log',
          run: () => {
            const end = parts.audit.end();
            written.resolve(end);
            return end;
          },
        },
        { what: 'the store', run: () => close(written.promise) },
      ],
    },
  ];
}

/**
 * Stops a node. Never rejects and never takes longer than `limits.stopMsMax`: what has not ended in time is cut, named in
 * the log and in an event, and the next phase begins all the same.
 */
export async function stopInPhases(stopping: Stopping): Promise<void> {
  const { parts } = stopping;
  const { clock } = parts.ports;
  parts.state = 'draining';
  parts.deployments.close();
  parts.embedding.close();
  parts.renewals.close();
  parts.cluster.links.stop();
  parts.kernel.beginStop();
  for (const { name, ms, steps } of phasesOf(stopping)) {
    const begin = clock.monotonic();
    parts.events.emit({ type: 'node.stopping', nodeId: parts.nodeId, phase: name, msMax: ms });
    for (const [index, step] of steps.entries()) {
      // No step takes what those after it need: each has an equal share, and what the ones before it have left.
      const until = begin + (ms * (index + 1)) / steps.length;
      await within(parts, name, step, until - clock.monotonic());
    }
  }
  parts.state = 'stopped';
  parts.events.emit({ type: 'node.stopped', nodeId: parts.nodeId });
}

async function within(parts: NodeParts, phase: StopPhaseName, step: Step, ms: number): Promise<void> {
  const { clock } = parts.ports;
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  const timer = clock.setTimeout(() => resolve('late'), ms);
  const ran = step.run().catch((error: unknown) => parts.fault(`${step.what} did not stop in order`, error));
  const outcome = await Promise.race([ran, late]);
  clock.clearTimeout(timer);
  if (outcome !== 'late') return;
  tellCut(parts, phase, step);
  step.cut?.();
}

/** Before the cut: after it nobody knows any more who was still there. */
function tellCut(parts: NodeParts, phase: StopPhaseName, { what }: Step): void {
  const left = parts.kernel
    .tree()
    .filter(({ kind, path }) => kind === 'worker' && path.startsWith(`${what}/`))
    .map(({ path }) => path);
  const named = left.slice(0, namedMax);
  const more = left.length > namedMax ? ` and ${left.length - namedMax} more` : '';
  const who = named.length === 0 ? '' : `: ${named.join(', ')}${more}`;
  const reason = `${what} had not ended when its time in the phase “${phase}” was over, and was cut${who}.`;
  parts.fault(reason, undefined);
  parts.events.emit({ type: 'node.stop-cut', nodeId: parts.nodeId, phase, what, left: named });
  parts.audit.note({
    type: 'SupervisionEvent',
    identity: what,
    sourceIp: '',
    outcome: 'failure',
    reasons: [reason],
    metadata: { phase },
  });
}
