import type { NodeEvent } from '../../actors/operations/control.ts';
import { printable } from '../../protocols/printable.ts';

/** Turns a node’s events into lines for a terminal. Colours only when asked: the caller knows the terminal. */
export interface Narrator {
  line(text: string): void;
  event(event: NodeEvent): void;
}

const paints = { dim: 2, bold: 1, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const;
export type Paint = (colour: keyof typeof paints, text: string) => string;

export const paint =
  (colours: boolean): Paint =>
  (colour, text) =>
    colours ? `\u001b[${paints[colour]}m${text}\u001b[0m` : text;

export function createNarrator(write: (line: string) => void, colours: boolean, elapsedMs: () => number): Narrator {
  const p = paint(colours);
  const say = (who: string, text: string) => {
    const seconds = (elapsedMs() / 1000).toFixed(2).padStart(7);
    write(`${p('dim', `${seconds}s`)} ${p('cyan', who.padEnd(8))} ${text}`);
  };
  return {
    line: (text) => say('caxton', text),
    event: (event) => {
      const text = describe(madePrintable(event), p);
      if (text !== undefined) say(event.nodeId, text);
    },
  };
}

/** Much of an event is an agent’s or a peer’s own words; colours come after this. */
const madePrintable = (event: NodeEvent): NodeEvent =>
  JSON.parse(JSON.stringify(event), (_, value: unknown) =>
    typeof value === 'string' ? printable(value) : value,
  ) as NodeEvent;

/** An agent’s states that are worth a line; the others pass within milliseconds. */
const told: ReadonlySet<string> = new Set(['running', 'suspended', 'stopped', 'compromised']);

function describe(event: NodeEvent, p: Paint): string | undefined {
  switch (event.type) {
    case 'node.started': {
      const { spiffeId, certificate, addresses } = event.status;
      const until = certificate.notAfter.slice(0, 10);
      return `up as ${p('bold', spiffeId)}, certificate ${shorten(certificate.serial)} until ${until}, links on ${addresses.link}, API on ${addresses.api}`;
    }
    case 'node.stopping':
      return undefined;
    case 'node.stop-cut':
      return `${p('yellow', 'cut')} ${event.what} in “${event.phase}”: it had not ended`;
    case 'node.stopped':
      return 'stopped';
    case 'member.changed': {
      const { member } = event;
      if (member.self) return undefined;
      const colour =
        member.status === 'alive'
          ? 'green'
          : member.status === 'left' || member.status === 'revoked'
            ? 'dim'
            : 'yellow';
      return `sees ${member.nodeId} ${p(colour, member.status)} (boot ${member.bootEpoch})`;
    }
    case 'partition.changed':
      return `partition: ${p(event.partition === 'majority' ? 'green' : 'yellow', event.partition)}`;
    case 'link.ready': {
      const { link } = event;
      // Each link has two ends; the dialer alone can read the negotiated group, so it tells the story.
      if (link.side !== 'dialer') return undefined;
      return `linked to ${p('bold', link.spiffeId)} over ${link.tlsProtocol}, key exchange ${p('green', link.keyExchange)}`;
    }
    case 'link.closed':
      return `link to ${event.peer} closed: ${event.reason}`;
    case 'link.refused':
      return `${p('red', 'refused a link')} from ${event.remote}: ${event.refusal.reasons.join(' ')}`;
    case 'agent.changed':
      return event.agent.node === event.nodeId && told.has(event.agent.state)
        ? `agent ${p('bold', event.agent.agentId)} ${event.agent.state}`
        : undefined;
    case 'message.delivered': {
      const { from, nodeId, sender, receiver, performative, protocol, preview } = event;
      const way = from === nodeId ? '' : p('dim', ` (from ${from})`);
      const within = protocol ? p('dim', ` [${protocol}]`) : '';
      return `${sender} ${p('green', `—${performative}→`)} ${receiver}${way}${within} ${preview ?? ''}`;
    }
    case 'message.refused': {
      const head = `${p('red', 'refused')} ${event.sender} —${event.performative}→ ${event.receiver}: ${event.refusal.code}`;
      return [head, ...event.refusal.reasons.map((reason) => `           ${p('red', '·')} ${reason}`)].join('\n');
    }
    case 'notice.changed':
      return event.change === 'installed'
        ? `${event.kind} notice ${event.generation} is in force`
        : `${p('red', 'ALARM')}: ${event.kind} notice ${event.generation} ${event.change}`;
    case 'node.revoked':
      return `${p('red', 'REVOKED')}, says ${event.by}: ${event.reason}`;
    case 'node.suspended':
      return `${p('yellow', 'SUSPENDED')}, says ${event.by}: ${event.reason}`;
    case 'node.resumed':
      return 'suspended no more';
    case 'gossip-key.changed':
      return event.change === 'switched'
        ? `gossip is sealed with key ${event.epoch} (${event.hash.slice(0, 8)}…)`
        : undefined;
    case 'audit.head':
      return `audit head: record ${event.head.sequence}, sha256 ${event.head.hash.slice(0, 16)}…`;
    case 'audit.forked':
      return `AUDIT LOG OF ${event.log} DOES NOT CONTINUE record ${event.size} (${event.kind}): caxton audit verify`;
    case 'certificate.expiring':
      return `the certificate cannot be renewed and ends in ${Math.ceil(event.leftMs / 60_000)} min`;
    case 'capability.expiring': {
      const others = event.agents === 1 ? '' : ` and ${event.agents - 1} more`;
      return `the capability of ${event.agentId}${others} ends in ${Math.ceil(event.leftMs / 60_000)} min: ${event.reason}`;
    }
    case 'certificate.rotated':
      return `certificate rotated: serial ${shorten(event.serial)} until ${event.notAfter.slice(0, 10)}`;
    case 'actor.restarted':
      return `${p('yellow', 'restarted')} ${event.path}: ${event.reason}`;
  }
}

const shorten = (serial: string): string => (serial.length > 12 ? `${serial.slice(0, 12)}…` : serial);
