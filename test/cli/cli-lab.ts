import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Terminal } from '../../src/cli/terminal.ts';
import { main } from '../../src/cli.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line in this process with a terminal of its own. */
export async function run(argv: readonly string[], over: Partial<Terminal> & { input?: string } = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const { input, ...terminal } = over;
  const code = await main(argv, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    write: async (text) => {
      out += text;
    },
    async *stdin() {
      yield Buffer.from(input ?? '');
    },
    env: {},
    cwd: tmpdir(),
    outIsTerminal: false,
    errIsTerminal: false,
    columns: undefined,
    ...terminal,
  });
  return { code, out, err };
}

export interface ProfileFolder {
  readonly root: string;
  readonly profile: string;
  remove(): Promise<void>;
}

/** A folder with `.caxton/profile.json` and what it names. */
export async function profileFolder(options: {
  readonly nodes: readonly { readonly id: string; readonly api: string }[];
  readonly caPem: string;
  readonly apiKey: string;
}): Promise<ProfileFolder> {
  const root = await mkdtemp(join(tmpdir(), 'caxton-cli-'));
  const folder = join(root, '.caxton');
  await mkdir(join(folder, 'ca'), { recursive: true });
  await mkdir(join(folder, 'keys'));
  const write = async (file: string, text: string, mode: number) => {
    await writeFile(join(folder, file), text);
    await chmod(join(folder, file), mode);
  };
  await write('ca/ca.crt', options.caPem, 0o644);
  await write('keys/api.key', `${options.apiKey}\n`, 0o600);
  const profile = {
    version: 1,
    clusterId: 'c0ffee',
    ca: 'ca/ca.crt',
    apiKeyFile: 'keys/api.key',
    nodes: options.nodes,
  };
  await write('profile.json', JSON.stringify(profile), 0o644);
  return { root, profile: join(folder, 'profile.json'), remove: () => rm(root, { recursive: true, force: true }) };
}
