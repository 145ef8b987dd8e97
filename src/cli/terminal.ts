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
  env: process.env,
  cwd: process.cwd(),
  outIsTerminal: process.stdout.isTTY === true,
  errIsTerminal: process.stderr.isTTY === true,
  columns: process.stdout.isTTY ? process.stdout.columns : undefined,
});
