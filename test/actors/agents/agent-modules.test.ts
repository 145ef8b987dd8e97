import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadAgentModule } from '../../../src/actors/agents/agent-modules.ts';
import type { AgentContext, ReceivedMessage } from '../../../src/actors/agents/behaviour.ts';
import { nodeDisk } from '../../../src/actors/operations/node-disk.ts';
import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import type { Manifest } from '../../../src/protocols/deployment/manifest.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { refusalOf } from '../../crypto/fixtures.ts';
import { manifest } from '../../protocols/deployment/fixtures.ts';

const files: Readonly<Record<string, string>> = {
  'counter.mjs': 'let n = 0;\nexport const handler = (message) => { message.seen.push(++n); };\n',
  'empty.mjs': 'export const other = 1;\n',
  'throws.mjs': 'throw new Error("bad start");\n',
  'trap.mjs':
    'throw new Proxy({}, { get() { throw new Error("a trap"); }, getPrototypeOf() { throw new Error("a trap"); } });\n',
  'waits.mjs': 'await new Promise(() => {});\nexport const handler = () => {};\n',
  'syntax.mjs': 'export const handler = (;\n',
};

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'caxton-modules-'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  await mkdir(join(folder, 'a-folder'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const digestOf = (name: string) =>
  `sha256:${createHash('sha256')
    .update(files[name] ?? '')
    .digest('hex')}`;

const of = (module: string, over: Partial<Manifest> = {}): Manifest => ({
  ...manifest,
  code: { module, digest: digestOf(module) },
  ...over,
});

const clock = new ManualClock();
const ports = { disk: nodeDisk, clock };
const load = (deployed: Manifest, from: string | undefined = folder) => loadAgentModule(ports, from, deployed);

/** What the module’s handler counts to when it is called once. */
async function count(deployed: Manifest): Promise<number> {
  const behaviour = unwrap(await load(deployed));
  if (behaviour.kind !== 'handler') throw new Error('not a handler');
  const seen: number[] = [];
  await behaviour.handler({ seen } as unknown as ReceivedMessage, {} as AgentContext);
  return seen[0]!;
}

describe('an agent’s module', () => {
  it('runs when its bytes are those that the deployer signed', async () => {
    expect(await load(of('counter.mjs'))).toMatchObject({ ok: true, value: { kind: 'handler' } });
  });

  it.each([
    [
      'differs from the signed digest',
      of('counter.mjs', { code: { module: 'counter.mjs', digest: digestOf('x') } }),
      'signed for',
    ],
    ['is not there', of('missing.mjs'), 'has no module'],
    ['is a folder', of('a-folder'), 'cannot be read: EISDIR'],
    ['exports no handler', of('empty.mjs'), 'no function named “handler”'],
    ['exports no chart', of('empty.mjs', { kind: 'chart' }), 'no XState machine'],
    ['throws while it loads', of('throws.mjs'), 'bad start'],
    ['throws what cannot be looked at', of('trap.mjs'), 'cannot be shown'],
    ['is no JavaScript', of('syntax.mjs'), 'cannot be loaded'],
    ['is brought by the host', of('', { code: 'embedded' }), 'names no module'],
  ])('is refused when it %s', async (_, deployed, reason) => {
    const { code, text } = refusalOf(await load(deployed));
    expect([code, text]).toEqual(['DEPLOYMENT_REFUSED', expect.stringContaining(reason)]);
  });

  it('is refused when what it awaits never comes: it would keep its node from starting', async () => {
    const loading = load(of('waits.mjs'));
    await vi.waitFor(() => expect(clock.pending).toBe(1));
    await clock.advance(limits.agentLoadMsMax);
    expect(refusalOf(await loading)).toMatchObject({ code: 'DEPLOYMENT_REFUSED' });
  });

  it('is refused on a node without an agents folder, and for kinds that have no sandbox yet', async () => {
    expect(refusalOf(await loadAgentModule(ports, undefined, of('counter.mjs'))).text).toContain('agents folder');
    expect(refusalOf(await load(of('counter.mjs', { kind: 'wasm' }))).code).toBe('NOT_SUPPORTED');
  });

  it('has a state of its own for each agent, and begins anew with each generation', async () => {
    const twin = 'default/twin' as AgentId;
    expect(await count(of('counter.mjs'))).toBe(1);
    expect(await count(of('counter.mjs', { agentId: twin }))).toBe(1);
    expect(await count(of('counter.mjs', { generation: 99 }))).toBe(1);
  });

  it('is not needed by a console', async () => {
    expect(await loadAgentModule(ports, undefined, { ...manifest, kind: 'console', code: null })).toMatchObject({
      value: { kind: 'console' },
    });
  });
});
