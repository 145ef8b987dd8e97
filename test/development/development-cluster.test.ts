import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNode } from '../../src/actors/node.ts';
import { developmentCluster } from '../../src/development/development-cluster.ts';
import { initialiseCluster } from '../../src/development/initialise.ts';
import { CaxtonError } from '../../src/errors.ts';
import type { NodeId } from '../../src/names.ts';

let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'caxton-development-'));
});
afterAll(() => rm(home, { recursive: true }));

describe('a development cluster for a program', () => {
  it('is made once and read afterwards', async () => {
    const folder = join(home, 'once');
    const made = await developmentCluster({ folder });
    const again = await developmentCluster({ folder });
    expect(again.config().cluster.id).toBe(made.config().cluster.id);
    expect(again.deployer.equals(made.deployer)).toBe(true);
    expect(made.nodes).toEqual(['node-1']);
    expect(made.config()).toMatchObject({ development: true, cluster: { expectedSize: 1, join: [] } });
  });

  it('takes a folder that is empty, and one that a symbolic link leads to', async () => {
    const real = join(home, 'elsewhere', 'deep');
    await mkdir(real, { recursive: true });
    await symlink(real, join(home, 'link'));
    const cluster = await developmentCluster({ folder: join(home, 'link') });
    expect(cluster.folder).toBe(await realpath(real));
    expect(await readdir(home)).not.toContainEqual(expect.stringContaining('.new-'));
  });

  it.each([
    ['holds other files', async (at: string) => mkdir(at).then(() => writeFile(join(at, 'mine'), '')), 'holds files'],
    ['is a file', (at: string) => writeFile(at, ''), 'is not a folder'],
    ['is a link to nowhere', (at: string) => symlink('nowhere', at), 'leads nowhere'],
    ['lies below a file', async (at: string) => writeFile(dirname(at), ''), 'a part of its path is no folder'],
  ])('is refused where the folder %s, which stays as it was', async (what, make, words) => {
    const place = join(home, what.replaceAll(' ', '-'));
    if (what !== 'lies below a file') await mkdir(place);
    const folder = join(place, 'cluster');
    await make(folder);
    const listed = () => readdir(place).catch(() => 'a file');
    const before = await listed();
    await expect(developmentCluster({ folder })).rejects.toMatchObject({
      name: 'CaxtonError',
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining(words),
    });
    expect(await listed()).toEqual(before);
  });

  it('whose certificates have ended says how to get others', async () => {
    const folder = join(home, 'old');
    const now = Date.now() - 100 * 86_400_000;
    const old = { root: folder, nodes: ['node-1' as NodeId], ports: [{ link: 0, api: 0 }], policy: 'policies: []\n' };
    await initialiseCluster({ ...old, now });
    await expect(developmentCluster({ folder })).rejects.toMatchObject({
      code: 'CERTIFICATE_REFUSED',
      message: expect.stringMatching(/^The development cluster in .*old is over: .*Remove the folder/s),
    });
  });

  it('keeps its keys from others', async () => {
    const { folder } = await developmentCluster({ folder: join(home, 'modes') });
    for (const key of ['ca/ca.key', 'keys/deployer.key', 'keys/gossip.key', 'nodes/node-1/node.key'])
      expect((await stat(join(folder, key))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  it('replaces a port that somebody holds, and writes it back', async () => {
    const folder = join(home, 'ports');
    const { port } = (await developmentCluster({ folder })).config().cluster.bind;
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve));
    const cluster = await developmentCluster({ folder });
    expect(cluster.config().cluster.bind.port).not.toBe(port);
    const written = await readFile(join(folder, 'nodes/node-1/node.yaml'), 'utf8');
    expect(written).toContain(`127.0.0.1:${cluster.config().cluster.bind.port}`);
    await new Promise<unknown>((resolve) => squatter.close(resolve));
  });

  it('joins the nodes of one program', async () => {
    const cluster = await developmentCluster({ folder: join(home, 'two'), nodes: ['left', 'right'] });
    const [left, right] = await Promise.all(
      cluster.nodes.map((id) => createNode(cluster.config(id), { deployer: cluster.deployer })),
    );
    const policy = { allowedSenders: ['*'], permittedOperations: [{ performatives: '*' as const }] };
    await left!.deploy(
      'default/echo',
      (message, agent) => void agent.reply(message, { performative: 'inform', content: 'far' }),
      { policy },
    );
    const { agent } = await right!.deploy('default/asker', () => {}, { actions: ['request agent:*'] });
    const end = performance.now() + 8_000;
    let answer = await agent.ask({ to: 'default/echo', performative: 'request', content: 1 });
    while (!answer.ok && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      answer = await agent.ask({ to: 'default/echo', performative: 'request', content: 1 });
    }
    expect(answer).toMatchObject({ ok: true, value: { content: 'far' } });
    await Promise.all([left!.stop(), right!.stop()]);
  });

  it.each([[[]], [['Node 1']], [['a', 'a']]])('does not take %j for its nodes', async (nodes) => {
    const folder = join(home, 'wrong');
    await expect(developmentCluster({ folder, nodes })).rejects.toThrow(CaxtonError);
    expect(await readdir(home)).not.toContain('wrong');
  });

  it('says so when the folder holds a cluster of other nodes', async () => {
    const folder = join(home, 'once');
    await expect(developmentCluster({ folder, nodes: ['other'] })).rejects.toThrow('was made without other');
    const cluster = await developmentCluster({ folder });
    expect(() => cluster.config('other')).toThrow('This cluster has no other');
  });
});
