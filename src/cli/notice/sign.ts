import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { isName } from '../../names.ts';
import { isNoticeKind, type Notice, noticeKinds } from '../../protocols/notice/notice.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { authorityKey, signedBy } from './authority-key.ts';
import { readBody } from './body-file.ts';

const help = 'caxton notice sign --help';

/** Makes a cluster document of a body, without a node: where the authority’s key is, there need not be a network. */
export async function sign(invocation: Invocation): Promise<ExitCode> {
  const { terminal, text } = invocation;
  const kind = text('kind')!;
  if (!isNoticeKind(kind)) throw new UsageError(`--kind is ${noticeKinds.join(' or ')}.`, help);
  const generation = Number(text('generation'));
  if (!Number.isSafeInteger(generation) || generation < 1)
    throw new UsageError('--generation is a whole number from 1: one more than that in force.', help);
  const clusterId = text('cluster-id')!;
  if (!isName(clusterId))
    throw new UsageError('--cluster-id is the id in cluster.id and in caxton server status.', help);
  const body = await readBody(terminal, text('body')!, kind);
  const notice = { v: 1, kind, generation, clusterId, issuedAt: nodeClock.now(), body } as unknown as Notice;
  const document = signedBy(await authorityKey(invocation), notice);
  const out = text('out');
  if (out === undefined) terminal.out(`${document}\n`);
  else {
    await writeFile(resolve(terminal.cwd, out), `${document}\n`, { mode: 0o644 });
    terminal.err(`${out}: generation ${generation} of the ${kind}; caxton notice publish ${out} puts it in force\n`);
  }
  return 0;
}
