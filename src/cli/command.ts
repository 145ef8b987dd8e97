import type { Terminal } from './terminal.ts';

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  /** What stands for the value in help texts, such as `FILE`. */
  readonly value?: string;
  readonly about: string;
  /** One letter that means the same: `-f`. */
  readonly short?: string;
  readonly multiple?: boolean;
  readonly required?: boolean;
  /** Whether a value without a character means something; elsewhere it is a variable of a script that was never set. */
  readonly mayBeEmpty?: boolean;
}

export type Options = Readonly<Record<string, OptionSpec>>;

/** One call of a verb, its options read and checked against the verb’s list. */
export interface Invocation {
  /** The last value given for an option that takes one. */
  text(option: string): string | undefined;
  /** Whether an option without a value is given. */
  flag(option: string): boolean;
  /** All values of an option that may be given several times; commas separate values too. */
  list(option: string): readonly string[];
  readonly terminal: Terminal;
  readonly json: boolean;
}

/** 0 done, 1 refused or failed, 2 usage. */
export type ExitCode = number;

export interface Verb {
  readonly noun: string;
  readonly verb: string;
  /** One line. */
  readonly summary: string;
  /** More, for the verb’s own help. */
  readonly details?: string;
  readonly options: Options;
  /** One word without a name; `text` gives it under `name`. */
  readonly argument?: { readonly name: string; readonly value: string; readonly about: string };
  readonly examples: readonly string[];
  /** Loads the code that only this verb needs, then runs it. */
  run(invocation: Invocation): Promise<ExitCode>;
}

/** A verb that reads its own arguments. */
export interface RawVerb
  extends Pick<Verb, 'noun' | 'verb' | 'summary' | 'details' | 'options' | 'argument' | 'examples'> {
  runRaw(argv: readonly string[]): Promise<ExitCode>;
}

/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** What to read, such as `caxton message send --help`; what a verb leaves open is its own help. */
  help: string | undefined;

  constructor(message: string, help?: string) {
    super(message);
    this.help = help;
  }
}
