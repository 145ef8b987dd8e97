import { type ExitCode, UsageError } from './cli/command.ts';
import { verbs } from './cli/commands.ts';
import { nounHelp, overview, verbHelp } from './cli/help.ts';
import { writeError } from './cli/output.ts';
import { styleFor } from './cli/style.ts';
import { processTerminal, type Terminal } from './cli/terminal.ts';
import { expectNoMore, findVerb, isNoun, readArguments } from './cli/usage.ts';
import { systemFault } from './config/system-fault.ts';
import { CaxtonError } from './errors.ts';
import { printable } from './protocols/printable.ts';

const helpWords = new Set(['--help', '-h', 'help']);

/**
 * The command line: `caxton <noun> <verb> [options]`.
 *
 * @param argv what follows the program’s name.
 * @returns the exit code: 0 done, 1 refused or failed, 2 wrong usage. A bug is a throw.
 */
export async function main(argv: readonly string[], terminal: Terminal = processTerminal()): Promise<ExitCode> {
  try {
    return await run(argv, terminal);
  } catch (error) {
    const json = asksForJson(argv);
    if (error instanceof CaxtonError) {
      writeError(terminal, error, json);
      return 1;
    }
    const fault = fileFault(error);
    if (fault) {
      writeError(terminal, fault, json);
      return 1;
    }
    if (!(error instanceof UsageError)) throw error;
    const { message, help = 'caxton --help' } = error;
    if (json) writeError(terminal, new CaxtonError('MALFORMED', [message, `See ${help}.`]), true);
    else terminal.err(`${printable(message)}\nSee ${help}\n`);
    return 2;
  }
}

async function run(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const style = styleFor(terminal.outIsTerminal, terminal.env);
  const print = (text: string): ExitCode => {
    terminal.out(text);
    return 0;
  };
  const [noun, verbName, ...rest] = spelledOut(argv);
  if (noun === undefined) return print(overview(verbs, style));
  if (helpWords.has(noun)) {
    const [about, what, ...more] = spelledOut(argv.slice(1));
    expectNoMore(more);
    if (about === undefined) return print(overview(verbs, style));
    if (what === undefined && isNoun(verbs, about)) return print(nounHelp(verbs, about, style));
    return print(verbHelp(findVerb(verbs, about, what ?? ''), style));
  }
  if (noun === 'version' || noun === '--version' || noun === '-v') {
    expectNoMore(argv.slice(1));
    return print(`${await (await import('./version.ts')).version()}\n`);
  }
  if (isNoun(verbs, noun) && (verbName === undefined || helpWords.has(verbName)))
    return print(nounHelp(verbs, noun, style));
  const verb = findVerb(verbs, noun, verbName ?? '');
  try {
    // A verb that reads its own arguments is given none that its list does not have.
    const invocation = readArguments(verb, rest, terminal);
    if (!invocation) return print(verbHelp(verb, style));
    return await ('runRaw' in verb ? verb.runRaw(rest) : verb.run(invocation));
  } catch (error) {
    if (error instanceof UsageError) error.help ??= `caxton ${verb.noun} ${verb.verb} --help`;
    throw error;
  }
}

/** What stands for a noun and its verb in one word. */
const shortForms: Readonly<Record<string, readonly string[]>> = { init: ['cluster', 'init'] };

const spelledOut = ([first, ...rest]: readonly string[]): readonly string[] =>
  first === undefined ? [] : [...((Object.hasOwn(shortForms, first) && shortForms[first]) || [first]), ...rest];

/** A file that the system refused is nobody’s bug: what it is and where, without a stack. */
function fileFault(error: unknown): CaxtonError | undefined {
  const { code, syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  // Writing to a file that is open already names no path.
  const what = typeof path === 'string' ? path : syscall === 'write' ? 'A file' : undefined;
  if (typeof code !== 'string' || typeof syscall !== 'string' || what === undefined) return undefined;
  const cause = { cause: error };
  return new CaxtonError('FILE_UNREADABLE', `${what} cannot be used: ${systemFault(error)} (${syscall}).`, cause);
}

/** Known before the arguments are: a wrong command line, too, is answered in the form that it asks for. */
const asksForJson = (argv: readonly string[]): boolean =>
  argv.some((word, at) => word === '--output=json' || (word === '--output' && argv[at + 1] === 'json'));
