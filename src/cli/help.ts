import type { RawVerb, Verb } from './command.ts';
import type { Style } from './style.ts';

type AnyVerb = Verb | RawVerb;

const columns = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
};

/** `caxton --help`. */
export function overview(verbs: readonly AnyVerb[], { strong }: Style): string {
  return `caxton runs and inspects a cluster of zero-trust agent nodes.

${strong('Usage')}
  caxton <noun> <verb> [options]

${strong('Commands')}
${columns([
  ...verbs.map((verb): [string, string] => [`${verb.noun} ${verb.verb}`, verb.summary]),
  ['version', 'print the version'],
  ['help', 'print this, or the help of a command'],
])}

${strong('Examples')}
  caxton dev start
  caxton cluster members
  caxton message send --to default/echo --content 'hello'
  caxton message send --help

Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
`;
}

/** `caxton <noun>`. */
export function nounHelp(verbs: readonly AnyVerb[], noun: string, { strong }: Style): string {
  const mine = verbs.filter((verb) => verb.noun === noun);
  return `${strong('Usage')}
  caxton ${noun} <verb> [options]

${strong('Verbs')}
${columns(mine.map((verb): [string, string] => [verb.verb, verb.summary]))}

${strong('Examples')}
${mine.map((verb) => `  ${verb.examples[0]}`).join('\n')}
`;
}

/** `caxton <noun> <verb> --help`. */
export function verbHelp(verb: AnyVerb, { strong }: Style): string {
  const shown = Object.entries(verb.options).map(([name, { value, about, required, short }]): [string, string] => [
    `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`,
    required ? `${about} (required)` : about,
  ]);
  const needed = Object.entries(verb.options)
    .filter(([, { required }]) => required)
    .map(([name, { value }]) => ` --${name} ${value}`);
  if (verb.argument) {
    shown.unshift([verb.argument.value, verb.argument.about]);
    needed.unshift(` ${verb.argument.value}`);
  }
  return `${verb.summary[0]!.toUpperCase()}${verb.summary.slice(1)}.
${verb.details ? `${verb.details}\n` : ''}
${strong('Usage')}
  caxton ${verb.noun} ${verb.verb}${needed.join('')} [options]

${strong('Options')}
${columns([...shown, ['-h, --help', 'print this']])}

${strong('Examples')}
${verb.examples.map((example) => `  ${example}`).join('\n')}
`;
}
