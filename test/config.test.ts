import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { nodeYaml } from '../src/cli/dev/templates.ts';
import { findConfig, loadConfig, type NodeConfig } from '../src/config.ts';
import type { ErrorCode } from '../src/errors.ts';
import { limits } from '../src/limits.ts';
import type { NodeId, TrustDomain } from '../src/names.ts';
import { parsePolicy } from '../src/protocols/authorization/policy.ts';

const example = readFileSync('config/node.yaml', 'utf8');
const file = '/etc/caxton/node.yaml';

const dev = nodeYaml({
  id: 'node-1' as NodeId,
  clusterId: 'c1',
  trustDomain: 'dev.caxton.internal' as TrustDomain,
  expectedSize: 3,
  linkPort: 7701,
  apiPort: 7801,
  join: ['127.0.0.1:7702'],
  modulesPath: 'agents',
});

const loaded = (text: string): NodeConfig => {
  const result = loadConfig(text, { file });
  if (!result.ok) throw new Error(result.refusal.reasons.join('\n'));
  return result.value;
};

const refusal = (text: string): { code: ErrorCode; text: string } => {
  const result = loadConfig(text, { file });
  if (result.ok) throw new Error('it was accepted');
  return { code: result.refusal.code, text: result.refusal.reasons.join('\n') };
};

/** The text with one piece replaced, which must be there, and the line of the piece. */
const edited = (text: string, from: string | RegExp, to: string): { text: string; line: number } => {
  const at = typeof from === 'string' ? text.indexOf(from) : text.search(from);
  expect(at, `${from} is in the text`).toBeGreaterThanOrEqual(0);
  return { text: text.replace(from, to), line: text.slice(0, at).split('\n').length };
};

describe('the example of node.yaml', () => {
  it('loads as it is, without a protection off', () => {
    const config = loaded(example);
    expect(config.node.id).toBe('node-1');
    expect(config.node.certificatePath).toBe('/etc/caxton/certs/node.crt');
    expect(config.node.rotation).toMatchObject({ checkIntervalMs: 86_400_000, renewalThresholdMs: 30 * 86_400_000 });
    expect(config.security.audit).toEqual({ logPath: '/var/log/caxton/audit', retentionDays: 90 });
    expect(config.security.api.defaultLimit).toEqual({ count: 1_000, periodMs: 60_000, burst: 1_000 });
    expect(config.warnings.filter((warning) => /off|less than/.test(warning))).toEqual([]);
  });

  it('says every default as it is', () => {
    // Leaves out every key that is not marked as required, and must give the same configuration.
    const optional =
      /^(development|show_message_previews):|^\s+(enabled|verify_peer|encryption|check_interval|renewal_threshold|key_rotation_interval|min_version|methods|default_limit|require_signed_deployment|capability_enforcement|sandbox_enforcement|rate_limit|retention_days|forward_to_siem|profile|level|ca_cert|node_cert|node_key):/;
    const short = example
      .split('\n')
      .filter((line) => !optional.test(line))
      .filter((line) => !/^\s*(rotation|log|mtls|rate_limiting):$/.test(line))
      .join('\n');
    expect(short.length).toBeLessThan(example.length);
    expect(loaded(short)).toEqual(loaded(example));
  });

  it('is frozen through and through', () => {
    const config = loaded(example);
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(frozen(config)).toBe(true);
  });

  it('and the one of policy.yaml is read by the rules', () => {
    const result = parsePolicy(parse(readFileSync('config/policy.yaml', 'utf8')), 'config/policy.yaml');
    expect(result.ok ? [...result.value.byReceiver.keys()] : result.refusal.reasons).toEqual([
      'default/planner',
      'default/*',
    ]);
  });

  it('and the one that a development cluster gets load', () => {
    expect(loaded(dev)).toMatchObject({ development: true, cluster: { profile: 'local' } });
  });
});

describe('what is wrong is named with file, line, key and what was expected', () => {
  const cases: [string, string | RegExp, string, RegExp][] = [
    ['a misspelt key', 'verify_peer: true', 'verifypeer: true', /security\.cluster\.mtls\.verifypeer: .*verify_peer/],
    ['a misspelt block', /^security:/m, 'securty:', /securty: .*security/],
    ['a key of another block', '  profile: lan', '  level: info', /cluster\.level: there is no such key/],
    [
      'a text for a number',
      'expected_size: 3',
      'expected_size: three',
      /cluster\.expected_size: expected a whole number/,
    ],
    ['a fraction', 'expected_size: 3', 'expected_size: 2.5', /cluster\.expected_size: expected a whole number/],
    [
      'a number for a duration',
      'check_interval: 24h',
      'check_interval: 24',
      /check_interval: expected a duration such as/,
    ],
    ['a duration of another unit', 'check_interval: 24h', 'check_interval: 2w', /expected a duration such as .*2w/],
    ['a rate without a period', 'default_limit: 1000/min', 'default_limit: 1000', /default_limit: expected a rate/],
    ['an address without a port', 'bind: 127.0.0.1:7801', 'bind: 127.0.0.1', /api\.bind: expected host:port/],
    ['a port that is none', 'bind: 127.0.0.1:7801', 'bind: 127.0.0.1:78010', /api\.bind: expected host:port/],
    ['an IPv6 address without brackets', 'bind: 127.0.0.1:7801', 'bind: "::1:7801"', /api\.bind: expected host:port/],
    ['one wrong address in a list', '- 127.0.0.1:7703', '- nonsense', /cluster\.join\.1: expected host:port/],
    ['a word for a switch', 'encryption: true', 'encryption: maybe', /gossip\.encryption: expected true or false/],
    [
      'an unknown enforcement',
      'sandbox_enforcement: strict',
      'sandbox_enforcement: hard',
      /expected strict, permissive or off/,
    ],
    ['a wrong node id', 'id: node-1', 'id: Node_1!', /node\.id: expected a node id/],
    ['an empty path', 'data_path: /var/lib/caxton', 'data_path: ""', /node\.data_path: expected a path/],
    [
      'a key without value',
      'claim_key_path: keys/claim.key',
      'claim_key_path:',
      /node\.claim_key_path: .*expected a path/,
    ],
    ['a key given twice', 'level: info', 'level: info\n  level: warn', /unique/],
  ];
  it.each(cases)('%s', (_, from, to, expected) => {
    const { text, line } = edited(example, from, to);
    const refused = refusal(text);
    expect(refused.code).toBe('CONFIG_INVALID');
    expect(refused.text).toMatch(expected);
    expect(refused.text).toMatch(new RegExp(`${file}:( line )?(${line}|${line + 1}):`));
  });

  it('a required key that is missing, at the block where it should be', () => {
    const { text } = edited(example, /^ {2}claim_key_path: .*\n/m, '');
    expect(refusal(text).text).toMatch(/node\.yaml:\d+: node\.claim_key_path: is missing; expected a path/);
  });

  it('all of it at once', () => {
    const text = example.replace('level: info', 'level: loud').replace('profile: lan', 'profile: moon');
    expect(refusal(text).text.split('\n')).toHaveLength(2);
  });

  it.each([
    ['nothing', ''],
    ['a list', '- a\n- b'],
    ['a sentence', 'hello'],
    ['half a block', 'node: {id: a'],
    ['two documents', `${dev}\n---\n${dev}`],
    ['an alias bomb', `a: &a [x]\nb: &b [${'*a,'.repeat(50)}]\nc: [${'*b,'.repeat(50)}]`],
    ['an alias of nothing', 'node: *gone'],
    ['a prototype', '__proto__: {development: true}'],
    ['deep nesting', '['.repeat(100_000)],
    ['too many bytes', `# ${'x'.repeat(limits.configBytesMax)}`],
  ])('%s instead of a configuration', (_, text) => {
    expect(refusal(text).code).toBe('CONFIG_INVALID');
  });

  it('whatever the text is, it is refused or read, and nothing is thrown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: dev.length }), fc.string({ maxLength: 8 }), fc.nat(12), (at, put, cut) => {
        loadConfig(dev.slice(0, at) + put + dev.slice(at + cut), { file });
      }),
      { numRuns: 150 },
    );
  });
});

describe('what contradicts itself is refused', () => {
  it('one file in two places with different values', () => {
    const { text } = edited(example, 'node_cert: certs/node.crt', 'node_cert: certs/other.crt');
    expect(refusal(text).text).toMatch(
      /node\.certificate_path and security\.cluster\.mtls\.node_cert name different files/,
    );
  });

  it('but not one file written in two ways, or in one place alone', () => {
    const two = edited(example, 'node_cert: certs/node.crt', 'node_cert: /etc/caxton/certs/node.crt').text;
    expect(loaded(two)).toEqual(loaded(example));
    const one = edited(example, /^ {2}certificate_path: .*\n/m, '').text;
    expect(loaded(one)).toEqual(loaded(example));
  });

  it.each<[string, string | RegExp, string, RegExp]>([
    [
      'a check that is rarer than its deadline',
      'check_interval: 24h',
      'check_interval: 30d',
      /shorter than renewal_threshold/,
    ],
    [
      'an address of no interface without another to be reached at',
      'bind: 127.0.0.1:7701',
      'bind: 0.0.0.0:7701',
      /advertise is needed/,
    ],
    ['one port for two', 'bind: 127.0.0.1:7801', 'bind: 127.0.0.1:7701', /cluster\.bind/],
  ])('%s', (_, from, to, expected) => {
    expect(refusal(edited(example, from, to).text).text).toMatch(expected);
  });
});

describe('what this version cannot do is refused, not ignored', () => {
  it.each<[string, string, string]>([
    ['methods', 'methods: [api_key]', 'methods: [api_key, jwt]'],
    [
      'jwt',
      'methods: [api_key]',
      'methods: [api_key]\n      jwt: { issuer: "https://auth.example.com", audience: caxton-api }',
    ],
    ['forward_to_siem', 'forward_to_siem: false', 'forward_to_siem: true'],
    ['min_version', 'min_version: "1.3"', 'min_version: "1.2"'],
  ])('%s', (key, from, to) => {
    const refused = refusal(edited(example, from, to).text);
    expect(refused.code).toBe('NOT_SUPPORTED');
    expect(refused.text).toContain(key);
  });

  it('with a warning where it is not due yet', () => {
    expect(loaded(example).warnings.join('\n')).toMatch(/key_rotation_interval/);
  });
});

describe('a protection', () => {
  const switches: [string, string, string][] = [
    [
      'security.cluster.mtls.enabled',
      'mtls:\n      # Default true.\n      enabled: true',
      'mtls:\n      enabled: false',
    ],
    ['security.cluster.mtls.verify_peer', 'verify_peer: true', 'verify_peer: false'],
    ['security.cluster.gossip.encryption', 'encryption: true', 'encryption: false'],
    ['security.api.tls.enabled', ' tls:\n      # Default true.\n      enabled: true', ' tls:\n      enabled: false'],
    [
      'security.api.rate_limiting.enabled',
      'rate_limiting:\n      # Default true.\n      enabled: true',
      'rate_limiting:\n      enabled: false',
    ],
    ['security.agents.require_signed_deployment', 'deployment: true', 'deployment: false'],
    ['security.agents.capability_enforcement', 'capability_enforcement: strict', 'capability_enforcement: permissive'],
    ['security.agents.sandbox_enforcement', 'sandbox_enforcement: strict', 'sandbox_enforcement: off'],
    ['security.audit.enabled', 'audit:\n    # Default true.\n    enabled: true', 'audit:\n    enabled: false'],
  ];
  const inDevelopment = example.replace('development: false', 'development: true');

  it.each(switches)('%s stays on outside development', (path, from, to) => {
    const refused = refusal(edited(example, from, to).text);
    expect(refused.text).toContain(path);
    expect(refused.text).toContain('development: true');
  });

  it.each(switches)('%s may be off in development on loopback, loudly', (path, from, to) => {
    expect(loaded(edited(inDevelopment, from, to).text).warnings.join('\n')).toContain(path);
  });

  it('stays on in development that others can reach', () => {
    for (const [from, to] of [
      ['bind: 127.0.0.1:7701', 'bind: 192.0.2.1:7701'],
      ['bind: 127.0.0.1:7801', 'bind: 192.0.2.1:7801'],
    ] as const) {
      const text = edited(inDevelopment, 'encryption: true', 'encryption: false').text;
      expect(refusal(edited(text, from, to).text).text).toContain('loopback');
    }
  });

  it('is not weakened by a CA key on a node that is not for development', () => {
    const { text } = edited(example, '# ca_key_path', 'ca_key_path');
    expect(refusal(text).text).toMatch(/ca_key_path/);
    expect(loaded(text.replace('development: false', 'development: true')).node.rotation.caKeyPath).toBe(
      '/etc/caxton/certs/ca.key',
    );
  });
});

describe('the configuration is looked for', () => {
  const home = (...paths: string[]): string => {
    const folder = mkdtempSync(join(tmpdir(), 'caxton-config-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    for (const path of paths) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), '');
    }
    return folder;
  };
  const one = '.caxton/nodes/node-1/node.yaml';

  it('where --config says, then $CAXTON_CONFIG, then the one node under .caxton', () => {
    const cwd = home('flag.yaml', 'env.yaml', one);
    const env = { CAXTON_CONFIG: 'env.yaml' };
    expect(findConfig({ flag: 'flag.yaml', env, cwd })).toEqual({ ok: true, value: join(cwd, 'flag.yaml') });
    expect(findConfig({ env, cwd })).toEqual({ ok: true, value: join(cwd, 'env.yaml') });
    expect(findConfig({ env: {}, cwd })).toEqual({ ok: true, value: join(cwd, one) });
  });

  it('and a named one that is not there is refused, not passed over', () => {
    const cwd = home(one);
    expect(findConfig({ flag: 'gone.yaml', env: {}, cwd })).toMatchObject({
      ok: false,
      refusal: { code: 'FILE_UNREADABLE' },
    });
    expect(findConfig({ env: { CAXTON_CONFIG: 'gone.yaml' }, cwd })).toMatchObject({ ok: false });
  });

  it('and of several nodes none is guessed', () => {
    const cwd = home(one, '.caxton/nodes/node-2/node.yaml');
    const found = findConfig({ env: {}, cwd });
    expect(!found.ok && found.refusal.reasons[0]).toContain('--config');
  });
});
