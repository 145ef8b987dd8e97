import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { type ApiLab, apiLab, ca, fakeControl } from '../../actors/operations/api/api-lab.ts';
import { type ProfileFolder, profileFolder } from '../../cli/cli-lab.ts';

/** The real process, for what a process does: its pipes, its signals, its end. */
const bin = join(import.meta.dirname, '..', '..', '..', 'bin', 'caxton.js');
const sendTo = ['message', 'send', '--to', 'default/echo', '--content'];

let lab: ApiLab;
let folder: ProfileFolder;
/** Called when the node is asked to send something. */
let onSend: (content: string) => Promise<void> = async () => {};

beforeAll(async () => {
  const usual = fakeControl();
  lab = await apiLab({
    over: {
      send: async (request, caller) => {
        await onSend(request.content);
        return usual.send(request, caller);
      },
      agents: () => Array(2_000).fill(usual.agents()[0]),
    },
  });
  folder = await profileFolder({
    nodes: [{ id: 'node-1', api: `https://127.0.0.1:${lab.address.port}` }],
    caPem: ca.certPem,
    apiKey: lab.key,
  });
});
afterAll(async () => {
  await lab.api.close();
  await folder.remove();
});

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

const caxton = (
  argv: readonly string[],
  stdin: 'ignore' | 'pipe' | number = 'ignore',
  stdout: 'pipe' | number = 'pipe',
) =>
  spawn(process.execPath, [bin, ...argv], {
    cwd: folder.root,
    env: { PATH: process.env.PATH, HOME: folder.root },
    stdio: [stdin, stdout, 'pipe'],
  });

function endOf(child: ChildProcess): Promise<Ended> {
  let [out, err] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  return new Promise((resolve) =>
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      expect(err).not.toMatch(/\n {4}at |node:internal/);
      resolve({ code, signal, out, err });
    }),
  );
}

describe.concurrent('content', () => {
  it('comes from standard input, whole', async () => {
    const child = caxton([...sendTo, '-'], 'pipe');
    child.stdin?.write('first, ');
    child.stdin?.end('ünd last\n');
    expect(await endOf(child)).toEqual({ code: 0, signal: null, out: 'first, ünd last\n', err: '' });
  });

  it('from a standard input that never ends is refused at the limit', async () => {
    const child = caxton([...sendTo, '-'], 'pipe');
    child.stdin?.on('error', () => {});
    const chunk = Buffer.alloc(65_536, 'y');
    const feed = (): void => {
      while (child.stdin?.writable && child.stdin.write(chunk)) {
        // Until the pipe is full.
      }
      child.stdin?.once('drain', feed);
    };
    feed();
    const { code, out, err } = await endOf(child);
    expect([code, out, err]).toEqual([1, '', expect.stringContaining(`larger than ${limits.contentBytesMax} bytes`)]);
  });

  it.each([
    ['a device that never ends', '@/dev/zero', 'LIMIT_EXCEEDED: '],
    ['a missing file', '@gone', 'FILE_UNREADABLE: gone cannot be read: there is no such file or folder.'],
    ['a folder', '@.caxton', 'FILE_UNREADABLE: .caxton cannot be read: it is a folder.'],
    ['a file below a file', '@.caxton/profile.json/x', 'FILE_UNREADABLE: '],
    ['no file at all', '@', 'FILE_UNREADABLE: '],
  ])('from %s is refused', async (_, content, words) => {
    const { code, out, err } = await endOf(caxton([...sendTo, content]));
    expect([code, out, err.slice(0, words.length)]).toEqual([1, '', words]);
  });

  it('from a standard input that is a folder, or bytes, is refused', async () => {
    const handle = await open(folder.root, 'r');
    const { code, err } = await endOf(caxton([...sendTo, '-'], handle.fd));
    await handle.close();
    expect([code, err]).toEqual([1, expect.stringContaining('Standard input cannot be read: it is a folder.')]);
    const child = caxton([...sendTo, '-'], 'pipe');
    child.stdin?.end(Buffer.from([0xff, 0xfe, 0x00]));
    expect((await endOf(child)).err).toMatch(/^MALFORMED: Standard input is not UTF-8 text\./);
  });
});

describe.concurrent('output', () => {
  it('into a pipe that closes ends quietly', async () => {
    for (const output of [[], ['--output', 'json']]) {
      const child = caxton(['agent', 'list', ...output]);
      child.stdout?.once('data', () => child.stdout?.destroy());
      expect(await endOf(child)).toMatchObject({ code: 0, signal: null, err: '' });
    }
  });

  it.skipIf(!existsSync('/dev/full'))('onto a full disk fails with a word', async () => {
    const full = await open('/dev/full', 'w');
    const { code, err } = await endOf(caxton(['--help'], 'ignore', full.fd));
    await full.close();
    expect([code, err]).toEqual([1, 'caxton: the output cannot be written: ENOSPC\n']);
  });

  it('has no colours where there is no terminal', async () => {
    for (const argv of [[], ['agent', 'list'], ['agent', 'lst'], ['agent', 'list', '--profile', 'gone']]) {
      const { out, err } = await endOf(caxton(argv));
      expect(`${out}${err}`).not.toContain('\u001b');
    }
  });
});

describe('Ctrl-C', () => {
  it('while a node is asked ends the command at once and as a signal does, without a word', async () => {
    let release = () => {};
    const asked = new Promise<void>((resolve) => {
      onSend = () => {
        resolve();
        return new Promise<void>((go) => {
          release = go;
        });
      };
    });
    const child = caxton([...sendTo, 'hello', '--timeout', '1m']);
    const ended = endOf(child);
    await asked;
    child.kill('SIGINT');
    expect(await ended).toEqual({ code: null, signal: 'SIGINT', out: '', err: '' });
    release();
    onSend = async () => {};
  });
});

describe.concurrent('a folder for the development cluster that cannot be one', () => {
  it.each([
    ['is a file', 'file', /^FILE_UNREADABLE: /],
    ['is below a file', 'file/below', /^FILE_UNREADABLE: /],
    ['has no name', '', /^--dir needs a value: DIR\./],
  ])('%s', async (_, dir, words) => {
    const root = join(folder.root, 'development', dir.replace('/', '-') || 'none');
    await mkdir(root, { recursive: true });
    await writeFile(join(root, 'file'), '');
    const { code, out, err } = await endOf(caxton(['dev', 'start', '--dir', dir && join(root, dir)]));
    expect([code === 0, out]).toEqual([false, '']);
    expect(err).toMatch(words);
  });
});
