import { X509Certificate } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { nodeClock } from '../../src/actors/kernel/node-clock.ts';
import { readNodeFiles } from '../../src/actors/node-files.ts';
import { lockFolder } from '../../src/actors/operations/audit/folder-lock.ts';
import { nodeDisk } from '../../src/actors/operations/node-disk.ts';
import { loadProfile } from '../../src/cli/profile.ts';
import { loadConfig } from '../../src/config.ts';
import { unwrap } from '../../src/errors.ts';
import { run } from './cli-lab.ts';

const addresses = '--bind 10.0.0.1:7701 --api-bind 10.0.0.1:7801';

function lab() {
  const cwd = mkdtempSync(join(tmpdir(), 'caxton-init-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  const at = (name: string) => join(cwd, name);
  return {
    at,
    cwd,
    caxton: (line: string) => run(line.split(' '), { cwd }),
    init: (more = '') => run(`init --dir made --node-id node-1 ${addresses}${more}`.split(' '), { cwd }),
    text: (name: string) => readFileSync(at(name), 'utf8'),
  };
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

describe('caxton init', () => {
  it('makes a folder that a node starts from: strict, a CA node, with keys for its owner alone', async () => {
    const { init, at, cwd, text } = lab();
    const { code, out, err } = await init(' --trust-domain example.org --dns node-1.example.org');
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(`caxton server start --config ${at('made/node.yaml')}`);
    expect(out).toContain('offline');
    const file = at('made/node.yaml');
    const config = unwrap(loadConfig(text('made/node.yaml'), { file }));
    expect(config).toMatchObject({ development: false, warnings: [] });
    const files = await readNodeFiles(config, nodeDisk, nodeClock.now());
    expect(files.authority).toBeDefined();
    expect(files.identity.svid.spiffeId).toBe('spiffe://example.org/node/node-1');
    const san = new X509Certificate(text('made/node.crt')).subjectAltName;
    expect(san).toContain('10.0.0.1');
    expect(san).toContain('node-1.example.org');
    for (const path of filesIn(at('made')))
      expect([path, statSync(path).mode & 0o777]).toEqual([path, /\.key$|yaml$/.test(path) ? 0o600 : 0o644]);
    for (const folder of ['made', 'made/offline', 'made/ca', 'made/data'])
      expect(statSync(at(folder)).mode & 0o777).toBe(0o700);
    const profile = await loadProfile({ flag: at('made/profile.json'), env: {}, cwd });
    expect(profile).toMatchObject({
      clusterId: config.cluster.id,
      nodes: [{ id: 'node-1', api: 'https://10.0.0.1:7801' }],
    });
    expect(out).not.toContain('PRIVATE');
  });

  it('makes another cluster each time, and never in a folder that holds files', async () => {
    const { init, text, at } = lab();
    await init();
    const before = text('made/node.yaml');
    const again = await init();
    expect([again.code, again.err.includes('left as it is')]).toEqual([1, true]);
    expect(text('made/node.yaml')).toBe(before);
    const forced = await init(' --force');
    expect(forced.code).toBe(0);
    const idOf = (yaml: string) => /id: "([0-9a-f]{32})"/.exec(yaml)?.[1];
    expect(idOf(text('made/node.yaml'))).not.toBe(idOf(before));
    // Nothing is lost.
    const [aside] = readdirSync(at('.')).filter((name) => name.startsWith('made.old-'));
    expect(text(`${aside}/node.yaml`)).toBe(before);
  });

  it('does not move the folder of a node that runs', async () => {
    const { init, text, at } = lab();
    await init();
    const before = text('made/node.yaml');
    mkdirSync(at('made/audit'));
    const unlock = lockFolder(at('made/audit'));
    const refused = await init(' --force');
    unlock();
    expect([refused.code, refused.err.includes('is this node running already?')]).toEqual([1, true]);
    expect(text('made/node.yaml')).toBe(before);
    expect(readdirSync(at('.'))).toEqual(['made']);
    expect((await init(' --force')).code).toBe(0);
  });

  it('leaves nothing behind when it fails', async () => {
    const { init, at } = lab();
    expect((await init(' --validity 1s')).code).toBe(2);
    expect((await init(' --ip 10.0.0.300')).code).toBe(1);
    expect(readdirSync(at('.'))).toEqual([]);
    symlinkSync(at('nowhere'), at('made'));
    expect((await init()).code).toBe(1);
    rmSync(at('made'));
    writeFileSync(at('made'), 'a file');
    expect((await init(' --force')).code).toBe(1);
    expect(existsSync(at('made'))).toBe(true);
  });

  it('takes a CA that is there, whose key stays where it is', async () => {
    const { caxton, init, text, at } = lab();
    await caxton('security init-ca --ca-cert root.crt --ca-key root.key --trust-domain example.org');
    await caxton('security init-ca --parent-cert root.crt --parent-key root.key --ca-cert ca.crt --ca-key ca.key');
    expect((await init(' --ca-cert ca.crt --ca-key ca.key')).code).toBe(0);
    expect(text('made/ca.crt')).toBe(text('root.crt'));
    expect(existsSync(at('made/offline/root.key'))).toBe(false);
    const config = unwrap(loadConfig(text('made/node.yaml'), { file: at('made/node.yaml') }));
    expect(config.node.ca).toMatchObject({ keyPath: at('ca.key'), certificatePath: at('ca.crt') });
    expect(filesIn(at('made')).map((path) => readFileSync(path, 'utf8'))).not.toContain(text('ca.key'));
  });

  it.each([
    [' --trust-domain other.org', 'example.org'],
    ['', 'passphrase-file'],
  ])('refuses a CA that does not fit%s', async (more, word) => {
    const { caxton, at } = lab();
    writeFileSync(at('phrase'), 'long enough a phrase', { mode: 0o600 });
    const encrypt = more === '' ? ' --passphrase-file phrase' : '';
    await caxton(`security init-ca --ca-cert root.crt --ca-key root.key --trust-domain example.org${encrypt}`);
    const env = { CAXTON_CA_PASSPHRASE: 'long enough a phrase' };
    const line = `init --dir made --node-id node-1 ${addresses} --ca-cert root.crt --ca-key root.key${more}`;
    const refused = await run(line.split(' '), { cwd: at('.'), env: more === '' ? env : {} });
    expect([refused.code, refused.err.includes(word)]).toEqual([2, true]);
    expect(existsSync(at('made'))).toBe(false);
  });

  it.each([
    ['a port of the system’s choice', '--bind 10.0.0.1:0 --api-bind 10.0.0.1:7801', '--bind'],
    ['an address that nobody can dial', '--bind 0.0.0.0:7701 --api-bind 10.0.0.1:7801', '--advertise'],
    ['no address', '--bind here --api-bind 10.0.0.1:7801', '--bind'],
    ['a size that is none', `${addresses} --expected-size 0`, '--expected-size'],
  ])('refuses %s', async (_, words, about) => {
    const { caxton } = lab();
    const refused = await caxton(`init --dir made --node-id node-1 ${words}`);
    expect([refused.code, refused.err.includes(about)]).toEqual([2, true]);
  });

  it('is helped as the command that it stands for', async () => {
    const { caxton } = lab();
    expect(await caxton('init --help')).toEqual(await caxton('cluster init --help'));
    expect(await caxton('help init')).toEqual(await caxton('help cluster init'));
  });
});

describe('a node without a cluster', () => {
  it('is not made one by a start: its configuration must name one that is there', async () => {
    const { init, text, at } = lab();
    await init();
    const nameless = text('made/node.yaml').replace(/^ {2}id: "[0-9a-f]{32}"\n/m, '');
    const result = loadConfig(nameless, { file: at('made/node.yaml') });
    expect(!result.ok && result.refusal.reasons.join()).toContain('cluster.id');
  });
});
