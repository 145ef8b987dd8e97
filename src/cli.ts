import { type ExitCode, UsageError } from './cli/command.ts';
import { verbs } from './cli/commands.ts';
import { nounHelp, overview, verbHelp } from './cli/help.ts';
import { writeError } from './cli/output.ts';
import { printable } from './cli/printable.ts';
import { styleFor } from './cli/style.ts';
import { processTerminal, type Terminal } from './cli/terminal.ts';
import { findVerb, isNoun, readArguments } from './cli/usage.ts';
import { CaxtonError } from './errors.ts';

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
    const usage = usageOf(error);
    if (!usage) throw error;
    if (json) writeError(terminal, new CaxtonError('MALFORMED', [usage.message, `See ${usage.help}.`]), true);
    else terminal.err(`${printable(usage.message)}\nSee ${usage.help}\n`);
    return 2;
  }
}

async function run(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const style = styleFor(terminal.outIsTerminal, terminal.env);
  const print = (text: string): ExitCode => {
    terminal.out(text);
    return 0;
  };
  const [noun, verbName, ...rest] = argv;
  if (noun === undefined) return print(overview(verbs, style));
  if (helpWords.has(noun)) {
    const [, about, what] = argv;
    if (about === undefined) return print(overview(verbs, style));
    if (what === undefined && isNoun(verbs, about)) return print(nounHelp(verbs, about, style));
    return print(verbHelp(findVerb(verbs, about, what ?? ''), style));
  }
  if (noun === 'version' || noun === '--version' || noun === '-v')
    return print(`${await (await import('./version.ts')).version()}\n`);
  if (isNoun(verbs, noun) && (verbName === undefined || helpWords.has(verbName)))
    return print(nounHelp(verbs, noun, style));
  const verb = findVerb(verbs, noun, verbName ?? '');
  if ('runRaw' in verb)
    return rest.some((word) => word === '--help' || word === '-h') ? print(verbHelp(verb, style)) : verb.runRaw(rest);
  const invocation = readArguments(verb, rest, terminal);
  return invocation ? verb.run(invocation) : print(verbHelp(verb, style));
}

/** Known before the arguments are: a wrong command line, too, is answered in the form that it asks for. */
const asksForJson = (argv: readonly string[]): boolean =>
  argv.some((word, at) => word === '--output=json' || (word === '--output' && argv[at + 1] === 'json'));

/** Ours, or that of a verb which reads its own arguments with node:util. */
function usageOf(error: unknown): { readonly message: string; readonly help: string } | undefined {
  if (error instanceof UsageError) return error;
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code !== 'string' || !code.startsWith('ERR_PARSE_ARGS_')) return undefined;
  return { message: String(message), help: 'caxton --help' };
}
