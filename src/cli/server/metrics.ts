import type { MetricSample } from '../../actors/kernel/ports.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { table } from '../table.ts';

export async function metrics(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const samples = await withNode(invocation, ({ client }) => client.metrics());
  if (json) {
    writeJson(terminal, { items: samples });
    return 0;
  }
  const { dim } = styleFor(terminal.outIsTerminal, terminal.env);
  const labelsOf = ({ labels }: MetricSample) =>
    Object.entries(labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ');
  const columns = [
    { title: 'NAME', cell: (row: MetricSample) => row.name },
    { title: 'VALUE', cell: (row: MetricSample) => String(row.value) },
    { title: 'LABELS', cell: labelsOf },
  ];
  terminal.out(table(columns, samples, { width: terminal.columns, head: dim }));
  return 0;
}
