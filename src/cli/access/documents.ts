import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { readBody } from '../notice/body-file.ts';
import { publishNext, tellPublished } from '../notice/next-document.ts';
import { writeJson } from '../output.ts';

type FileKind = 'policies' | 'roles';

/** Whether a file could be published: every problem with its line. */
export async function check(invocation: Invocation, kind: FileKind): Promise<ExitCode> {
  const { terminal, text, json } = invocation;
  const file = text('file')!;
  const body = await readBody(terminal, file, kind);
  const entries = 'byReceiver' in body ? body.byReceiver.size : body.roles.length + body.bindings.length;
  if (json) writeJson(terminal, { file, kind, entries });
  else terminal.out(`${file}: ${entries} entries, nothing wrong\n`);
  return 0;
}

/** Signs a file as the next document of its kind and puts it in force. */
export async function publish(invocation: Invocation, kind: FileKind): Promise<ExitCode> {
  const { terminal, text, json } = invocation;
  const file = text('file');
  if (file === undefined) throw new UsageError('Name the file.');
  const body = await readBody(terminal, file, kind);
  const published = (await publishNext(invocation, { kind, body: () => body, via: text('node') }))!;
  if (json) writeJson(terminal, { kind, ...published, seenAt: published.seenAt ?? null });
  else tellPublished(invocation, kind, published);
  return 0;
}
