import { resolve } from 'node:path';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { CaxtonError } from '../../errors.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { fields } from '../table.ts';
import { readPem } from './held-ca.ts';
import { pemBlocks } from './pem-blocks.ts';
import { blockOfDer, type Facts, factsOf } from './pem-facts.ts';

/** Prints what stands in a file of certificates, keys, requests or revocation lists. Judges nothing. */
export async function inspect(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const file = invocation.text('file')!;
  const text = await readPem(resolve(terminal.cwd, file));
  const blocks = pemBlocks(text);
  const found = blocks.length > 0 || !text.startsWith('0') ? blocks : [blockOfDer(Buffer.from(text, 'latin1'))];
  if (found.length === 0)
    throw new CaxtonError('MALFORMED', `${file} holds no certificate, key, request or revocation list.`);
  const now = nodeClock.now();
  const items = found.map((block) => factsOf(block, now));
  if (json) writeJson(terminal, { file, items });
  else {
    const { dim } = styleFor(terminal.outIsTerminal, terminal.env);
    terminal.out(items.map((facts) => fields(rowsOf(facts), dim)).join('\n'));
  }
  return items.every(({ kind }) => kind === 'unreadable') ? 1 : 0;
}

const rowsOf = (facts: Facts): (readonly [string, string])[] =>
  Object.entries(facts).flatMap(([name, value]): (readonly [string, string])[] => {
    const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    if (typeof value === 'boolean') return [[words, value ? 'yes' : 'no']];
    if (typeof value !== 'object') return [[words, String(value)]];
    const [first = 'none', ...more] = value;
    return [[words, first], ...more.map((one): readonly [string, string] => ['', one])];
  });
