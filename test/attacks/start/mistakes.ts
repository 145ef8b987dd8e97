import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmod, copyFile, mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { issueNodeCertificate, issueServerCertificate } from '../../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../../src/crypto/keys.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { unwrap } from '../../../src/errors.ts';
import type { TrustDomain } from '../../../src/names.ts';
import { nodeId, otherId, type Place, strangers } from './start-lab.ts';

/** One thing wrong with a healthy node’s folder, and what the refusal must say. */
export interface Mistake {
  readonly what: string;
  make(place: Place): Promise<unknown>;
  /** Shown with a real process; the others are judged in the test’s own. */
  readonly asProcess?: true;
  readonly says: readonly (string | RegExp)[];
}

const dayMs = 86_400_000;

/** A pair that the cluster’s CA signed for another period than now. */
export async function issueFor(place: Place, kind: 'node' | 'api', fromDays: number, toDays: number): Promise<void> {
  const { cluster, node } = place;
  const key = osCrypto.generateKeyPair('p256');
  const now = Date.now();
  const request = {
    ca: { certPem: await readFile(cluster.caCert, 'utf8'), keyPem: await readFile(cluster.caKey, 'utf8') },
    publicKey: key.publicKey,
    dns: ['localhost'],
    ip: ['127.0.0.1'],
    notBefore: now + fromDays * dayMs,
    notAfter: now + toDays * dayMs,
  };
  const certPem = unwrap(
    kind === 'node'
      ? issueNodeCertificate(osCrypto, { ...request, nodeId, trustDomain: 'dev.caxton.internal' as TrustDomain })
      : issueServerCertificate(osCrypto, { ...request, commonName: 'localhost' }),
  );
  await writeFile(kind === 'node' ? node.certificate : node.apiCertificate, certPem);
  await writeFile(kind === 'node' ? node.key : node.apiKey, privateKeyToPem(key.privateKey));
}

/** A node that holds a CA’s key would renew what has ended, and start. */
const withoutCa = ({ edit, config }: Place): Promise<void> =>
  edit(config, 'ca_key_path: ../../ca/ca.key', '# It holds no CA’s key.');

const pipe = async (path: string): Promise<void> => {
  await rm(path);
  execFileSync('mkfifo', ['-m', '600', path]);
};
const link = async (path: string, to: string): Promise<void> => {
  await rm(path);
  await symlink(to, path);
};
const folder = async (path: string): Promise<void> => {
  await rm(path);
  await mkdir(path);
};

/** What is wrong with node.yaml itself. */
export const configMistakes: readonly Mistake[] = [
  {
    what: 'is missing',
    asProcess: true,
    make: ({ config }) => rm(config),
    says: ['There is no configuration file', 'node.yaml'],
  },
  {
    what: 'is a folder',
    asProcess: true,
    make: ({ config }) => folder(config),
    says: ['There is no configuration file'],
  },
  {
    what: 'is empty',
    asProcess: true,
    make: ({ config }) => writeFile(config, ''),
    says: ['node: is missing', 'keys id,'],
  },
  {
    what: 'is bytes',
    asProcess: true,
    make: ({ config }) => writeFile(config, Buffer.from([0xff, 0xfe])),
    says: ['not UTF-8 text'],
  },
  { what: 'is not YAML', make: ({ config }) => writeFile(config, 'a: [1, 2\nb: {'), says: [/node\.yaml:\d+: /] },
  {
    what: 'is one word',
    make: ({ config }) => writeFile(config, 'hello'),
    says: ['expected a block', 'found the text “hello”'],
  },
  { what: 'is sparse and huge', make: ({ config }) => truncate(config, 100_000_000), says: ['is over 1048576 bytes'] },
  {
    what: 'is /dev/zero',
    asProcess: true,
    make: ({ config }) => link(config, '/dev/zero'),
    says: ['neither a file nor a pipe'],
  },
  {
    what: 'is a pipe that nobody writes',
    asProcess: true,
    make: ({ config }) => pipe(config),
    says: ['did not end within'],
  },
  {
    what: 'is a bomb of aliases',
    asProcess: true,
    make: ({ config }) =>
      writeFile(config, ['a: &a [x, x]', ...'bcdefghijk'].map((key, at) => aliasLine(key, at)).join('\n')),
    says: ['node.yaml:2: aliases (*name) are not read here', /There are \d+ more/],
  },
  {
    what: 'has a tab',
    make: ({ edit, config }) => edit(config, '  id: node-1', '\tid: node-1'),
    says: ['node.yaml:7: Tabs are not allowed', /There are \d+ more/],
  },
  {
    what: 'has a key twice',
    make: ({ edit, config }) => edit(config, '  id: node-1', '  id: node-1\n  id: node-1'),
    says: ['node.yaml:8: Map keys must be unique'],
  },
  {
    what: 'has an unknown key',
    asProcess: true,
    make: ({ edit, config }) => edit(config, 'certificate_path:', 'certificate_pth:'),
    says: ['node.yaml:8: node.certificate_pth: there is no such key; did you mean certificate_path?'],
  },
  {
    what: 'has a key that resembles none',
    make: ({ edit, config }) => edit(config, '  profile: local', '  xyzzy: local'),
    says: [/node\.yaml:\d+: cluster\.xyzzy: there is no such key; known are id, /],
  },
  {
    what: 'has a value of the wrong type',
    make: ({ edit, config }) => edit(config, 'expected_size: 1', 'expected_size: one'),
    says: [/node\.yaml:\d+: cluster\.expected_size: expected a whole number/],
  },
  {
    what: 'has an empty block',
    make: ({ edit, config }) => edit(config, 'api:\n  bind', 'api: ~\nlog:\n  level'),
    says: [/node\.yaml:\d+: api: expected a block with the keys bind, found nothing/],
  },
  {
    what: 'names one file in two places',
    make: ({ edit, config }) => edit(config, '    gossip:', '    mtls: { node_cert: other.crt }\n    gossip:'),
    says: [
      /node\.yaml:8: node\.certificate_path and .*node\.yaml:\d+: security\.cluster\.mtls\.node_cert name different/,
    ],
  },
  {
    what: 'has durations that contradict each other',
    make: ({ edit, config }) => edit(config, 'check_interval: 24h', 'check_interval: 60d'),
    says: ['node.yaml:15: node.rotation.check_interval must be shorter than renewal_threshold'],
  },
  {
    what: 'switches a protection off outside development',
    make: async ({ edit, config }) => {
      await edit(config, 'development: true', 'development: false');
      await edit(config, '      encryption: true', '      encryption: false');
    },
    says: [/node\.yaml:\d+: security\.cluster\.gossip\.encryption may be switched off only with development: true/],
  },
  {
    what: 'is written over by anybody',
    asProcess: true,
    make: ({ config }) => chmod(config, 0o666),
    says: ['can be written by anybody', 'chmod o-w'],
  },
  {
    what: 'is in another encoding',
    make: async ({ config }) => writeFile(config, Buffer.from(await readFile(config, 'utf8'), 'utf16le')),
    says: ['is not UTF-8 text'],
  },
  {
    what: 'has the line ends of an old Macintosh',
    make: async ({ config }) => writeFile(config, (await readFile(config, 'utf8')).replaceAll('\n', '\r')),
    says: ['node: is missing'],
  },
  {
    what: 'is nested without end',
    make: ({ config }) => writeFile(config, '['.repeat(5_000)),
    says: ['nested too deep'],
  },
  {
    what: 'is two documents',
    make: async ({ config }) => writeFile(config, `${await readFile(config, 'utf8')}---\na: 1\n`),
    says: ['one document was expected, and a second one begins here'],
  },
  {
    what: 'merges a block into the whole',
    make: async ({ config }) => writeFile(config, `${await readFile(config, 'utf8')}<<: { development: false }\n`),
    says: ['<<: there is no such key'],
  },
  {
    what: 'has a prototype',
    make: async ({ config }) => writeFile(config, `${await readFile(config, 'utf8')}__proto__: { a: 1 }\n`),
    says: ['__proto__: there is no such key'],
  },
  {
    what: 'has a tag',
    make: ({ edit, config }) => edit(config, 'expected_size: 1', 'expected_size: !!js/function "x"'),
    says: [/node\.yaml:\d+: tags \(!name\) are not read here/],
  },
  {
    what: 'has a key in letters that only look right',
    make: ({ edit, config }) => edit(config, '\napi:', '\n\u0430pi:'),
    says: ['did you mean api?'],
  },
  {
    what: 'has a key that steers the terminal',
    make: async ({ config }) => writeFile(config, `${await readFile(config, 'utf8')}"a\\e[2J": 1\n`),
    says: ['a\\u001b[2J: there is no such key'],
  },
  {
    what: 'has a path with a zero byte',
    make: ({ edit, config }) => edit(config, 'certificate_path: node.crt', 'certificate_path: "node\\0.crt"'),
    says: ['node.certificate_path: expected a path without control characters'],
  },
  {
    what: 'has a number as large as none',
    make: ({ edit, config }) => edit(config, 'expected_size: 1', 'expected_size: 1e30'),
    says: ['cluster.expected_size: expected a whole number from 1 to 16384, found 1e+30.'],
  },
  {
    what: 'has a negative number',
    make: ({ edit, config }) => edit(config, 'expected_size: 1', 'expected_size: -1'),
    says: ['expected a whole number from 1 to 16384, found -1.'],
  },
  {
    what: 'has no number',
    make: ({ edit, config }) => edit(config, 'expected_size: 1', 'expected_size: .nan'),
    says: ['found NaN.'],
  },
  {
    what: 'has a word for a switch',
    make: ({ edit, config }) => edit(config, 'development: true', 'development: yes'),
    says: ['node.yaml:3: development: expected true or false, found the text “yes”.'],
  },
  {
    what: 'has a text for a list',
    make: ({ edit, config }) => edit(config, /authority_keys:\n.*\n/, 'authority_keys: a.pub\n'),
    says: ['cluster.authority_keys: expected a list of 1 to 16 paths, found the text “a.pub”.'],
  },
  ...['0s', '-24h', '1ms', '999999999d', '24', '24 h', '1.5h'].map((value) => ({
    what: `has a check every ${value}`,
    make: ({ edit, config }: Place) => edit(config, 'check_interval: 24h', `check_interval: ${value}`),
    says: ['node.rotation.check_interval: expected a duration of 1s to 100000d, ', `found `, value],
  })),
  ...['127.0.0.256:1', '0x7f.1:1', '127.1:1', '::1:7701', '127.0.0.1', '127.0.0.1:-1', '127.0.0.1:65536'].map(
    (value) => ({
      what: `binds ${value}`,
      make: ({ edit, config }: Place) => edit(config, /bind: \S+/, `bind: "${value}"`),
      says: ['cluster.bind: expected host:port', `found the text “${value}”`],
    }),
  ),
  {
    what: 'names an agents folder that is not there',
    make: ({ edit, config }) => edit(config, 'api:\n', 'agents: { modules_path: nowhere }\n\napi:\n'),
    says: ['agents.modules_path: ', 'nowhere is not there'],
  },
  {
    what: 'names an agents folder that is a file',
    make: ({ edit, config }) => edit(config, 'api:\n', 'agents: { modules_path: node.yaml }\n\napi:\n'),
    says: ['agents.modules_path: ', 'node.yaml is not a folder'],
  },
];

function aliasLine(key: string, at: number): string {
  if (at === 0) return key;
  const before = String.fromCharCode(key.charCodeAt(0) - 1);
  return `${key}: &${key} [${Array(9).fill(`*${before}`).join(', ')}]`;
}

/** What is wrong with a file that holds a secret: each says so of the node’s key, and the others are read alike. */
const keyTable: readonly Mistake[] = [
  { what: 'is missing', asProcess: true, make: ({ node }) => rm(node.key), says: ['node.key is not there'] },
  {
    what: 'is open to others',
    asProcess: true,
    make: ({ node }) => chmod(node.key, 0o644),
    says: ['(mode 644): chmod 600 it'],
  },
  { what: 'is a folder', make: ({ node }) => folder(node.key), says: ['node.key is a folder'] },
  { what: 'is a link to itself', make: ({ node }) => link(node.key, node.key), says: ['leads to itself'] },
  { what: 'is empty', asProcess: true, make: ({ node }) => writeFile(node.key, ''), says: ['node.key is empty'] },
  { what: 'is a pipe', asProcess: true, make: ({ node }) => pipe(node.key), says: ['node.key is a pipe or a device'] },
  { what: 'is sparse and huge', make: ({ node }) => truncate(node.key, 100_000_000), says: ['too long'] },
  {
    what: 'is /dev/zero',
    asProcess: true,
    make: ({ node }) => link(node.key, '/dev/zero'),
    says: ['node.key is a pipe or a device'],
  },
  {
    what: 'is bytes',
    asProcess: true,
    make: ({ node }) => writeFile(node.key, Buffer.from([0xff, 0xfe])),
    says: ['not text in UTF-8'],
  },
  { what: 'is half written', make: ({ node }) => truncate(node.key, 100), says: ['The private key cannot be read'] },
];
export const keyMistakes = keyTable.map((mistake) => ({
  ...mistake,
  says: ['node.private_key_path: ', ...mistake.says],
}));

/** What is wrong with certificates. */
export const certificateMistakes: readonly Mistake[] = [
  { what: 'a certificate that is missing', make: ({ node }) => rm(node.certificate), says: ['node.crt is not there'] },
  { what: 'one that is a pipe', make: ({ node }) => pipe(node.certificate), says: ['node.crt is empty, or is a pipe'] },
  { what: 'one that is /dev/zero', make: ({ node }) => link(node.certificate, '/dev/zero'), says: ['or a device'] },
  { what: 'one that is a folder', make: ({ node }) => folder(node.certificate), says: ['node.crt is a folder'] },
  { what: 'one that is huge', make: ({ node }) => truncate(node.certificate, 100_000_000), says: ['is over'] },
  { what: 'one half written', make: ({ node }) => truncate(node.certificate, 300), says: ['no whole PEM certificate'] },
  {
    what: 'one for another key',
    asProcess: true,
    make: ({ cluster, node }) => copyFile(cluster.node(otherId).key, node.key),
    says: ['node.crt', 'node.key', 'The private key does not belong to the certificate'],
  },
  {
    what: 'one that has expired',
    asProcess: true,
    make: async (place) => {
      await withoutCa(place);
      await issueFor(place, 'node', -3, -2);
    },
    says: ['has expired'],
  },
  { what: 'one that is not yet valid', make: (place) => issueFor(place, 'node', 2, 3), says: ['is not yet valid'] },
  {
    what: 'one of another CA',
    make: async ({ node }) => {
      await copyFile(strangers().node(nodeId).key, node.key);
      await copyFile(strangers().node(nodeId).certificate, node.certificate);
    },
    says: ['not signed by this cluster’s CA'],
  },
  {
    what: 'one of another node',
    make: async ({ cluster, node }) => {
      await copyFile(cluster.node(otherId).key, node.key);
      await copyFile(cluster.node(otherId).certificate, node.certificate);
    },
    says: ['of node node-2, and node-1 was expected'],
  },
  {
    what: 'a CA that is none',
    asProcess: true,
    make: ({ cluster, node }) => copyFile(node.certificate, cluster.caCert),
    says: ['node.ca_certificate_path: ', 'ca.crt: This is not the certificate of a CA'],
  },
  {
    what: 'a CA that cannot be read',
    make: ({ cluster }) => writeFile(cluster.caCert, 'nothing'),
    says: ['node.ca_certificate_path: ', 'no whole PEM certificate'],
  },
  {
    what: 'a CA that anybody can write',
    make: ({ cluster }) => chmod(cluster.caCert, 0o666),
    says: ['node.ca_certificate_path: ', 'ca.crt can be written by anybody (mode 666): chmod o-w it'],
  },
  {
    what: 'a CA key that is missing',
    make: ({ cluster }) => rm(cluster.caKey),
    says: ['node.rotation.ca_key_path: ', 'ca.key is not there'],
  },
  {
    what: 'a CA key of something else',
    make: ({ cluster, node }) => copyFile(node.key, cluster.caKey),
    says: ['node.rotation.ca_key_path: ', 'It is not the key of ', 'ca.crt'],
  },
  {
    what: 'a certificate in DER',
    make: async ({ node }) => writeFile(node.certificate, new X509Certificate(await readFile(node.certificate)).raw),
    says: ['node.certificate_path: ', 'is not text in UTF-8'],
  },
  {
    what: 'the CA before the certificate',
    make: async ({ cluster, node }) =>
      writeFile(
        node.certificate,
        (await readFile(cluster.caCert, 'utf8')) + (await readFile(node.certificate, 'utf8')),
      ),
    says: ['node.certificate_path: ', 'The certificate is a CA’s'],
  },
  {
    what: 'the files for certificate and key swapped',
    make: ({ edit, config }) =>
      edit(
        config,
        /certificate_path: node.crt\n {2}private_key_path: node.key/,
        'certificate_path: node.key\n  private_key_path: node.crt',
      ),
    says: ['node.private_key_path: ', 'node.crt is open to others'],
  },
  {
    what: 'an API certificate half written',
    make: ({ node }) => truncate(node.apiCertificate, 300),
    says: ['security.api.tls.cert: ', 'api.crt: It holds no whole PEM certificate'],
  },
  {
    what: 'an API certificate for another key',
    make: ({ node }) => copyFile(node.key, node.apiKey),
    says: ['security.api.tls.cert: ', 'api.key does not belong to this certificate'],
  },
  {
    what: 'an API certificate that has expired',
    asProcess: true,
    make: async (place) => {
      await withoutCa(place);
      await issueFor(place, 'api', -3, -2);
    },
    says: ['security.api.tls.cert: ', 'It has expired: it ended 2'],
  },
  {
    what: 'an API certificate that is not yet valid',
    make: (place) => issueFor(place, 'api', 2, 3),
    says: ['security.api.tls.cert: ', 'It is not yet valid: it begins 2'],
  },
  {
    what: 'an API key that is none',
    make: ({ node }) => writeFile(node.apiKey, 'nothing'),
    says: ['api.key is no private key in PEM'],
  },
];

/** What is wrong with the other files of the cluster. */
export const clusterFileMistakes: readonly Mistake[] = [
  {
    what: 'a gossip key of another form',
    make: ({ cluster }) => writeFile(cluster.gossipKey, '{"format":1}'),
    says: ['security.cluster.gossip.key_path: ', 'A gossip key file is JSON'],
  },
  {
    what: 'a claim key of another kind',
    asProcess: true,
    make: ({ node }) => copyFile(node.key, node.claimKey),
    says: ['node.claim_key_path: ', 'A claim key is Ed25519, and this one is ec'],
  },
  {
    what: 'a trust notice that was edited',
    make: async ({ cluster }) => {
      const text = await readFile(cluster.trustNotice, 'utf8');
      await writeFile(cluster.trustNotice, `${text.trimEnd().slice(0, -6)}AAAAAA\n`);
    },
    says: ['cluster.notices_path: ', 'trust.notice: The notice document’s signature'],
  },
  {
    what: 'a trust notice that a stranger signed',
    make: ({ cluster }) => copyFile(strangers().trustNotice, cluster.trustNotice),
    says: ['trust.notice: The notice document is signed with key', 'not a trusted one'],
  },
  {
    what: 'a trust notice of another cluster',
    asProcess: true,
    make: async ({ cluster }) => {
      await copyFile(strangers().trustNotice, cluster.trustNotice);
      await copyFile(strangers().authorityPublic, cluster.authorityPublic);
    },
    says: ['CONFIG_INVALID: ', 'trust.notice: The trust notice is for cluster'],
  },
  {
    what: 'an authority key that is none',
    make: ({ cluster }) => writeFile(cluster.authorityPublic, 'ed25519:zzz\n'),
    says: ['cluster.authority_keys: ', 'A public key is written ed25519:'],
  },
  {
    what: 'a policy with an unknown key',
    make: ({ edit, cluster }) => edit(cluster.policy, 'allowed_senders', 'allowed_sender'),
    says: ['policy.yaml:6: policies[0].allowed_sender: unknown key'],
  },
  {
    what: 'two policies for one receiver',
    asProcess: true,
    make: ({ edit, cluster }) => edit(cluster.policy, 'receiver: default/planner', 'receiver: default/echo'),
    says: ['policy.yaml:9: policies[1].receiver: there are two policies for default/echo'],
  },
  {
    what: 'an API key’s hash that is none',
    make: ({ cluster }) => writeFile(cluster.apiKeyHashes, '[{"name":"dev","hash":"secret"}]'),
    says: ['security.api.authentication.api_keys_path: ', 'Entry 1 has no “hash” of 64 digits'],
  },
  {
    what: 'a state database that is none',
    asProcess: true,
    make: ({ node }) => writeFile(join(node.folder, 'state.db'), 'x'.repeat(5_000), { mode: 0o600 }),
    says: ['state.db is damaged', 'move it away to begin anew'],
  },
  {
    what: 'a file in the place of the audit folder',
    asProcess: true,
    make: ({ node }) => writeFile(join(node.folder, 'audit'), ''),
    says: ['security.audit.log_path: ', 'audit is not a folder'],
  },
  {
    what: 'an authority key that anybody can write',
    make: ({ cluster }) => chmod(cluster.authorityPublic, 0o646),
    says: ['cluster.authority_keys: ', 'authority.pub can be written by anybody (mode 646)'],
  },
  {
    what: 'a policy that anybody can write',
    make: ({ cluster }) => chmod(cluster.policy, 0o666),
    says: ['security.agents.policy_path: ', 'policy.yaml can be written by anybody'],
  },
  {
    what: 'a policy that is a folder',
    make: ({ cluster }) => folder(cluster.policy),
    says: ['security.agents.policy_path: ', 'policy.yaml is a folder'],
  },
  {
    what: 'a policy that is sparse and huge',
    make: ({ cluster }) => truncate(cluster.policy, 3_000_000_000),
    says: ['policy.yaml is over 1048576 bytes'],
  },
  {
    what: 'a policy with an alias',
    make: ({ cluster }) => writeFile(cluster.policy, 'a: &a 1\nb: *a\n'),
    says: ['policy.yaml:2: aliases (*name) are not read here'],
  },
  {
    what: 'a notice that is sparse and huge',
    make: ({ cluster }) => truncate(cluster.trustNotice, 2_000_000_000),
    says: ['cluster.notices_path: ', 'trust.notice is over'],
  },
  {
    what: 'no notice',
    make: ({ cluster }) => rm(cluster.notices, { recursive: true }),
    says: ['cluster.notices_path: ', 'trust.notice is not there'],
  },
  {
    what: 'a vault key that is none',
    make: ({ node }) => writeFile(node.vaultKey, 'x\n'),
    says: ['security.vault.key_path: ', 'vault.key: A vault key ring is JSON'],
  },
  {
    what: 'a vault key that is missing',
    make: ({ node }) => rm(node.vaultKey),
    says: ['security.vault.key_path: ', 'vault.key is not there', 'caxton security create-vault-key makes one'],
  },
  {
    what: 'a state database that is a link',
    asProcess: true,
    make: ({ node }) => symlink('/etc/passwd', join(node.folder, 'state.db')),
    says: ['state.db cannot be used: ELOOP'],
  },
  {
    what: 'a data folder that anybody can write',
    make: ({ node }) => chmod(node.folder, 0o777),
    says: ['node.data_path: ', 'can be written by anybody: chmod o-w it'],
  },
  {
    what: 'a data folder that is a file',
    make: async ({ edit, config, node }) => {
      await writeFile(join(node.folder, 'data'), '');
      await edit(config, 'data_path: .', 'data_path: data');
    },
    says: ['node.data_path: ', 'data is not a folder'],
  },
  {
    what: 'a data folder below a file',
    asProcess: true,
    make: async ({ edit, config, node }) => {
      await writeFile(join(node.folder, 'data'), '');
      await edit(config, 'data_path: .', 'data_path: data/below');
    },
    says: ['node.data_path: ', 'below cannot be made: ', 'data is not a folder'],
  },
];
