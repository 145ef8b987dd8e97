import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { openFault } from '../../config/key-file.ts';
import { CaxtonError } from '../../errors.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';

/** Gives a signed document to a node, which puts it in force and spreads it. */
export async function publish(invocation: Invocation): Promise<ExitCode> {
  const { terminal, text, json } = invocation;
  const path = resolve(terminal.cwd, text('file')!);
  const document = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new CaxtonError('FILE_UNREADABLE', openFault(path, error));
  });
  const { view, node } = await withNode(invocation, async ({ client, node: { id } }) => ({
    view: await client.publishNotice(document.trim()),
    node: id,
  }));
  if (json) writeJson(terminal, view);
  else
    terminal.out(`generation ${view.generation} of the ${view.kind} is in force at ${node}, which tells the others\n`);
  return 0;
}
