import { createHash, type KeyObject } from 'node:crypto';
import { resolve } from 'node:path';
import { signDeployment } from '../../actors/agents/deployer.ts';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { nodeDisk } from '../../actors/operations/node-disk.ts';
import { faultTexts, readYaml } from '../../config/problems.ts';
import { ed25519PublicKey, publicKeyFromText } from '../../crypto/keys.ts';
import { osCrypto } from '../../crypto/port.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isNodeId } from '../../names.ts';
import { inlinePolicy, type PolicyRules } from '../../protocols/authorization/policy-rules.ts';
import type { AgentCode, AgentKind } from '../../protocols/deployment/manifest.ts';
import { malformed, readShape } from '../../protocols/json/shape.ts';
import { actionsGiven, depthGiven, giveSigned } from '../capability/grant.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { readTextFile } from '../read-text.ts';
import { readLifetime } from '../security/validity.ts';
import { signingKey } from '../signing-key.ts';
import { agentGiven } from './agent-argument.ts';

/** Signs a deployment with the deployer’s key, and says nothing to any node. */
export async function sign(invocation: Invocation): Promise<ExitCode> {
  const { text, list } = invocation;
  const agentId = agentGiven(invocation);
  const nodes = [...new Set(list('place'))].map((node) => {
    if (isNodeId(node)) return node;
    throw new UsageError(`--place: “${node}” is no node id.`);
  });
  const actions = actionsGiven(invocation);
  const now = Math.floor(nodeClock.now());
  const generation = Number(text('generation') ?? now);
  if (!Number.isSafeInteger(generation) || generation < 1)
    throw new UsageError('--generation is a whole number from 1.');
  const delegations = depthGiven(invocation);
  const validForMs = readLifetime(text('validity') ?? '90d', 'validity');
  const kind = kindGiven(invocation);
  const deployer = await signingKey(invocation, 'deployer-key', 'a deployer’s');
  const issuer =
    text('issuer-key') === undefined ? deployer : await signingKey(invocation, 'issuer-key', 'an issuer’s');
  const policy = await policyGiven(invocation);
  const signed = signDeployment(
    deployer,
    {
      ...{ agentId, kind, code: await codeGiven(invocation, kind), services: [...new Set(list('service'))], actions },
      ...{ agentKey: await keyGiven(invocation), nodes, generation, now, validForMs, delegations, issuer },
      ...(policy && { policy }),
    },
    osCrypto,
  );
  return giveSigned(invocation, JSON.stringify(signed));
}

const kinds = ['handler', 'chart', 'console'] as const satisfies readonly AgentKind[];

function kindGiven({ text }: Invocation): (typeof kinds)[number] {
  const given = text('kind') ?? 'handler';
  const kind = kinds.find((known) => known === given);
  if (kind === undefined) throw new UsageError(`--kind is ${kinds.join(', ')}.`);
  if ((kind === 'console') !== (text('module') === undefined))
    throw new UsageError(
      kind === 'console' ? 'A console has no code: leave --module out.' : '--module names its code.',
    );
  return kind;
}

async function codeGiven({ text, terminal }: Invocation, kind: AgentKind): Promise<AgentCode | null> {
  if (kind === 'console') return null;
  const module = text('module')!;
  const path = resolve(terminal.cwd, text('modules-dir') ?? '.', module);
  const bytes = await nodeDisk.readFile(path);
  if (!bytes)
    throw new CaxtonError('FILE_UNREADABLE', `${path} is not there. --modules-dir names the folder of ${module}.`);
  return { module, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

async function keyGiven({ text, terminal }: Invocation): Promise<KeyObject> {
  const given = text('agent-key');
  if (given === undefined) return osCrypto.generateKeyPair('ed25519').publicKey;
  const written = given.startsWith('@') ? await readTextFile(given.slice(1), terminal.cwd, limits.pemBytesMax) : given;
  const raw = publicKeyFromText(written.trim());
  const key = raw.ok ? ed25519PublicKey(raw.value) : raw;
  if (key.ok) return key.value;
  throw new UsageError(`--agent-key: ${key.refusal.reasons[0]}`);
}

async function policyGiven({ text, terminal }: Invocation): Promise<PolicyRules | undefined> {
  const file = text('policy');
  if (file === undefined) return undefined;
  const yaml = readYaml(await readTextFile(file, terminal.cwd, limits.manifestBytesMax));
  const [fault, ...more] = faultTexts(yaml, file);
  if (fault !== undefined) throw new CaxtonError('CONFIG_INVALID', [fault, ...more]);
  return unwrap(readShape(inlinePolicy, yaml.value, malformed(`The policy in ${file}`)));
}
