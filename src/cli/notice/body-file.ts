import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { openFault } from '../../config/key-file.ts';
import { faultTexts, readYaml } from '../../config/problems.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { invalidAt } from '../../protocols/authorization/policy.ts';
import { readShape } from '../../protocols/json/shape.ts';
import { parseJson } from '../../protocols/json/text.ts';
import { type NoticeBodies, type NoticeKind, noticeBodies } from '../../protocols/notice/notice.ts';
import type { Terminal } from '../terminal.ts';

/**
 * What a document of a kind is to say, from a file: YAML when its name ends so, otherwise JSON. Read with the eyes of a node:
 * CONFIG_INVALID names the line of each problem (of JSON its place), FILE_UNREADABLE, LIMIT_EXCEEDED, MALFORMED.
 */
export async function readBody<K extends NoticeKind>(
  { cwd }: Terminal,
  file: string,
  kind: K,
): Promise<NoticeBodies[K]> {
  const path = resolve(cwd, file);
  const content = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new CaxtonError('FILE_UNREADABLE', openFault(path, error));
  });
  if (content.length > limits.noticeBytesMax)
    throw new CaxtonError('LIMIT_EXCEEDED', `${file} is over ${limits.noticeBytesMax} characters.`);
  if (!/\.ya?ml$/i.test(path)) {
    const body = unwrap(parseJson(content, { charsMax: limits.noticeBytesMax, depthMax: limits.documentDepthMax }));
    return unwrap(readShape(noticeBodies[kind], body, invalidAt(file)));
  }
  const yaml = readYaml(content);
  if (yaml.faults.length > 0) throw new CaxtonError('CONFIG_INVALID', faultTexts(yaml, file));
  return unwrap(readShape(noticeBodies[kind], yaml.value, invalidAt(file, yaml.lineOf)));
}
