import { describe, expect, it } from 'vitest';
import { loadConfig, type NodeConfig } from '../../src/config.ts';
import { nodeYaml } from '../../src/development/templates.ts';
import type { NodeId, TrustDomain } from '../../src/names.ts';
import { auditTypes, ownTypes } from '../../src/protocols/audit/event-type.ts';

const file = '/etc/caxton/node.yaml';
const base = nodeYaml({
  id: 'node-1' as NodeId,
  clusterId: 'c1',
  trustDomain: 'dev.caxton.internal' as TrustDomain,
  expectedSize: 3,
  linkPort: 7701,
  apiPort: 7801,
  join: [],
});
const serious = base.replace('development: true', 'development: false').replace(/ +ca_key_path.*\n/, '');
const with_ = (text: string, from: string, to: string): string => {
  expect(text).toContain(from);
  return text.replace(from, to);
};
const withPolicy = (text: string, policy: string): string =>
  with_(text, '    retention_days: 90\n', `    retention_days: 90\n    policy: ${policy}\n`);
const loaded = (text: string): NodeConfig => {
  const read = loadConfig(text, { file });
  if (!read.ok) throw new Error(read.refusal.reasons.join('\n'));
  return read.value;
};
const refused = (text: string): string => {
  const read = loadConfig(text, { file });
  if (read.ok) throw new Error('it was accepted');
  return read.refusal.reasons.join('\n');
};

describe('security.audit.policy', () => {
  it('leaves what it does not name at its default', () => {
    const { policy } = loaded(serious).security.audit;
    expect(policy.AgentDeployed).toEqual({ success: 'full', refused: 'full', failure: 'full' });
    expect(policy.AccessGranted.success).toBe('aggregate');
    expect(policy.AccessDenied.refused).toBe('full');
  });

  it('takes a level for a type, or for each outcome', () => {
    const { policy } = loaded(
      withPolicy(serious, '{ AccessGranted: none, AccessDenied: { refused: metadata }, AgentDeployed: metadata }'),
    ).security.audit;
    expect(policy.AccessGranted.success).toBe('none');
    expect(policy.AccessDenied).toEqual({ success: 'full', refused: 'metadata', failure: 'full' });
    expect(policy.AgentDeployed.failure).toBe('metadata');
  });

  it.each([
    ['AgentDeployed: none', 'security.audit.policy.AgentDeployed'],
    ['LoginSuccess: { success: aggregate }', 'security.audit.policy.LoginSuccess'],
  ])('may take an act its durable record only in development, and is loud there: %s', (entry, path) => {
    expect(refused(withPolicy(serious, `{ ${entry} }`))).toContain(`${path} may be switched off only with development`);
    expect(loaded(withPolicy(base, `{ ${entry} }`)).warnings.join('\n')).toContain(path);
  });

  it('that hides denials is loud', () => {
    const { warnings } = loaded(withPolicy(serious, '{ AccessDenied: { refused: none }, LinkRefused: aggregate }'));
    expect(warnings.join('\n')).toContain('security.audit.policy.AccessDenied');
    expect(warnings.join('\n')).not.toContain('LinkRefused');
    expect(loaded(withPolicy(serious, '{ AccessGranted: none }')).warnings.join('\n')).not.toContain('audit.policy');
  });

  it.each([
    ['AgentDeploied: full', 'did you mean AgentDeployed?'],
    ['AgentDeployed: all', 'AgentDeployed'],
    ['AgentDeployed: { sucess: full }', 'AgentDeployed'],
    ['AuditRetired: none', 'AuditRetired'],
  ])('is refused with its line when it says %s', (entry, name) => {
    const text = refused(withPolicy(serious, `{ ${entry} }`));
    expect(text).toContain(name);
    expect(text).toMatch(/node\.yaml:\d+/);
  });
});

describe('security.audit.enabled: false', () => {
  it('keeps nothing but what the log says of itself, loudly, and in development alone', () => {
    const off = (text: string) => with_(text, '  audit:\n    enabled: true', '  audit:\n    enabled: false');
    const { warnings, security } = loaded(off(base));
    expect(warnings.join('\n')).toContain('security.audit.enabled is not at its strict setting');
    for (const type of auditTypes)
      expect(security.audit.policy[type].success).toBe(ownTypes.includes(type) ? 'full' : 'none');
    expect(refused(off(serious))).toContain('security.audit.enabled may be switched off only with development');
  });
});

describe('security.vault', () => {
  const vault = '  vault:\n    key_path: vault.key\n';
  it.each([
    [vault, { kind: 'file', path: '/etc/caxton/vault.key' }],
    ['', { kind: 'file', path: '/etc/caxton/vault.key' }],
    ['  vault:\n    key_env: VAULT\n', { kind: 'env', name: 'VAULT' }],
    ['  vault:\n    key_credential: caxton-vault\n', { kind: 'credential', name: 'caxton-vault' }],
  ])('names one source: %j', (text, source) => {
    expect(loaded(with_(serious, vault, text)).security.vault).toEqual(source);
  });

  it('is refused with two, or with a name that is none', () => {
    expect(refused(with_(serious, vault, `${vault}    key_env: VAULT\n`))).toContain('are both given');
    expect(refused(with_(serious, vault, '  vault:\n    key_env: "a b"\n'))).toContain('environment variable');
    expect(refused(with_(serious, vault, '  vault:\n    key_credential: ../x\n'))).toContain('credential');
  });
});
