import type { SiemDestination } from '../../../config/siem.ts';
import type { WorkerSpec } from '../../kernel/spec.ts';
import type { NodeBase } from '../../node-base.ts';
import type { SiemView } from '../control.ts';
import { AuditReading } from './audit-source.ts';
import { SiemCursor } from './siem-cursor.ts';
import { SiemForwarder } from './siem-forwarder.ts';
import { siemForwarder } from './siem-forwarder-chart.ts';
import { siemSink } from './siem-sinks.ts';
import type { SiemCheckpoint } from './sink.ts';

export interface SiemParts {
  /** A worker for each destination. */
  readonly workers: readonly WorkerSpec[];
  views(): readonly SiemView[];
  /** Lets go of all destinations, once no worker runs any more. */
  end(): Promise<unknown>;
}

/** The forwarding of the audit log, as the configuration says it. */
export function assembleSiem(base: NodeBase, version: string, checkpoints: SiemCheckpoints): SiemParts {
  const forwarders = base.config.security.audit.siem.map((destination, index) =>
    forwarderOf(base, version, destination, index, checkpoints),
  );
  for (const forwarder of forwarders) base.auditUpkeep.readers.add(() => forwarder.view().confirmedSequence);
  return {
    workers: forwarders.map((forwarder) => ({
      kind: 'worker',
      id: forwarder.name,
      logic: siemForwarder,
      input: { forwarder },
    })),
    views: () => forwarders.map((forwarder) => forwarder.view()),
    end: () => Promise.all(forwarders.map((forwarder) => forwarder.end())),
  };
}

/** Where the checkpoints of the log come from. */
export interface SiemCheckpoints {
  newest(): SiemCheckpoint | undefined;
  readonly listeners: Set<() => void>;
}

function forwarderOf(
  base: NodeBase,
  version: string,
  destination: SiemDestination,
  index: number,
  checkpoints: SiemCheckpoints,
): SiemForwarder {
  const { audit, ports, nodeId, events, files, fault } = base;
  const { clock, metrics, store } = ports;
  const { name, kind } = destination;
  const newest = (): number => audit.head().sequence;
  const reading = new AuditReading(audit.reader, newest);
  return new SiemForwarder({
    name,
    kind,
    source: {
      newest,
      first: () => audit.reader.first(),
      read: (first, countMax) => reading.read(first, countMax),
      subscribe: (listener) => {
        audit.listeners.add(listener);
        checkpoints.listeners.add(listener);
        return () => {
          audit.listeners.delete(listener);
          checkpoints.listeners.delete(listener);
        };
      },
    },
    checkpoint: () => checkpoints.newest(),
    skip: new Set(destination.skipRecords),
    sink: siemSink(destination, files.siem[index] ?? { tls: {} }, {
      nodeId,
      version,
      pid: process.pid,
      now: clock.now,
    }),
    cursor: new SiemCursor(store, name),
    clock,
    metrics,
    onChange: (view) => events.emit({ type: 'siem.changed', nodeId, destination: view }),
    tell: (message) => fault(message, undefined),
  });
}
