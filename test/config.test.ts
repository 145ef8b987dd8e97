import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { findConfig, loadConfig, type NodeConfig } from '../src/config.ts';
import { nodeYaml } from '../src/development/templates.ts';
import type { ErrorCode, Refusal } from '../src/errors.ts';
import { limits } from '../src/limits.ts';
import type { NodeId, TrustDomain } from '../src/names.ts';
import { yamlKeys } from './config/yaml-keys.ts';

const file = '/etc/caxton/node.yaml';
/** The example as it would be on a server: not for development. */
const example = readFileSync('config/node.yaml', 'utf8')
  .replace('development: true', 'development: false')
  .replace('    ca_key_path:', '    # ca_key_path:');
const keys = yamlKeys(example, []);
const clusterIdPath = '/etc/.caxton/cluster.id';
const readText = (path: string): string | undefined => (path === clusterIdPath ? 'c1\n' : undefined);

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
  const result = loadConfig(text, { file, readText });
  if (!result.ok) throw new Error(result.refusal.reasons.join('\n'));
  return result.value;
};

const refusal = (text: string): { code: ErrorCode; text: string } => {
  const result = loadConfig(text, { file, readText });
  if (result.ok) throw new Error('it was accepted');
  return { code: result.refusal.code, text: result.refusal.reasons.join('\n') };
};

/** The text with one piece replaced, which must be there, and the line of the piece. */
const edited = (text: string, from: string | RegExp, to: string): { text: string; line: number } => {
  const at = typeof from === 'string' ? text.indexOf(from) : text.search(from);
  expect(at, `${from} is in the text`).toBeGreaterThanOrEqual(0);
  return { text: text.replace(from, to), line: text.slice(0, at).split('\n').length };
};

/** The text with another value for a key of the example. */
const withValue = (text: string, path: string, value: string): string => {
  const key = keys.find((known) => known.path === path);
  expect(key?.value, path).toBeTruthy();
  const lines = text.split('\n');
  lines[key!.line - 1] = lines[key!.line - 1]!.replace(`: ${key!.value}`, `: ${value}`);
  return lines.join('\n');
};

describe('a configuration', () => {
  it('is frozen through and through', () => {
    const config = loaded(example);
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(frozen(config)).toBe(true);
  });

  it('such as a development cluster gets loads', () => {
    expect(loaded(dev)).toMatchObject({ development: true, cluster: { id: 'c1', profile: 'local' } });
  });
});

describe('the id of the cluster', () => {
  const idIn = (content: string | undefined) => {
    const result = loadConfig(example, { file, readText: (path) => (path === clusterIdPath ? content : undefined) });
    return result.ok ? result.value.cluster.id : result.refusal;
  };

  it.each(['c1', 'c1\n', 'c1\r\n'])('is the one line of the file that id_path names: %j', (content) => {
    expect(idIn(content)).toBe('c1');
  });

  it.each(['', '\n', 'c1\nc2\n', 'c1\n\n', ' c1', 'C1', 'ü', 'a'.repeat(64)])('is not %j', (content) => {
    const line = keys.find(({ path }) => path === 'cluster.id_path')!.line;
    expect(idIn(content)).toMatchObject({ code: 'CONFIG_INVALID' });
    expect((idIn(content) as Refusal).reasons).toEqual([
      expect.stringMatching(new RegExp(`^${file}:${line}: cluster\\.id_path: .*${clusterIdPath}.* a cluster id`)),
    ]);
  });

  it('is missed with file, line and path when there is no such file', () => {
    expect(idIn(undefined)).toMatchObject({
      code: 'FILE_UNREADABLE',
      reasons: [expect.stringContaining(clusterIdPath)],
    });
  });

  it('is read from the disk when nothing else is said, and never from what is no small file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'caxton-config-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const idPath = (path: string) =>
      loadConfig(withValue(example, 'cluster.id_path', path), { file: join(folder, 'node.yaml') });
    writeFileSync(join(folder, 'cluster.id'), 'from-disk\n');
    expect(idPath('cluster.id')).toMatchObject({ ok: true, value: { cluster: { id: 'from-disk' } } });
    writeFileSync(join(folder, 'long.id'), 'x'.repeat(100_000));
    for (const path of ['gone.id', '.', '/dev/zero', 'long.id'])
      expect(idPath(path)).toMatchObject({ ok: false, refusal: { code: 'FILE_UNREADABLE' } });
  });

  it('is given in one of two ways, never in both and never in none', () => {
    const both = edited(example, '  # id: example-cluster', '  id: example-cluster').text;
    expect(refusal(both)).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(refusal(both).text).toMatch(/cluster\.id and cluster\.id_path are both given/);
    const none = edited(example, /^ {2}id_path: .*\n/m, '').text;
    expect(refusal(none).text).toMatch(/node\.yaml:\d+: cluster\.id is missing \(or cluster\.id_path\)/);
    expect(loaded(none.replace('  # id: example-cluster', '  id: example-cluster')).cluster.id).toBe('example-cluster');
    expect(refusal(none.replace('  # id: example-cluster', '  id: Example!')).text).toMatch(
      /cluster\.id: expected a cluster/,
    );
  });

  it('is one fault among others when there are others', () => {
    const text = withValue(withValue(example, 'cluster.id_path', 'gone'), 'node.rotation.check_interval', '90d');
    expect(refusal(text)).toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

describe('what is wrong is named with file, line, key and what was expected', () => {
  const cases: [string, string | RegExp, string, RegExp][] = [
    ['a misspelt key', 'verify_peer: true', 'verifypeer: true', /security\.cluster\.mtls\.verifypeer: .*verify_peer/],
    ['a misspelt block', /^security:/m, 'securty:', /securty: .*security/],
    ['a key of another block', '  profile: local', '  level: info', /cluster\.level: there is no such key/],
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
      /check_interval: expected a duration of 1s/,
    ],
    ['a duration of another unit', 'check_interval: 24h', 'check_interval: 2w', /expected a duration of .*2w/],
    ['a rate without a period', 'default_limit: 1000/min', 'default_limit: 1000', /default_limit: expected a rate/],
    ['an address without a port', 'bind: 127.0.0.1:7804', 'bind: 127.0.0.1', /api\.bind: expected host:port/],
    ['a port that is none', 'bind: 127.0.0.1:7804', 'bind: 127.0.0.1:78040', /api\.bind: expected host:port/],
    ['an IPv6 address without brackets', 'bind: 127.0.0.1:7804', 'bind: "::1:7801"', /api\.bind: expected host:port/],
    ['one wrong address in a list', '- 127.0.0.1:7703', '- nonsense', /cluster\.join\.2: expected host:port/],
    ['a word for a switch', 'encryption: true', 'encryption: maybe', /gossip\.encryption: expected true or false/],
    [
      'an unknown enforcement',
      'sandbox_enforcement: strict',
      'sandbox_enforcement: hard',
      /expected strict, permissive or off/,
    ],
    ['a wrong node id', 'id: node-4', 'id: Node_4!', /node\.id: expected a node id/],
    ['an empty path', /data_path: .*/, 'data_path: ""', /node\.data_path: expected a path/],
    ['a key without value', /claim_key_path: .*/, 'claim_key_path:', /node\.claim_key_path: .*expected a path/],
    ['a key given twice', 'level: info', 'level: info\n  level: warn', /unique/],
  ];
  it.each(cases)('%s', (_, from, to, expected) => {
    const { text, line } = edited(example, from, to);
    const refused = refusal(text);
    expect(refused.code).toBe('CONFIG_INVALID');
    expect(refused.text).toMatch(expected);
    expect(refused.text).toMatch(new RegExp(`^${file}:(${line}|${line + 1}): `, 'm'));
  });

  it('a required key that is missing, at the block where it should be', () => {
    const { text } = edited(example, /^ {2}claim_key_path: .*\n/m, '');
    expect(refusal(text).text).toMatch(/node\.yaml:\d+: node\.claim_key_path: is missing; expected a path/);
  });

  it('all of it at once', () => {
    const text = example.replace('level: info', 'level: loud').replace('profile: local', 'profile: moon');
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
        loadConfig(dev.slice(0, at) + put + dev.slice(at + cut), { file, readText });
      }),
      { numRuns: 150 },
    );
  });
});

describe('what contradicts itself is refused', () => {
  const doubled: [string, string][] = [
    ['node.certificate_path', 'node_cert'],
    ['node.private_key_path', 'node_key'],
    ['node.ca_certificate_path', 'ca_cert'],
  ];
  it.each(doubled)('%s and its second name with another file', (path, other) => {
    const text = withValue(example, `security.cluster.mtls.${other}`, 'elsewhere');
    expect(refusal(text).text).toMatch(
      new RegExp(
        `node\\.yaml:\\d+: ${path} and .*node\\.yaml:\\d+: security\\.cluster\\.mtls\\.${other} name different files`,
      ),
    );
  });

  it.each(doubled)('%s, but not one file written in two ways, or in one place alone', (path, other) => {
    const second = `security.cluster.mtls.${other}`;
    const known = keys.find((key) => key.path === second)!.value;
    expect(loaded(withValue(example, second, join('/etc/caxton', known)))).toEqual(loaded(example));
    const lineOf = (key: string) => new RegExp(`^ +${key}: .*\\n`, 'm');
    const one = edited(example, lineOf(path.slice('node.'.length)), '').text;
    expect(loaded(one)).toEqual(loaded(example));
    expect(loaded(edited(example, lineOf(other), '').text)).toEqual(loaded(example));
    expect(refusal(edited(one, lineOf(other), '').text).text).toContain(`${path} is missing (or ${second})`);
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
      'bind: 127.0.0.1:7704',
      'bind: 0.0.0.0:7701',
      /advertise is needed/,
    ],
    [
      'the same in another spelling',
      'bind: 127.0.0.1:7704',
      'bind: "[0::0]:7704"',
      /node\.yaml:\d+: cluster\.advertise is needed/,
    ],
    [
      'an advertised address that nobody can dial',
      '# advertise: 192.0.2.11:7704',
      'advertise: 0.0.0.0:7704',
      /cluster\.advertise must be an address that peers can dial/,
    ],
    ['one port for two', 'bind: 127.0.0.1:7804', 'bind: 127.0.0.1:7704', /cluster\.bind/],
  ])('%s', (_, from, to, expected) => {
    expect(refusal(edited(example, from, to).text).text).toMatch(expected);
  });
});

describe('any value of a wrong kind', () => {
  const wrong = [
    '~',
    '[]',
    '[[1]]',
    '{}',
    '{ a: 1 }',
    '-1',
    '1.5',
    '.inf',
    '1e30',
    '""',
    '"\\0"',
    `"${'x'.repeat(5_000)}"`,
  ];
  it.each(keys.filter(({ value, dormant }) => value !== '' && !dormant).map(({ path }) => path))(
    'for %s is told of in our own words, with what was found',
    (path) => {
      for (const value of wrong) {
        const result = loadConfig(withValue(example, path, value), { file, readText });
        if (result.ok) continue;
        const text = result.refusal.reasons.join('\n');
        expect(text).not.toMatch(/Invalid input|Too (big|small)|Unrecognized|undefined|\[object/);
        expect(text.length).toBeLessThan(1_000);
      }
    },
  );
});

describe('what this version cannot do is refused, not ignored', () => {
  it.each<[string, string, string]>([
    ['methods', 'methods: [api_key]', 'methods: [api_key, jwt]'],
    [
      'jwt',
      'methods: [api_key]',
      'methods: [api_key]\n      jwt: { issuer: "https://auth.example.com", audience: caxton-api }',
    ],
  ])('%s', (key, from, to) => {
    const refused = refusal(edited(example, from, to).text);
    expect(refused.code).toBe('NOT_SUPPORTED');
    expect(refused.text).toContain(key);
  });

  it('and nothing is warned of that it can: the gossip key rotates by itself', () => {
    expect(loaded(example).warnings.join('\n')).not.toMatch(/key_rotation_interval/);
  });
});

describe('how TLS is spoken', () => {
  const links = 'security.cluster.mtls';
  const api = 'security.api.tls';

  it('is TLS 1.3 with the post-quantum hybrid first, for links and for the API', () => {
    const { mtls, api: served } = loaded(dev).security;
    expect(mtls).toEqual({
      minVersion: 'TLSv1.3',
      ciphers: 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256',
      groups: 'X25519MLKEM768:X25519:P-256:P-384',
    });
    expect(served.tls).toEqual(mtls);
    expect(loaded(example).security.api.tls).toEqual(mtls);
  });

  it('may be TLS 1.2 for the API alone, and that is said', () => {
    const read = loaded(
      withValue(withValue(example, `${api}.min_version`, '"1.2"'), `${api}.cipher_suites`, '[TLS_AES_256_GCM_SHA384]'),
    );
    expect(read.security.api.tls).toMatchObject({
      minVersion: 'TLSv1.2',
      ciphers: expect.stringMatching(
        /^TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES256-GCM-SHA384:.*ECDHE-RSA-AES128-GCM-SHA256$/,
      ),
    });
    expect(read.warnings.join('\n')).toMatch(/security\.api\.tls\.min_version is "1\.2"/);
    expect(read.security.mtls.minVersion).toBe('TLSv1.3');
    expect(refusal(withValue(example, `${links}.min_version`, '"1.2"')).text).toMatch(
      /mtls\.min_version: links are TLS 1\.3 alone/,
    );
  });

  it.each([
    ['TLS_RSA_WITH_AES_128_CBC_SHA', /no authenticated encryption.*nearest that is allowed is TLS_/],
    ['TLS_RSA_WITH_AES_128_GCM_SHA256', /no forward secrecy/],
    ['TLS_RSA_WITH_NULL_SHA256', /encrypts nothing/],
    ['ECDHE-RSA-RC4-SHA', /broken cipher/],
    ['TLS_AES_128_CCM_8_SHA256', /64 bits.*TLS_AES_128_GCM_SHA256/],
    ['TLS_AES_256_GCM_SHA348', /nearest that is allowed is TLS_AES_256_GCM_SHA384/],
    ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', /belongs to TLS 1\.2/],
    ['DEFAULT@SECLEVEL=0', /is not one that is allowed/],
  ])('not with the suite %s', (suite, said) => {
    for (const block of [links, api]) {
      const { code, text } = refusal(withValue(example, `${block}.cipher_suites`, `[${suite}]`));
      expect([code, text]).toEqual(['CONFIG_INVALID', expect.stringMatching(said)]);
      expect(text).toContain(`${block}.cipher_suites: ${suite} `);
    }
  });

  it('with groups that are known, and says when none is post-quantum', () => {
    expect(refusal(withValue(example, `${links}.groups`, '[X25519MLKEM786]')).text).toMatch(/X25519MLKEM768/);
    expect(refusal(withValue(example, `${links}.groups`, '[]')).text).toMatch(/a list of 1 to 16 groups/);
    const read = loaded(withValue(example, `${links}.groups`, '[P-256, X25519MLKEM768]'));
    expect(read.security.mtls.groups).toBe('P-256:X25519MLKEM768');
    expect(read.warnings.join('\n')).toMatch(/mtls\.groups does not begin with a post-quantum hybrid/);
  });

  it('with suites of TLS 1.2 only beside one of TLS 1.3', () => {
    const old = withValue(example, `${api}.min_version`, '"1.2"');
    const suites = (list: string) => withValue(old, `${api}.cipher_suites`, list);
    expect(refusal(suites('[ECDHE-ECDSA-AES256-GCM-SHA384]')).text).toMatch(/at least one suite of TLS 1\.3/);
    expect(refusal(suites('[TLS_AES_256_GCM_SHA384, AES128-SHA]')).text).toMatch(/AES128-SHA/);
    expect(loaded(suites('[TLS_AES_256_GCM_SHA384, ECDHE-ECDSA-AES256-GCM-SHA384]')).security.api.tls.ciphers).toBe(
      'TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES256-GCM-SHA384',
    );
  });
});

describe('forwarding to a SIEM', () => {
  const off = '    forward_to_siem: false\n';
  const siem = (...receivers: string[]): string =>
    edited(example, off, `    forward_to_siem: true\n    siem:\n${receivers.map((one) => `      - ${one}\n`).join('')}`)
      .text;
  const syslog = '{ name: soc, kind: syslog, address: "siem.example.org:6514", ca_cert: ca.crt }';
  const hec = '{ name: splunk, kind: hec, url: "https://splunk.example.org:8088/x", token_path: t }';

  it('is read with its defaults, paths absolute', () => {
    const read = loaded(
      siem(syslog, hec, '{ name: o, kind: otlp, url: "https://o.example.org/v1/logs", format: ocsf }'),
    );
    expect(read.security.audit.siem).toEqual([
      {
        name: 'soc',
        kind: 'syslog',
        address: { host: 'siem.example.org', port: 6514 },
        caPath: '/etc/caxton/ca.crt',
        format: 'json',
        facility: 'audit',
        enterpriseId: 32_473,
      },
      {
        name: 'splunk',
        kind: 'hec',
        url: 'https://splunk.example.org:8088/x',
        tokenPath: '/etc/caxton/t',
        format: 'json',
        sourceType: 'caxton:audit',
      },
      { name: 'o', kind: 'otlp', url: 'https://o.example.org/v1/logs', format: 'ocsf' },
    ]);
  });

  it('leaves out the records that it is told to', () => {
    const read = loaded(siem(hec.replace(' }', ', skip_records: [300, 4711] }')));
    expect(read.security.audit.siem[0]?.skipRecords).toEqual([300, 4_711]);
  });

  it('goes nowhere while it is switched off, and that is said', () => {
    const read = loaded(edited(example, off, `${off}    siem:\n      - ${syslog}\n`).text);
    expect(read.security.audit.siem).toEqual([]);
    expect(read.warnings.join('\n')).toMatch(/nothing is forwarded/);
  });

  it.each<[string, string[], RegExp]>([
    ['no receiver', [], /forward_to_siem is true, and security\.audit\.siem names no receiver/],
    ['two of one name', [syslog, syslog], /siem\.1\.name: two receivers are called soc/],
    [
      'a certificate without its key',
      [syslog.replace('ca_cert', 'client_cert')],
      /client_cert and client_key go together/,
    ],
    ['plain HTTP', [hec.replace('https', 'http')], /expected a URL that begins with https/],
    ['an unknown kind', ['{ name: a, kind: kafka }'], /syslog, hec or otlp/],
    ['an unknown key', [syslog.replace('ca_cert', 'ca_crt')], /ca_crt/],
    ['what is no number of a record', [syslog.replace(' }', ', skip_records: [0] }')], /skip_records/],
    ['no token', [hec.replace(', token_path: t', '')], /token_path/],
    ['an odd name', [syslog.replace('soc', '"S O C"')], /expected a name/],
  ])('with %s is refused', (_, receivers, expected) => {
    const text = receivers.length > 0 ? siem(...receivers) : edited(example, off, '    forward_to_siem: true\n').text;
    expect(refusal(text)).toMatchObject({ code: 'CONFIG_INVALID', text: expect.stringMatching(expected) });
  });
});

describe('a protection', () => {
  const switches: [string, string][] = [
    ['security.cluster.mtls.enabled', 'false'],
    ['security.cluster.mtls.verify_peer', 'false'],
    ['security.cluster.gossip.encryption', 'false'],
    ['security.api.tls.enabled', 'false'],
    ['security.api.rate_limiting.enabled', 'false'],
    ['security.agents.require_signed_deployment', 'false'],
    ['security.agents.capability_enforcement', 'permissive'],
    ['security.agents.capability_enforcement', 'off'],
    ['security.agents.sandbox_enforcement', 'permissive'],
    ['security.agents.sandbox_enforcement', 'off'],
    ['security.audit.enabled', 'false'],
  ];
  const inDevelopment = withValue(example, 'development', 'true');

  it.each(switches)('%s: %s is refused outside development, with its line', (path, value) => {
    const line = keys.find((key) => key.path === path)!.line;
    const refused = refusal(withValue(example, path, value));
    expect(refused.code).toBe('CONFIG_INVALID');
    expect(refused.text).toMatch(
      new RegExp(`^${file}:${line}: ${path} may be switched off only with development: true`),
    );
  });

  it.each(switches)('%s: %s is taken in development on loopback, loudly', (path, value) => {
    expect(loaded(inDevelopment).warnings.join('\n')).not.toContain(`${path} is`);
    expect(loaded(withValue(inDevelopment, path, value)).warnings.join('\n')).toContain(`${path} is`);
  });

  it.each(switches)('%s: %s is refused in development that others can reach', (path, value) => {
    for (const bind of ['cluster.bind', 'api.bind'])
      for (const host of ['192.0.2.1', '0.0.0.0', '[::]', 'node-4.example.org']) {
        const open = withValue(withValue(inDevelopment, path, value), bind, `"${host}:7799"`);
        expect(refusal(open).text).toMatch(new RegExp(`${bind.replace('.', '\\.')} must be loopback`));
      }
  });

  it('is not weakened by a CA key on a node that is not for development', () => {
    const { text: both } = edited(example, '# ca_key_path', 'ca_key_path');
    expect(refusal(both).text).toMatch(/ca_key_path and node\.ca are both given/);
    const text = both.replace(/^ {2}ca:\n(?: {4}.*\n)+/m, '');
    expect(refusal(text).text).toMatch(/ca_key_path/);
    expect(loaded(text.replace('development: false', 'development: true')).node.rotation.caKeyPath).toBe(
      '/etc/.caxton/ca/ca.key',
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

  it('and a named one that is a folder, or has no name, is refused too', () => {
    const cwd = home(one);
    for (const flag of ['.caxton', ''])
      expect(findConfig({ flag, env: {}, cwd })).toMatchObject({ ok: false, refusal: { code: 'FILE_UNREADABLE' } });
  });

  it('and an empty $CAXTON_CONFIG is none', () => {
    const cwd = home(one);
    expect(findConfig({ env: { CAXTON_CONFIG: '' }, cwd })).toEqual({ ok: true, value: join(cwd, one) });
  });

  it('and what lies in the way of .caxton/nodes does not stop the search with a throw', () => {
    expect(findConfig({ env: {}, cwd: home('.caxton/nodes') })).toMatchObject({ ok: false });
    const cwd = home(one, '.caxton/nodes/node-2', '.caxton/nodes/node-3/node.yaml/folder');
    expect(findConfig({ env: {}, cwd })).toEqual({ ok: true, value: join(cwd, one) });
  });

  it('and of several nodes none is guessed', () => {
    const cwd = home(one, '.caxton/nodes/node-2/node.yaml');
    const found = findConfig({ env: {}, cwd });
    expect(!found.ok && found.refusal.reasons[0]).toContain('--config');
  });
});
