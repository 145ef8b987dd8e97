import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import type { z } from 'zod';
import { readYaml } from '../../src/config/problems.ts';
import { nodeFileSchema } from '../../src/config/schema.ts';
import { loadConfig, type NodeConfig } from '../../src/config.ts';
import { policyYaml } from '../../src/development/templates.ts';
import { permissions } from '../../src/protocols/access/permission.ts';
import { builtInRoles, rolesBody } from '../../src/protocols/access/roles.ts';
import {
  invalidAt,
  type PolicySet,
  parsePolicy,
  policyCanonicalText,
} from '../../src/protocols/authorization/policy.ts';
import { readShape } from '../../src/protocols/json/shape.ts';
import { awakened, yamlKeys } from './yaml-keys.ts';

type Tree = { [key: string]: unknown };

/** Every path of the schema, blocks and keys. */
function schemaPaths(schema: z.core.$ZodType = nodeFileSchema, above: readonly string[] = []): string[] {
  let inner = schema as { _zod: { def: { shape?: Record<string, z.core.$ZodType>; innerType?: z.core.$ZodType } } };
  while (!inner._zod.def.shape && inner._zod.def.innerType) inner = inner._zod.def.innerType as typeof inner;
  return Object.entries(inner._zod.def.shape ?? {}).flatMap(([key, value]) => [
    [...above, key].join('.'),
    ...schemaPaths(value, [...above, key]),
  ]);
}

const nodeText = readFileSync('config/node.yaml', 'utf8');
const words = schemaPaths().map((path) => path.split('.').at(-1)!);
const nodeKeys = yamlKeys(nodeText, words);
const read: string[] = [];
const load = (text: string): NodeConfig => {
  const readText = (path: string) => {
    read.push(path);
    return path === '/clone/.caxton/cluster.id' ? 'c0ffee\n' : undefined;
  };
  const result = loadConfig(text, { file: '/clone/config/node.yaml', readText });
  if (!result.ok) throw new Error(result.refusal.reasons.join('\n'));
  return result.value;
};

describe('config/node.yaml', () => {
  it('is the fourth node of the development cluster, whose id it reads from beside it', () => {
    const config = load(nodeText);
    expect(read).toEqual(['/clone/.caxton/cluster.id']);
    expect(config).toMatchObject({
      development: true,
      node: {
        id: 'node-4',
        certificatePath: '/clone/.caxton/nodes/node-4/node.crt',
        dataPath: '/clone/.caxton/nodes/node-4',
        rotation: { enabled: true, checkIntervalMs: 86_400_000, renewalThresholdMs: 30 * 86_400_000 },
      },
      cluster: {
        id: 'c0ffee',
        bind: { host: '127.0.0.1', port: 7704 },
        advertise: { host: '127.0.0.1', port: 7704 },
        join: [7701, 7702, 7703].map((port) => ({ host: '127.0.0.1', port })),
        authorityKeyPaths: ['/clone/.caxton/keys/authority.pub'],
      },
      api: { bind: { host: '127.0.0.1', port: 7804 } },
      agents: { modulesPath: '/clone/src/cli/dev/agents' },
      security: { agents: { policyPath: '/clone/config/policy.yaml' }, audit: { retentionDays: 90 } },
    });
    expect(config.warnings.filter((warning) => /off|less than/.test(warning))).toEqual([]);
  });

  it('has every key of the schema, and no other', () => {
    expect(nodeKeys.map(({ path }) => path).sort()).toEqual(schemaPaths().sort());
  });

  it('says something about every key, right above it', () => {
    expect(nodeKeys.filter(({ comment }) => comment.length < 20).map(({ path }) => path)).toEqual([]);
  });

  it('says which keys are required, and is refused without each of them', () => {
    const claimed = nodeKeys.filter(({ comment }) => /^Required\./.test(comment)).map(({ path }) => path);
    expect(claimed).toContain('security.cluster.gossip.key_path');
    for (const path of claimed) {
      const tree = parse(nodeText) as Tree;
      remove(tree, path);
      const text = stringify(tree);
      const result = loadConfig(text, { file: 'node.yaml', readText: () => 'c0ffee' });
      expect(!result.ok && result.refusal.reasons.join('\n'), path).toContain(path);
    }
  });

  it('and is read without all the others', () => {
    expect(() => load(stringify(required()))).not.toThrow();
  });

  it('says every default as it is', () => {
    const defaults = nodeKeys.flatMap(({ path, comment }) => {
      const said = /Default (\S+)\.$/.exec(comment)?.[1];
      return said === undefined ? [] : [[path, parse(said) as unknown] as const];
    });
    expect(defaults.length).toBeGreaterThan(20);
    const explicit = required();
    for (const [path, value] of defaults) set(explicit, path, value);
    expect(load(stringify(explicit))).toEqual(load(stringify(required())));
  });

  it('has in its sleeping keys what the schema takes, though not all together', () => {
    for (const key of nodeKeys.filter(({ dormant }) => dormant)) {
      const result = loadConfig(awakened(nodeText, [key]), { file: 'node.yaml', readText: () => 'c0ffee' });
      const reasons = result.ok ? '' : result.refusal.reasons.join('\n');
      expect(reasons, key.path).toMatch(/^$|not supported yet|are both given/);
    }
  });
});

/** The example without what is not required; a required file that may be named in two places stays in one. */
function required(): Tree {
  const tree = parse(nodeText) as Tree;
  for (const { path, comment, dormant } of nodeKeys) if (!dormant && !/^Required\b/.test(comment)) remove(tree, path);
  return tree;
}

function remove(tree: Tree, path: string): void {
  const keys = path.split('.');
  const last = keys.pop()!;
  let inner: Tree | undefined = tree;
  for (const key of keys) inner = inner?.[key] as Tree | undefined;
  if (inner) delete inner[last];
}

function set(tree: Tree, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop()!;
  let inner = tree;
  for (const key of keys) {
    inner[key] ??= {};
    inner = inner[key] as Tree;
  }
  inner[last] = value;
}

describe('config/policy.yaml', () => {
  const text = readFileSync('config/policy.yaml', 'utf8');
  const optional = ['denied_senders', 'protocols', 'ontologies', 'rate_limits', 'requires_signed_messages'];
  const all = [...optional, 'policies', 'receiver', 'allowed_senders', 'permitted_operations', 'performatives'];
  const keys = yamlKeys(text, [...all, 'capability_required']);
  const policies = (yamlText: string): PolicySet => {
    const result = parsePolicy(parse(yamlText), 'policy.yaml');
    if (!result.ok) throw new Error(result.refusal.reasons.join('\n'));
    return result.value;
  };

  it('has the rules of the development cluster', () => {
    expect(policyCanonicalText(policies(text))).toBe(policyCanonicalText(policies(policyYaml())));
  });

  it('explains every key where it comes first, and its sleeping keys are right', () => {
    const first = new Map([...keys].reverse().map((key) => [key.path, key]));
    for (const key of [...all, 'capability_required'])
      expect(
        [...first.values()].find(({ path }) => path.split('.').at(-1) === key)?.comment.length ?? 0,
        key,
      ).toBeGreaterThan(20);
    const awake = policies(awakened(text, keys)).byReceiver.get('default/echo' as never);
    expect(awake).toMatchObject({ permittedOperations: [{ protocols: ['fipa-request', ''], ontologies: [''] }] });
    expect(awake?.rateLimits.senders).toHaveLength(1);
  });

  it('is refused with the line of what is wrong', () => {
    const wrong = text.replace('performatives: [cfp,', 'performatives: [cpf,');
    const line = wrong.slice(0, wrong.indexOf('[cpf,')).split('\n').length;
    const yaml = readYaml(wrong);
    const result = parsePolicy(yaml.value, 'policy.yaml', yaml.lineOf);
    expect(!result.ok && result.refusal.reasons[0]).toMatch(new RegExp(`^policy\\.yaml:${line}: `));
  });
});

describe('config/roles.yaml', () => {
  const text = readFileSync('config/roles.yaml', 'utf8');
  const read = (yamlText: string) => {
    const { value, lineOf } = readYaml(yamlText);
    return readShape(rolesBody, value, invalidAt('roles.yaml', lineOf));
  };

  it('is a file that could be published, with every permission and built-in role named', () => {
    expect(read(text)).toMatchObject({
      ok: true,
      value: { roles: [{ name: 'auditor' }], bindings: [{ resources: ['*'] }, { resources: ['agent:shop/*'] }] },
    });
    for (const word of [...permissions, ...builtInRoles.map(({ name }) => name)]) expect(text).toContain(word);
  });

  it('explains every key where it comes first', () => {
    const words = ['roles', 'bindings', 'name', 'permissions', 'denied_permissions', 'role', 'subjects', 'resources'];
    const first = new Map([...yamlKeys(text, words)].reverse().map((key) => [key.path, key]));
    for (const word of words)
      expect(
        [...first.values()].find(({ path }) => path.split('.').at(-1) === word)?.comment.length ?? 0,
        word,
      ).toBeGreaterThan(20);
  });

  it('is refused with the line of what is wrong', () => {
    const wrong = text.replace('- role: operator', '- role: operater');
    const line = wrong.slice(0, wrong.indexOf('operater')).split('\n').length;
    const result = read(wrong);
    expect(!result.ok && result.refusal.reasons[0]).toBe(
      `roles.yaml:${line}: bindings[1].role: there is no role operater.`,
    );
  });
});
