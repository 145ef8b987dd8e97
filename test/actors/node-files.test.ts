import { describe, expect, it } from 'vitest';
import { readPolicies } from '../../src/actors/node-files.ts';
import { limits } from '../../src/limits.ts';

const policies = (text: string) => readPolicies('/etc/caxton/policy.yaml', async () => text);
const good = `policies:
  - receiver: default/echo
    allowed_senders: [default/*]
    permitted_operations:
      - performatives: [request]
`;

describe('the file of policies', () => {
  it('is read, and without a path there is none', async () => {
    expect([...(await policies(good))!.byReceiver.keys()]).toEqual(['default/echo']);
    expect(await readPolicies(undefined, () => Promise.reject(new Error('read')))).toBeUndefined();
  });

  it.each<[string, string, number, RegExp]>([
    ['a misspelt key', good.replace('allowed_senders', 'allowed_sender'), 3, /allowed_sender/],
    ['a wrong performative', good.replace('[request]', '[reqest]'), 5, /FIPA performative/],
    ['a wrong pattern', good.replace('[default/*]', '[Default/*]'), 3, /allowed_senders/],
    ['a missing key', good.replace('    allowed_senders: [default/*]\n', ''), 2, /allowed_senders/],
    ['an alias', `${good}    denied_senders: *x\n`, 6, /alias/i],
    ['no YAML', `${good}  - [\n`, 7, /./],
  ])('is refused for %s with file and line', async (_, text, line, expected) => {
    const error = await policies(text).then(
      () => undefined,
      (reason: unknown) => reason as { code: string; reasons: readonly string[] },
    );
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    const lines = error!.reasons.map((reason) => /^\/etc\/caxton\/policy\.yaml:(\d+): /.exec(reason)?.[1]);
    expect(lines).toContain(String(line));
    expect(error!.reasons.join('\n')).toMatch(expected);
  });

  it.each([
    ['two policies for one receiver', good + good.slice('policies:\n'.length)],
    ['nothing', ''],
    ['a list', '- a\n'],
    ['too much', `# ${'x'.repeat(limits.configBytesMax)}\n${good}`],
    ['too deep', '['.repeat(20_000)],
  ])('is refused for %s with its name', async (_, text) => {
    await expect(policies(text)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('/etc/caxton/policy.yaml'),
    });
  });
});
