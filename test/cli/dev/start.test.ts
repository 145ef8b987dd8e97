import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const program = join(import.meta.dirname, '..', '..', '..', 'bin', 'caxton.js');

let folder: string;
let dir: string;
const start = async (): Promise<{ code: number; stdout: string; stderr: string }> => {
  try {
    return { code: 0, ...(await run(process.execPath, [program, 'dev', 'start', '--once', '--dir', dir])) };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'caxton-main-job-'));
  dir = join(folder, 'cluster');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a launcher', () => {
  it('leaves a folder to the launcher that its lock names, and says what to do when that is something else', async () => {
    await writeFile(`${dir}.lock`, String(process.pid));
    const { code, stderr } = await start();
    await rm(`${dir}.lock`);
    expect([code, existsSync(dir)]).toEqual([1, false]);
    expect(stderr).toMatch(/^ALREADY_EXISTS: A launcher \(process \d+\) already runs/);
    expect(stderr).toContain(`remove ${dir}.lock`);
  });
});

describe('the main job, once', () => {
  let first: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    first = await start();
  });

  it('ends with 0 after a contract net across nodes, an echo and a refusal', () => {
    expect(first, first.stdout + first.stderr).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toContain('result: 999985999949 = 999983 × 1000003');
    expect(first.stdout).toContain('default/echo answered “hello” across nodes');
    expect(first.stdout).toMatch(/refused default\/intruder —cfp→ default\/worker-a: UNAUTHORIZED/);
    expect(first.stdout).toContain('does not grant “cfp agent:default/worker-a”');
  });

  it('shows who the nodes are and that the key exchange is the post-quantum hybrid', () => {
    for (const id of ['node-1', 'node-2', 'node-3'])
      expect(first.stdout).toContain(`spiffe://dev.caxton.internal/node/${id}`);
    expect(first.stdout).toContain('key exchange X25519MLKEM768');
    expect(first.stdout.match(/chain verified/g)).toHaveLength(3);
  });

  it('makes keys that only their owner can read, and leaves no lock', () => {
    for (const key of [
      'ca/ca.key',
      'keys/gossip.key',
      'keys/deployer.key',
      'keys/authority.key',
      'keys/api.key',
      'nodes/node-1/node.key',
    ])
      expect(statSync(join(dir, key)).mode & 0o777, key).toBe(0o600);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(existsSync(`${dir}.lock`)).toBe(false);
  });

  it('keeps what it made at the next start, and the nodes bring their agents back', async () => {
    const ca = await readFile(join(dir, 'ca', 'ca.crt'), 'utf8');
    const second = await start();
    expect(second, second.stdout + second.stderr).toMatchObject({ code: 0, stderr: '' });
    expect(await readFile(join(dir, 'ca', 'ca.crt'), 'utf8')).toBe(ca);
    expect(second.stdout).toContain('(boot 2)');
    expect(second.stdout).not.toContain('made a development cluster');
  });
});
