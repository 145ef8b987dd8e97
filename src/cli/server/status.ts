import type { SiemView } from '../../actors/operations/control.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { shortTime, writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { fields } from '../table.ts';

export async function status(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const view = await withNode(invocation, ({ client }) => client.status());
  if (json) {
    writeJson(terminal, view);
    return 0;
  }
  const { dim } = styleFor(terminal.outIsTerminal, terminal.env);
  const { certificate, addresses, audit } = view;
  terminal.out(
    fields(
      [
        ['node', view.nodeId],
        ['state', `${view.state}, partition ${view.partition}`],
        ['identity', view.spiffeId],
        ['cluster', view.clusterId],
        ['version', view.version],
        ['process', `${view.pid}, since ${shortTime(view.startedAt)} UTC, boot ${view.bootEpoch}`],
        ['addresses', `links ${addresses.link}, gossip ${addresses.gossip}, API ${addresses.api}`],
        ['certificate', `${certificate.serial} until ${shortTime(certificate.notAfter)} UTC`],
        ['gossip key', `version ${view.gossipKeyVersion}`],
        ['agents', String(view.agents)],
        ['links', String(view.links)],
        ...(view.lockedOut === undefined ? [] : [['LOCKED OUT', view.lockedOut] as const]),
        ...(view.revoked ? [['REVOKED', `says ${view.revoked.by}: ${view.revoked.reason}`] as const] : []),
        ...(view.suspended ? [['SUSPENDED', `says ${view.suspended.by}: ${view.suspended.reason}`] as const] : []),
        ['audit', `${audit.state}, record ${audit.sequence}, sha256 ${audit.hash}`],
        ...view.siem.map((one) => [`siem ${one.name}`, siemText(one)] as const),
      ],
      dim,
    ),
  );
  return 0;
}

function siemText({ kind, confirmedSequence, backlogRecords, failure }: SiemView): string {
  const place = `${kind}, has record ${confirmedSequence}, ${backlogRecords} to go`;
  return failure === undefined ? place : `${place}, failing: ${failure}`;
}
