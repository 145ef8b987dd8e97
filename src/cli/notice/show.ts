import { CaxtonError } from '../../errors.ts';
import { isNoticeKind, noticeKinds } from '../../protocols/notice/notice.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { withNode } from '../connect.ts';
import { shortTime, writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { fields } from '../table.ts';
import { troubleOf } from './list.ts';

const help = 'caxton notice show --help';

/** One kind: what it says, as it is in force, or the document itself. */
export async function show(invocation: Invocation): Promise<ExitCode> {
  const { terminal, text, flag, json } = invocation;
  const kind = text('kind') ?? '';
  if (!isNoticeKind(kind)) throw new UsageError(`KIND is ${noticeKinds.join(' or ')}.`, help);
  if (flag('body') && flag('document')) throw new UsageError('--body and --document are two things.', help);
  const views = await withNode(invocation, ({ client }) => client.notices());
  const view = views.find((one) => one.kind === kind);
  if (!view) throw new CaxtonError('NOT_FOUND', `There is no notice about ${kind} in this cluster yet.`);
  if (flag('document')) {
    // It is printed as it is, and a node that lies must not steer the terminal with it.
    if (!/^[\w.-]+$/.test(view.document)) throw new CaxtonError('PROTOCOL_VIOLATION', 'The node sent no document.');
    terminal.out(`${view.document}\n`);
  } else if (flag('body') || json) writeJson(terminal, json && !flag('body') ? view : view.body);
  else {
    const { dim } = styleFor(terminal.outIsTerminal, terminal.env);
    terminal.out(
      fields(
        [
          ['kind', view.kind],
          ['generation', String(view.generation)],
          ['issued', `${shortTime(view.issuedAt)} UTC`],
          ['signed by', view.signer],
          ['sha256', view.hash],
          ['state', troubleOf(view) ?? 'in force'],
        ],
        dim,
      ),
    );
    writeJson(terminal, view.body);
  }
  return 0;
}
