/** One key of a commented YAML example. */
export interface YamlKey {
  /** From the root, with dots; keys of the entries of a list as if the list were not there. */
  readonly path: string;
  /** From 1. */
  readonly line: number;
  /** What stands behind the colon. */
  readonly value: string;
  /** The lines of comment right above it, joined by a space. */
  readonly comment: string;
  /** It is itself in a comment: an alternative to what is set, or something that most leave out. */
  readonly dormant: boolean;
}

const keyLine = /^( *)(# )?((?:- )?)([a-z_0-9]+):(?: (.*))?$/;

/**
 * The keys of an example in block style. A line of comment is taken for a dormant key when its word is one of `words`,
 * because prose too has words with a colon behind them.
 */
export function yamlKeys(text: string, words: readonly string[]): YamlKey[] {
  const keys: YamlKey[] = [];
  const above: { indent: number; key: string }[] = [];
  let comment: string[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    const found = keyLine.exec(line);
    const dormant = found?.[2] !== undefined;
    if (!found || (dormant && !words.includes(found[4]!))) {
      const said = /^ *# ?(.*)$/.exec(line)?.[1];
      comment = said === undefined ? [] : [...comment, said];
      continue;
    }
    const indent = found[1]!.length + found[3]!.length;
    while (above.length > 0 && above.at(-1)!.indent >= indent) above.pop();
    above.push({ indent, key: found[4]! });
    const path = above.map(({ key }) => key).join('.');
    keys.push({ path, line: at + 1, value: found[5] ?? '', comment: comment.join(' '), dormant });
    comment = [];
  }
  return keys;
}

/** The text with dormant keys awake. */
export function awakened(text: string, keys: readonly YamlKey[]): string {
  const lines = text.split('\n');
  for (const { line, dormant } of keys) if (dormant) lines[line - 1] = lines[line - 1]!.replace('# ', '');
  return lines.join('\n');
}
