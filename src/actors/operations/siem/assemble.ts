import type { SiemDestination } from '../../../config/siem.ts';
import type { WorkerSpec } from '../../kernel/spec.ts';
import type { NodeBase } from '../../node-base.ts';
import type { SiemView } from '../control.ts';
import { AuditReading } from './audit-source.ts';
import { SiemCursor } from './siem-cursor.ts';
import { SiemForwarder } from './siem-forwarder.ts';
import { siemForwarder } from './siem-forwarder-chart.ts';
import { siemSink } from './siem-sinks.ts';

export interface SiemParts {
  /** A worker for each destination. */
  readonly workers: readonly WorkerSpec[];
  views(): readonly SiemView[];
  /** Lets go of all destinations, once no worker runs any more. */
  end(): Promise<unknown>;
}

/** The forwarding of the audit log, as the configuration says it. */
export function assembleSiem(base: NodeBase, version: string): SiemParts {
  const forwarders = base.config.security.audit.siem.map((destination, index) =>
    forwarderOf(base, version, destination, index),
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

function forwarderOf(base: NodeBase, version: string, destination: SiemDestination, index: number): SiemForwarder {
  const { audit, ports, nodeId, events, files } = base;
  const { clock, metrics, store } = ports;
  const { name, kind } = destination;
  const newest = (): number => audit.head().sequence;
  const reading = new AuditReading(audit.reader, newest);
  return new SiemForwarder({
    name,
    kind,
    source: {
      newest,
      read: (first, countMax) => reading.read(first, countMax),
      subscribe: (listener) => {
        audit.listeners.add(listener);
        return () => audit.listeners.delete(listener);
      },
    },
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
  });
}
