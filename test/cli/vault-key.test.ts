import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { beginSegment } from '../../src/actors/operations/audit/audit-segment.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { vaultRingFromText } from '../../src/crypto/vault.ts';
import { initialiseCluster } from '../../src/development/initialise.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import { unwrap } from '../../src/errors.ts';
import type { NodeId } from '../../src/names.ts';
import { emptyRange } from '../../src/protocols/audit/merkle.ts';
import { run } from './cli-lab.ts';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'caxton-vault-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

const segment = {
  nodeId: 'node-1',
  origin: 'test/node/node-1/audit',
  created: '2026-01-31T12:00:00.000Z',
  range: emptyRange,
  form: 'open',
} as const;
const security = (cwd: string, ...argv: string[]) => run(['security', ...argv], { cwd });
const ringIn = (path: string) => unwrap(vaultRingFromText(readFileSync(path, 'utf8')));

describe('caxton security', () => {
  it('makes a ring once, rotates it, and drops what is old', async () => {
    const cwd = folder();
    const path = join(cwd, 'vault.key');
    expect((await security(cwd, 'create-vault-key', '--file', 'vault.key')).code).toBe(0);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const first = ringIn(path);
    const again = await security(cwd, 'create-vault-key', '--file', path);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('ALREADY_EXISTS')]);
    expect(ringIn(path).currentId).toBe(first.currentId);

    const rotated = await security(cwd, 'rotate-vault-key', '--file', path, '--output', 'json');
    const { current, keys } = JSON.parse(rotated.out);
    expect(keys).toEqual([first.currentId, current]);
    expect(ringIn(path).ids).toEqual(keys);
    const drop = (...argv: string[]) => security(cwd, 'drop-vault-key', '--file', path, ...argv);
    // Whose log may need the key must be said, and be there.
    const blind = await drop('--key', first.currentId);
    expect([blind.code, blind.err]).toEqual([2, expect.stringContaining('--log is missing')]);
    const astray = await drop('--key', first.currentId, '--log', 'adit');
    expect([astray.code, astray.err]).toEqual([1, expect.stringContaining(join(cwd, 'adit'))]);
    const log = join(cwd, 'audit');
    mkdirSync(log);
    const { header } = beginSegment(segment, first, osCrypto);
    writeFileSync(join(log, 'audit-000000000001.seg'), header);
    const used = await drop('--key', first.currentId, '--log', log);
    expect([used.code, used.err]).toEqual([1, expect.stringContaining('is still sealed under the key')]);
    expect(ringIn(path).ids).toEqual(keys);
    rmSync(join(log, 'audit-000000000001.seg'));
    expect((await drop('--key', current, '--log', log)).code).toBe(1);
    expect((await drop('--key', first.currentId, '--log', log)).code).toBe(0);
    expect(ringIn(path).ids).toEqual([current]);
    expect(rotated.out).not.toContain(JSON.parse(readFileSync(path, 'utf8')).keys[0].key);
  });

  it('finds the ring by the node’s configuration', async () => {
    const root = join(folder(), 'cluster');
    const node = 'node-1' as NodeId;
    const ports = [{ link: 7_701, api: 7_801 }];
    await initialiseCluster({ root, now: 1_750_000_000_000, nodes: [node], ports, policy: 'policies: []\n' });
    const { config, vaultKey } = clusterLayout(root).node(node);
    const before = ringIn(vaultKey);
    expect((await security(root, 'rotate-vault-key', '--config', config)).code).toBe(0);
    expect(ringIn(vaultKey).ids).toEqual([before.currentId, ringIn(vaultKey).currentId]);
    writeFileSync(config, readFileSync(config, 'utf8').replace('key_path: vault.key', 'key_env: VAULT_RING'));
    const elsewhere = await security(root, 'rotate-vault-key', '--config', config);
    expect([elsewhere.code, elsewhere.err]).toEqual([1, expect.stringContaining('VAULT_RING')]);
  });

  it('lets nobody change a ring while another does, or one that others can read', async () => {
    const cwd = folder();
    const path = join(cwd, 'vault.key');
    await security(cwd, 'create-vault-key', '--file', path);
    const results = await Promise.all([1, 2, 3, 4].map(() => security(cwd, 'rotate-vault-key', '--file', path)));
    // Whoever was told that it rotated finds its key in the ring.
    const done = results.filter(({ code }) => code === 0).length;
    expect(ringIn(path).ids).toHaveLength(1 + done);
    writeFileSync(`${path}.lock`, '');
    expect((await security(cwd, 'rotate-vault-key', '--file', path)).err).toContain('.lock');
  });
});
