import type { AgentAddress } from '../../actors/agents/behaviour.ts';
import { nearest } from '../../config/nearest.ts';
import { isAgentId } from '../../names.ts';
import { isPerformative, type Performative, performatives } from '../../protocols/acl/performative.ts';
import { printable, printableLines } from '../../protocols/printable.ts';
import { readServiceAddress } from '../../protocols/registry/service-address.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { withNode } from '../connect.ts';
import { readContent } from '../content.ts';
import { readDuration } from '../duration.ts';
import { writeJson } from '../output.ts';
import { styleFor } from '../style.ts';

/** Answers that mean “no”: a script has to see them in the exit code. */
const refusing: ReadonlySet<Performative> = new Set(['refuse', 'failure', 'not-understood']);

const isReceiver = (to: string): to is AgentAddress => isAgentId(to) || readServiceAddress(to).ok;

export async function send(invocation: Invocation): Promise<ExitCode> {
  const { text, terminal, json } = invocation;
  const to = text('to') ?? '';
  if (!isReceiver(to))
    throw new UsageError(`--to is an agent such as default/echo, or a service as service:default/echo, not “${to}”.`);
  const performative = text('performative') ?? 'request';
  if (!isPerformative(performative)) {
    const near = nearest(performative, performatives);
    const hint = near ? `Did you mean ${near}?` : `There are ${performatives.join(', ')}.`;
    throw new UsageError(`“${performative}” is no FIPA-ACL act. ${hint}`);
  }
  const timeoutMs = readDuration(text('timeout') ?? '5s', 'timeout');
  const content = await readContent(text('content') ?? '', terminal);
  const language = text('language');
  const protocol = text('protocol');
  const outcome = await withNode(invocation, ({ client }) =>
    client.send({
      to,
      performative,
      content,
      ...(language === undefined ? {} : { language }),
      ...(protocol === undefined ? {} : { protocol }),
      timeoutMs,
    }),
  );
  const { reply } = outcome;
  if (json) writeJson(terminal, outcome);
  else if (!reply) terminal.out(`sent as ${printable(outcome.messageId)}\n`);
  else if (terminal.outIsTerminal) {
    const { dim } = styleFor(true, terminal.env);
    terminal.out(
      `${dim(printable(`${reply.sender} answers ${reply.performative}`))}\n${printableLines(reply.content)}\n`,
    );
    // A pipe or a file gets the bytes as the agent wrote them.
  } else terminal.out(reply.content.endsWith('\n') ? reply.content : `${reply.content}\n`);
  return reply && refusing.has(reply.performative) ? 1 : 0;
}
