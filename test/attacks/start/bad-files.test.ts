import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  certificateMistakes,
  clusterFileMistakes,
  configMistakes,
  issueFor,
  keyMistakes,
  type Mistake,
} from './mistakes.ts';
import { type Ended, endsWithinMs, judge, makeTemplate, place, removeTemplate, start, tree } from './start-lab.ts';

beforeAll(makeTemplate);
afterAll(removeTemplate);

/** What every refused start has in common: one paragraph for people, in time, and no trace of it on the disk. */
function expectRefusal({ code, signal, out, err, ms }: Ended): void {
  expect([code, signal, out], err).toEqual([1, null, '']);
  expect(err).toMatch(/^[A-Z_]+: \S/);
  expect(err).not.toMatch(/\n {4}at |node:internal|\n\n/);
  expect(err.trimEnd().split('\n').length).toBeLessThanOrEqual(10);
  expect(err).not.toContain('PRIVATE KEY-');
  expect(ms).toBeLessThan(endsWithinMs);
}

const check = async ({ make, says, asProcess }: Mistake): Promise<void> => {
  const broken = await place();
  await make(broken);
  const before = await tree(broken.cluster.root);
  const ended = await (asProcess ? start : judge)(broken);
  expectRefusal(ended);
  for (const words of says) expect(ended.err).toMatch(words);
  expect(await tree(broken.cluster.root)).toEqual(before);
};

describe.concurrent('a node does not start when its configuration', () => {
  it.each(configMistakes)('$what', check);
});

describe.concurrent('a node does not start when its key', () => {
  it.each(keyMistakes)('$what', check);
});

describe.concurrent('a node does not start with', () => {
  it.each([...certificateMistakes, ...clusterFileMistakes])('$what', check);
});

it('a renewal that was cut short between key and certificate is finished by the next start', async () => {
  const at = await place();
  const { certificate, key } = at.node;
  const old = await readFile(certificate, 'utf8');
  await issueFor(at, 'node', -1, 90);
  const [newCertificate, newKey] = [await readFile(certificate, 'utf8'), await readFile(key, 'utf8')];
  await writeFile(`${key}.next`, newKey + newCertificate, { mode: 0o600 });
  await writeFile(certificate, old);
  expect(await judge(at)).toMatchObject({ code: 0, err: '' });
  expect([await readFile(certificate, 'utf8'), await readFile(key, 'utf8')]).toEqual([newCertificate, newKey]);
  expect(existsSync(`${key}.next`)).toBe(false);
});
