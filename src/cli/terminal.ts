import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import { CaxtonError } from '../errors.ts';

/** What a command sees of the process: replaced as a whole in tests. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** As `out`, and resolves when there is room for more: for what may be long. */
  write(text: string): Promise<void>;
  /** Standard input to its end. Throws FILE_UNREADABLE when it is a folder. */
  stdin(): AsyncIterable<Uint8Array>;
  /** Asks for a secret without echo; undefined when there is no terminal to ask at. */
  readonly askSecret?: ((question: string) => Promise<string>) | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  /** Columns of the terminal that `out` goes to; undefined when it goes to a file or a pipe. */
  readonly columns: number | undefined;
}

export const processTerminal = (): Terminal => ({
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  write: async (text) => {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  },
  stdin: () => {
    // Node takes a folder for an empty input: an empty message would go out.
    if (fstatSync(0).isDirectory())
      throw new CaxtonError('FILE_UNREADABLE', 'Standard input cannot be read: it is a folder.');
    return process.stdin;
  },
  askSecret: process.stdin.isTTY && process.stderr.isTTY ? askWithoutEcho : undefined,
  env: process.env,
  cwd: process.cwd(),
  outIsTerminal: process.stdout.isTTY === true,
  errIsTerminal: process.stderr.isTTY === true,
  columns: process.stdout.isTTY ? process.stdout.columns : undefined,
});

/** Reads one line from the terminal in raw mode, so that nothing of it is shown. Throws CANCELLED at Ctrl-C and Ctrl-D. */
async function askWithoutEcho(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  try {
    let answer = '';
    for await (const chunk of stdin.iterator({ destroyOnReturn: false }))
      for (const [at, character] of [...String(chunk)].entries()) {
        if (character === '\r' || character === '\n') {
          // What was typed ahead belongs to the next question.
          const rest = [...String(chunk)].slice(at + 1).join('');
          if (rest !== '') stdin.unshift(rest, 'utf8');
          return answer;
        }
        if (character === '\u0003' || character === '\u0004')
          throw new CaxtonError('CANCELLED', 'No passphrase was given.');
        answer = character === '\u007f' || character === '\b' ? answer.slice(0, -1) : answer + character;
      }
    return answer;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}
