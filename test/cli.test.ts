import { describe, expect, it } from 'vitest';
import { verbs } from '../src/cli/commands.ts';
import { run } from './cli/cli-lab.ts';

describe('the command line’s help', () => {
  it.each([[], ['--help'], ['-h'], ['help']])('lists every command', async (...argv) => {
    const { code, out, err } = await run(argv);
    expect([code, err]).toEqual([0, '']);
    for (const { noun, verb, summary } of verbs) expect(out).toMatch(new RegExp(`${noun} ${verb} +${summary}`));
    expect(out).toContain('Examples');
  });

  it.each([...new Set(verbs.map(({ noun }) => noun))])(
    'of %s lists its verbs, with and without --help',
    async (noun) => {
      const bare = await run([noun]);
      expect(bare.code).toBe(0);
      for (const { verb } of verbs.filter((known) => known.noun === noun)) expect(bare.out).toContain(`  ${verb} `);
      expect(await run([noun, '--help'])).toEqual(bare);
      expect(await run(['help', noun])).toEqual(bare);
    },
  );

  it.each(verbs.map(({ noun, verb }) => [noun, verb]))(
    'of %s %s names every option and shows examples',
    async (noun, verb) => {
      const { code, out } = await run([noun, verb, '--help']);
      const known = verbs.find((candidate) => candidate.noun === noun && candidate.verb === verb)!;
      expect(code).toBe(0);
      for (const option of Object.keys(known.options)) expect(out).toContain(`--${option}`);
      for (const example of known.examples) expect(out).toContain(example);
      expect(await run(['help', noun, verb])).toEqual({ code, out, err: '' });
      expect(await run([noun, verb, '-h'])).toEqual({ code, out, err: '' });
    },
  );

  it('has every verb that asks a node take --output, --node and --profile', () => {
    // A cluster is made where there is none, a vault’s ring changed where it lies, a notice or a token signed where the key is, a file checked anywhere.
    const alone = ['init', 'start', 'join', 'export', 'sign', 'check'];
    const asking = verbs.filter(
      ({ noun, verb }) => !alone.includes(verb) && noun !== 'security' && noun !== 'capability',
    );
    for (const { noun, verb, options } of asking)
      expect([noun, verb, Object.keys(options)]).toEqual([
        noun,
        verb,
        expect.arrayContaining(['output', 'node', 'profile']),
      ]);
  });

  it('fits 120 columns', async () => {
    for (const { noun, verb } of verbs)
      for (const line of (await run([noun, verb, '--help'])).out.split('\n'))
        expect(line.length).toBeLessThanOrEqual(120);
  });
});

describe('a wrong command line', () => {
  const wrong: [argv: string[], word: string][] = [
    [['mesage', 'send'], 'caxton message'],
    [['members'], 'Did you mean “caxton cluster members”?'],
    [['start'], 'Did you mean “caxton server start” or “caxton dev start”?'],
    [['sned'], 'Did you mean “caxton message send”?'],
    [['config'], 'There is no command “config”. Known: message, cluster,'],
    [['--node', 'node-1', 'cluster', 'members'], '“--node” stands before the command'],
    [['--', 'cluster', 'members'], '“--” stands before the command'],
    [['cluster', '--node', 'node-1', 'members'], '“--node” stands before the command'],
    [['version', 'now'], '“now” is not expected here'],
    [['help', 'dev', 'start', 'now'], '“now” is not expected here'],
    [['help', 'start'], 'Did you mean “caxton server start” or “caxton dev start”?'],
    [['agents', 'list'], 'caxton agent'],
    [['verison'], 'caxton version'],
    [['message', 'snd'], 'caxton message send'],
    [['cluster', 'member'], 'caxton cluster members'],
    [['audit', 'xyzzy'], 'Known: tail, verify'],
    [['help', 'mesage'], 'caxton message'],
    [['cluster', 'members', '--ouput', 'json'], 'Did you mean --output?'],
    [['cluster', 'members', '-o', 'json'], 'There is no option -o'],
    [['cluster', 'members', '--constructor'], 'There is no option --constructor'],
    [['cluster', 'members', '--output', 'xml'], '--output is json or table'],
    [['cluster', 'members', '--output'], '--output needs a value'],
    [['cluster', 'members', '--profile', ''], '--profile needs a value: FILE.'],
    [['cluster', 'members', '--node='], '--node needs a value: ID.'],
    [['audit', 'prove', '1', '--out', ''], '--out needs a value: FILE.'],
    [['audit', 'prove', ''], 'SEQ is missing.'],
    [['dev', 'start', '--dir', ''], '--dir needs a value: DIR.'],
    [['cluster', 'members', 'node-1'], '“node-1” is not expected here'],
    [['cluster', 'members', '--node', 'a', '--node', 'b'], '--node is given twice'],
    [['message', 'send', '--content', 'x'], '--to is missing'],
    [['message', 'send', '--to', 'default/echo'], '--content is missing'],
    [['message', 'send', '--to', 'echo', '--content', 'x'], '--to is an agent such as default/echo'],
    [['message', 'send', '--to', 'a/b', '--content', 'x', '--performative', 'reqest'], 'Did you mean request?'],
    [['message', 'send', '--to', 'a/b', '--content', 'x', '--timeout', '5'], '--timeout is a time such as'],
    [['message', 'send', '--to', 'a/b', '--content', 'x', '--timeout', '2h'], 'at most 1h'],
    [['audit', 'tail', '--limit', '0'], '--limit is a whole number'],
    [['audit', 'tail', '--limit', '1e2'], '--limit is a whole number'],
    [['server', 'start', '--join', '10.0.0.1'], '--join takes link addresses'],
    [['server', 'start', '--join', '10.0.0.1:1,10.0.0.2:99999'], '--join takes link addresses'],
    [['dev', 'start', '--onse'], '--onse'],
  ];
  it.each(wrong)('%j exits with 2 and says what is wrong', async (argv, word) => {
    const { code, out, err } = await run(argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(word);
    expect(err).toMatch(/\nSee caxton .*--help\n$/);
    expect(err).not.toMatch(/\n {4}at /);
  });

  it('names the help of the command that it was for', async () => {
    for (const wrong of [
      ['--timeout', '5'],
      ['--performative', 'reqest'],
      ['--to', 'x'],
    ]) {
      const { err } = await run(['message', 'send', '--to', 'a/b', '--content', 'x', ...wrong]);
      expect(err).toMatch(/\nSee caxton message send --help\n$/);
    }
  });

  it('is answered as problem+json when JSON is asked for', async () => {
    for (const output of [['--output', 'json'], ['--output=json']]) {
      const { code, out, err } = await run(['cluster', 'members', 'x', ...output]);
      expect([code, out]).toEqual([2, '']);
      expect(JSON.parse(err)).toMatchObject({ type: 'urn:caxton:error:MALFORMED', code: 'MALFORMED' });
    }
  });

  it('cannot move the cursor', async () => {
    const { err } = await run(['\u001b[2Jx', 'y']);
    expect(err).not.toContain('\u001b');
  });
});

describe('caxton version', () => {
  it.each(['version', '--version', '-v'])('%s prints the version alone', async (word) => {
    const { code, out } = await run([word]);
    expect(code).toBe(0);
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('colours', () => {
  it('come only on a terminal and never with NO_COLOR', async () => {
    expect((await run([], { outIsTerminal: true })).out).toContain('\u001b[1m');
    expect((await run([], { outIsTerminal: true, env: { NO_COLOR: '1' } })).out).not.toContain('\u001b');
    expect((await run([], { outIsTerminal: true, env: { TERM: 'dumb' } })).out).not.toContain('\u001b');
    expect((await run([])).out).not.toContain('\u001b');
  });
});
