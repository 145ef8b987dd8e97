import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { loadProfile } from '../../src/cli/profile.ts';
import { limits } from '../../src/limits.ts';
import { ca } from '../actors/operations/api/api-lab.ts';
import { type ProfileFolder, profileFolder } from './cli-lab.ts';

const folders: ProfileFolder[] = [];
const made = async (): Promise<ProfileFolder> => {
  const folder = await profileFolder({
    nodes: [{ id: 'node-1', api: 'https://127.0.0.1:7801' }],
    caPem: ca.certPem,
    apiKey: 'cxk_key',
  });
  folders.push(folder);
  return folder;
};
afterEach(() => Promise.all(folders.splice(0).map((folder) => folder.remove())));

const load = (cwd: string, env = {}) => loadProfile({ flag: undefined, env, cwd });

describe('the profile', () => {
  it('brings the nodes, the CA and the key', async () => {
    const { root, profile } = await made();
    expect(await load(root)).toEqual({
      path: profile,
      clusterId: 'c0ffee',
      caPem: ca.certPem,
      apiKey: 'cxk_key',
      nodes: [{ id: 'node-1', api: 'https://127.0.0.1:7801' }],
    });
  });

  it('is the nearest one, unless another is named', async () => {
    const [near, other] = [await made(), await made()];
    expect((await load(near.root, { CAXTON_PROFILE: other.profile })).path).toBe(other.profile);
    expect((await loadProfile({ flag: near.profile, env: { CAXTON_PROFILE: other.profile }, cwd: '/' })).path).toBe(
      near.profile,
    );
    expect((await load(near.root, { CAXTON_PROFILE: '' })).path).toBe(near.profile);
  });

  it('is missed with a word on how to get one', async () => {
    await expect(load('/')).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining('caxton dev start'),
    });
  });

  it.each([
    ['profile.json', 0o666, 'can be written by others'],
    ['ca/ca.crt', 0o664, 'can be written by others'],
    ['keys/api.key', 0o620, 'can be written by others'],
    ['keys/api.key', 0o604, 'others can read'],
  ])('is not believed when %s has mode %o', async (file, mode, word) => {
    const { root } = await made();
    await chmod(join(root, '.caxton', file), mode);
    await expect(load(root)).rejects.toMatchObject({ code: 'FILE_UNREADABLE', message: expect.stringContaining(word) });
  });

  it('needs the files that it names, in a sensible size', async () => {
    const { root } = await made();
    const key = join(root, '.caxton', 'keys', 'api.key');
    await writeFile(key, 'k'.repeat(limits.profileBytesMax + 1));
    await expect(load(root)).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining('larger'),
    });
    await rm(key);
    await expect(load(root)).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining('ENOENT'),
    });
  });

  it.each([
    ['ca/ca.crt', 'nothing', 'holds no PEM certificate'],
    ['keys/api.key', '', 'is not one line with an API key'],
    ['keys/api.key', 'cxk_a\nX-Header: b', 'is not one line with an API key'],
    ['keys/api.key', 'cxk_ä', 'is not one line with an API key'],
  ])('needs %s to hold more than %j', async (file, content, words) => {
    const { root } = await made();
    const path = join(root, '.caxton', file);
    await writeFile(path, content);
    await expect(load(root)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(words) });
    await expect(load(root)).rejects.toThrow(path);
  });

  const good = {
    version: 1,
    clusterId: 'c',
    ca: 'ca/ca.crt',
    apiKeyFile: 'keys/api.key',
    nodes: [{ id: 'n', api: 'https://h:1' }],
  };
  it.each([
    ['{', 'not JSON'],
    ['[]', 'not a JSON object'],
    [{ ...good, version: 2 }, '“version” is not 1'],
    [{ ...good, clusterId: 7 }, '“clusterId”'],
    [{ ...good, ca: '' }, '“ca”'],
    [{ ...good, apiKeyFile: undefined }, '“apiKeyFile”'],
    [{ ...good, nodes: [] }, '“nodes”'],
    [{ ...good, nodes: [{ id: '../n', api: 'https://h:1' }] }, 'nodes[0]'],
    [{ ...good, nodes: [{ id: 'n' }] }, 'nodes[0]'],
    [{ ...good, nodes: [{ id: 'n', api: 'http://h:1' }] }, 'nodes[0]'],
    [{ ...good, nodes: [{ id: 'n', api: 'https://h:1/path' }] }, 'nodes[0]'],
    [{ ...good, nodes: [{ id: 'n', api: 'https://user@h:1' }] }, 'nodes[0]'],
    [{ ...good, nodes: [{ id: 'n', api: 'h:1' }] }, 'nodes[0]'],
  ])('is refused as %j', async (content, word) => {
    const { root, profile } = await made();
    await writeFile(profile, typeof content === 'string' ? content : JSON.stringify(content));
    await expect(load(root)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(word) });
  });
});
