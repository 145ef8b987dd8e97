import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordBootChanges } from '../../../../src/actors/boot-changes.ts';
import type { Node } from '../../../../src/actors/node.ts';
import type { NodeFiles } from '../../../../src/actors/node-files.ts';
import type { AuditDraft } from '../../../../src/actors/operations/audit/audit-draft.ts';
import { createKeyring, gossipKey, keyringToText } from '../../../../src/crypto/keyring.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { decodeDocument } from '../../../../src/crypto/signed-document.ts';
import { vaultRingFromText } from '../../../../src/crypto/vault.ts';
import { ok, refuse, unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import { type AuditType, auditTypes } from '../../../../src/protocols/audit/event-type.ts';
import type { AuditRecord } from '../../../../src/protocols/audit/record.ts';
import { emptyPolicySet } from '../../../../src/protocols/authorization/policy.ts';
import { type Notice, readNotice } from '../../../../src/protocols/notice/notice.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';
import { createTestCluster, type TestCluster } from '../../../../src/testing/test-cluster.ts';
import { authorityOf, signNotice } from '../../notice-lab.ts';

/** Every type with the act that causes it. `elsewhere`: the test that shows it, where the node below does not. */
const acts: Readonly<Record<AuditType, { readonly act: string; readonly elsewhere?: string }>> = {
  LoginSuccess: { act: 'a caller of the API shows a known key', elsewhere: 'test/attacks/api/audit-trail.test.ts' },
  LoginFailure: {
    act: 'a caller of the API shows another, or none',
    elsewhere: 'test/attacks/api/audit-trail.test.ts',
  },
  TokenRefresh: { act: 'an agent is deployed again with another capability token' },
  AccessGranted: { act: 'a message is let through' },
  AccessDenied: { act: 'a message is refused' },
  PrivilegeEscalation: { act: 'an agent is deployed again with actions that it did not have' },
  AgentDeployed: { act: 'an agent is deployed' },
  AgentRemoved: { act: 'an agent is removed' },
  AgentCompromised: {
    act: 'a node starts and finds another file under a deployed agent’s module; a cell is told that it is compromised',
    elsewhere: 'test/actors/agents/deployments.test.ts',
  },
  AgentConflict: {
    act: 'two nodes claim one agent',
    elsewhere: 'test/scenarios/registry/conflict.test.ts',
  },
  ConfigurationChanged: { act: 'a node starts with another configuration than at its last boot' },
  SecurityPolicyUpdated: { act: 'a node starts with other policies than at its last boot' },
  CertificateRotated: { act: 'the certificate is due and renewed' },
  CertificateIssued: { act: 'the CA’s key signed a certificate' },
  NodeEnrolled: {
    act: 'a join token is made or used, or a newcomer is told what only members know',
    elsewhere: 'test/acceptance/06-joining.ts',
  },
  LinkEstablished: { act: 'a link is ready' },
  LinkRefused: { act: 'a peer is refused', elsewhere: 'test/attacks/link' },
  LinkClosed: { act: 'a link ends' },
  GossipKeyRotated: {
    act: 'a gossip key is asked for, made, taken, switched to and retired; or another file is there at a boot',
  },
  TrustChanged: { act: 'a node starts with another trust notice: deployers or issuers came or were revoked' },
  MemberChanged: { act: 'a member joins, or is suspected' },
  PartitionChanged: { act: 'the node sees a quorum, or no longer' },
  SupervisionEvent: { act: 'a supervisor starts an actor again' },
  NodeStarted: { act: 'the node starts' },
  NodeStopped: { act: 'the node stops' },
  VaultKeyRotated: { act: 'the vault’s ring has another current key' },
  AuditRepaired: {
    act: 'the log was cut back after a crash',
    elsewhere: 'test/actors/operations/audit/audit-durability.test.ts',
  },
  AuditRecovered: {
    act: 'a log that was blocked is written again',
    elsewhere: 'test/actors/operations/audit/audit-writer.test.ts',
  },
  AuditRetired: {
    act: 'segments are older than the retention',
    elsewhere: 'test/actors/operations/audit/audit-upkeep.test.ts',
  },
  AuditForked: {
    act: 'a log does not continue what was signed of it',
    elsewhere: 'test/actors/operations/audit/audit-notary.test.ts',
  },
  WitnessChanged: {
    act: 'nobody countersigns the log, or a witness forgot it',
    elsewhere: 'test/actors/operations/audit/audit-notary.test.ts',
  },
};

const root = join(import.meta.dirname, '..', '..', '..', '..');
const caller = { identity: 'apikey:test', sourceIp: '10.0.0.9', requestId: 'r1' };

it('every type has a place in the code that is not its list', () => {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'src'], {
    cwd: root,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((file) => file.endsWith('.ts') && !file.startsWith('src/protocols/audit/'));
  const code = files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n');
  expect(auditTypes.filter((type) => !code.includes(type))).toEqual([]);
});

it('every type that the node below does not show is shown where this says', () => {
  const text = (path: string): string =>
    statSync(join(root, path)).isDirectory()
      ? readdirSync(join(root, path))
          .map((name) => text(join(path, name)))
          .join('\n')
      : readFileSync(join(root, path), 'utf8');
  const missing = auditTypes.filter((type) => {
    const { elsewhere } = acts[type];
    return elsewhere !== undefined && !text(elsewhere).includes(type);
  });
  expect(missing).toEqual([]);
});

describe('a node that lives through much', () => {
  let cluster: TestCluster;
  const seen = new Map<string, AuditRecord>();
  const note = async (node: Node) => {
    await cluster.advance(61_000);
    for (const record of unwrap(await node.control.auditTail({ limit: 1_000 })) as AuditRecord[])
      if (!seen.has(record.type)) seen.set(record.type, record);
  };

  beforeAll(async () => {
    cluster = await createTestCluster({ nodes: 2 });
    await cluster.until('they find each other', () => cluster.isWhole());
    const node = cluster.node('node-1');
    const policy = {
      allowedSenders: ['default/asker'],
      permittedOperations: [{ performatives: ['request'] as const }],
    };
    await cluster.deploy('node-1', 'default/echo', () => {}, { policy });
    const crash = () => {
      throw new Error('a bug of the agent');
    };
    await cluster.deploy(
      'node-1',
      'default/asker',
      (_, agent) => void agent.tell({ to: 'default/echo', performative: 'request', content: '' }),
      {
        policy: { ...policy, allowedSenders: ['*'] },
      },
    );
    const asker = await cluster.deploy(
      'node-1',
      'default/asker',
      (_, agent) => {
        agent.tell({ to: 'default/echo', performative: 'request', content: 'secret words' });
        agent.tell({ to: 'default/echo', performative: 'inform', content: 'secret words' });
      },
      { actions: ['* agent:default/*'], policy: { ...policy, allowedSenders: ['*'] } },
    );
    await cluster.deploy('node-1', 'default/crasher', crash, { policy: { ...policy, allowedSenders: ['*'] } });
    asker.tell({ performative: 'request', content: 'go' });
    const crasher = await cluster.deploy('node-1', 'default/crasher', crash, {
      policy: { ...policy, allowedSenders: ['*'] },
    });
    crasher.tell({ performative: 'request', content: 'go' });
    node.kernel.ref('/node/agents/default/echo').tell({ type: 'agent.compromised' } as never, 'control');
    await cluster.advance(1_000);
    await cluster.settled(node.control.remove('default/crasher' as never, caller));
    // The ring of the vault gets another key; half a life later the certificate is due.
    const { disk, config, configPath } = cluster.machine('node-1');
    const source = config.security.vault;
    if (source.kind === 'file') disk.put(source.path, rotatedText(disk.peek(source.path)!));
    await note(node);
    cluster.crash('node-2');
    await cluster.advance(60_000);
    await note(node);
    await cluster.stop('node-1');
    const file = Buffer.from(disk.peek(configPath)!).toString();
    disk.put(configPath, `${file}\nlog: { level: warn }\n`);
    cluster.skew('node-1', 70 * 86_400_000);
    disk.put(
      config.security.agents.policyPath!,
      'policies: [{ receiver: default/echo, allowed_senders: [default/x], permitted_operations: [{ performatives: [inform] }] }]\n',
    );
    disk.put(
      config.security.gossip.keyPath,
      Buffer.from(
        keyringToText(createKeyring(gossipKey(osCrypto.randomBytes(32), { epoch: 2, proposer: '', revocations: 0 }))),
      ),
    );
    const trustPath = join(config.cluster.noticesPath, 'trust.notice');
    const trust = noticeIn(disk.peek(trustPath)!);
    const next = { ...trust, generation: trust.generation + 1 };
    disk.put(trustPath, Buffer.from(signNotice(await authorityOf(cluster), next)));
    await note(await cluster.restart('node-1'));
  }, 60_000);
  afterAll(() => cluster.close());

  it('has a record of each type that its acts cause', () => {
    const expected = auditTypes.filter((type) => acts[type].elsewhere === undefined);
    expect(expected.filter((type) => !seen.has(type))).toEqual([]);
  });

  it('of a configuration with a hash of what was and of what is', () => {
    const sha256 = expect.stringMatching(/^[0-9a-f]{64}$/);
    const { identity, metadata } = seen.get('ConfigurationChanged')!;
    expect(identity).toBe('node-1');
    expect(metadata).toEqual({ what: 'configuration', from: sha256, to: sha256 });
    expect(metadata.from).not.toBe(metadata.to);
  });

  it('never with a secret, or with what a message says, but with what tells them apart', () => {
    const all = JSON.stringify([...seen.values()]);
    expect(all).not.toContain('secret words');
    expect(seen.get('AccessDenied')).toMatchObject({
      decision: { effect: 'deny' },
      policyHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(seen.get('AccessGranted')).toMatchObject({ decision: { effect: 'allow' } });
    expect(seen.get('PrivilegeEscalation')).toMatchObject({
      identity: 'default/asker',
      metadata: { added: '* agent:default/*' },
    });
    expect(seen.get('LinkEstablished')!.certificateSerial).toMatch(/^[0-9a-fA-F]+$/);
  });
});

function noticeIn(bytes: Uint8Array): Notice {
  const { payload } = unwrap(
    decodeDocument('notice', Buffer.from(bytes).toString().trim(), limits.noticeBytesMax),
  ).unverified;
  return unwrap(readNotice(Buffer.from(payload).toString()));
}

function rotatedText(bytes: Uint8Array): string {
  const ring = unwrap(vaultRingFromText(Buffer.from(bytes).toString()));
  return unwrap(ring.rotated(osCrypto)).toText();
}

describe('what changed between two boots', () => {
  const filesWith = (version: number, generation: number) =>
    ({
      keyring: createKeyring(gossipKey(new Uint8Array(32), { epoch: version, proposer: '', revocations: 0 })),
      policies: emptyPolicySet,
      trust: { notice: { generation }, text: `notice ${generation}` },
    }) as unknown as NodeFiles;
  const configWith = (level: string) => ({ node: { id: 'node-1' }, log: { level } }) as never;

  it('is recorded at the next one, once, and again until it could be', async () => {
    const store = new MemoryStore();
    const recorded: AuditDraft[] = [];
    let blocked = false;
    const boot = (config: never, files: NodeFiles) =>
      recordBootChanges({
        config,
        files,
        store,
        record: async (fact) => {
          if (blocked) return refuse('AUDIT_BLOCKED', 'No.');
          recorded.push(fact);
          return ok(undefined);
        },
      });
    await boot(configWith('info'), filesWith(1, 1));
    await boot(configWith('info'), filesWith(1, 1));
    expect(recorded).toEqual([]);
    blocked = true;
    expect((await boot(configWith('warn'), filesWith(2, 2))).ok).toBe(false);
    blocked = false;
    await boot(configWith('warn'), filesWith(2, 2));
    expect(recorded.map(({ type }) => type)).toEqual(['ConfigurationChanged', 'GossipKeyRotated', 'TrustChanged']);
    expect(recorded[1]!.metadata).toMatchObject({ from: 'version 1', to: 'version 2' });
    await boot(configWith('warn'), filesWith(2, 2));
    expect(recorded).toHaveLength(3);
  });
});
