import { resolve } from 'node:path';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { nodeDisk } from '../../actors/operations/node-disk.ts';
import { createClient } from '../../client.ts';
import { parseDuration } from '../../config/quantity.ts';
import { createApiKey, readApiKey } from '../../crypto/api-key.ts';
import { osCrypto } from '../../crypto/port.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isName } from '../../names.ts';
import type { ApiKeyEntry, ApiKeySecret, ApiKeysBody } from '../../protocols/access/api-keys.ts';
import { parseResource, type Resource } from '../../protocols/access/resource.ts';
import { isBuiltInRole } from '../../protocols/access/roles.ts';
import { bodiesInForce, type NoticesState } from '../../protocols/notice/reconciliation.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { profileOf } from '../connect.ts';
import { type Published, publishNext, tellPublished } from '../notice/next-document.ts';
import { writeJson } from '../output.ts';

/** The whole key is never on a node: it is made here, shown once, and the nodes get its hash. */
interface NewSecret {
  readonly key: string;
  readonly secret: ApiKeySecret;
}

/** Makes a key that counts at every node. */
export async function create(invocation: Invocation): Promise<ExitCode> {
  const { text, list } = invocation;
  const id = idOf(invocation);
  const roles = list('role');
  if (roles.some((role) => !isName(role))) throw new UsageError('--role is the name of a role, such as viewer.');
  const resources = list('on').map((written) => usage(() => unwrap(parseResource(written)))) satisfies Resource[];
  const made = newSecret(invocation);
  const entry: ApiKeyEntry = {
    ...{ id, name: text('name') ?? id, roles },
    resources: resources.length === 0 ? ['*'] : resources,
    secrets: [made.secret],
  };
  return withKey(invocation, made.key, async (state) => {
    const keys = await heldKeys(invocation, state);
    const unknown = roles.find((role) => !isRole(state, role));
    if (unknown !== undefined) throw new CaxtonError('NOT_FOUND', `There is no role ${unknown}: see caxton role list.`);
    if (keys.some((key) => key.id === id))
      throw new CaxtonError('ALREADY_EXISTS', `There is a key ${id}: rotate it, or take another id.`);
    return { secret: made.secret, keys: { keys: [...keys, entry] } };
  });
}

/** A role that only one of two documents has permits nothing. */
const isRole = (state: NoticesState, named: string): boolean => {
  const bodies = bodiesInForce(state, 'roles');
  return (
    isBuiltInRole(named) || (bodies.length > 0 && bodies.every(({ roles }) => roles.some(({ name }) => name === named)))
  );
};

/** Gives a key another secret; the one before counts until the overlap is over. */
export async function rotate(invocation: Invocation): Promise<ExitCode> {
  const id = idOf(invocation);
  const overlapMs = timeOf(invocation, 'overlap', '24h');
  const made = newSecret(invocation);
  return withKey(invocation, made.key, async (state) => {
    const keys = await heldKeys(invocation, state);
    const before = keys.find((key) => key.id === id);
    if (!before) throw notThere(id);
    const secret = asLong(made.secret, before.secrets[0]!);
    const now = nodeClock.now();
    const shortened = ({ expiresAt, ...secret }: ApiKeySecret): ApiKeySecret => ({
      ...secret,
      expiresAt: Math.min(expiresAt ?? Number.MAX_SAFE_INTEGER, now + overlapMs),
    });
    const rotated = (key: ApiKeyEntry): ApiKeyEntry => ({
      ...key,
      // The newest of those before: a key that is rotated often does not gather more.
      secrets: [
        secret,
        ...key.secrets
          .map(shortened)
          .filter((secret) => secret.expiresAt! > Math.max(now, secret.notBefore))
          .slice(0, limits.apiKeySecretsMax - 1),
      ],
    });
    return { secret, keys: { keys: keys.map((key) => (key.id === id ? rotated(key) : key)) } };
  });
}

/** Takes a key out: at every node, at once. */
export async function revoke(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const id = idOf(invocation);
  const published = await publishNext(invocation, {
    kind: 'api-keys',
    changes: true,
    via: invocation.text('node'),
    body: async (state) => {
      const keys = await heldKeys(invocation, state);
      const isNamed = bodiesInForce(state, 'api-keys').some((body) => body.keys.some((key) => key.id === id));
      if (!isNamed) throw notThere(id);
      return { keys: keys.filter((key) => key.id !== id) };
    },
  });
  if (json) writeJson(terminal, { id, ...published, seenAt: published?.seenAt ?? null });
  else {
    terminal.out(`revoked ${id}\n`);
    tellPublished(invocation, 'api-keys', published!);
  }
  return 0;
}

const notThere = (id: string): CaxtonError =>
  new CaxtonError('NOT_FOUND', `There is no key ${id} in the cluster’s document: see caxton api-key list.`);

/**
 * The keys that the next document goes on from; before there is one, the key that this command uses: nodes go by the document alone
 * as soon as they hold it.
 */
async function heldKeys(invocation: Invocation, state: NoticesState): Promise<readonly ApiKeyEntry[]> {
  const [held] = bodiesInForce(state, 'api-keys');
  return held ? held.keys : [await ownKey(invocation)];
}

async function ownKey(invocation: Invocation): Promise<ApiKeyEntry> {
  const { caPem, apiKey, nodes } = await profileOf(invocation);
  const named = invocation.text('node');
  const node = nodes.find(({ id }) => id === named) ?? nodes[0]!;
  const client = createClient({ address: node.api, caPem, apiKey });
  try {
    const { identity } = await client.whoami();
    const id = identity.replace(/^apikey:/, '');
    if (!isName(id))
      throw new CaxtonError('PROTOCOL_VIOLATION', 'The node does not say whose the key is that this command uses.');
    const { hash } = unwrap(readApiKey(apiKey));
    // Whoever has the authority’s key may say so; what the node says of its roles nobody has signed.
    const roles = ['admin'];
    invocation.terminal.err(
      `It is the first document of keys: ${id}, which this command uses, is in it too, as admin.\n`,
    );
    return {
      ...{ id, name: id, roles, resources: ['*'] },
      secrets: [{ hash, notBefore: 0 }],
    };
  } finally {
    client.close();
  }
}

/** Publishes, and shows the key: to a file that is there before anything is published, or on standard output. */
async function withKey(
  invocation: Invocation,
  key: string,
  next: (state: NoticesState) => Promise<{ readonly secret: ApiKeySecret; readonly keys: ApiKeysBody }>,
): Promise<ExitCode> {
  const { terminal, text, json } = invocation;
  const out = text('out');
  const path = out === undefined ? undefined : resolve(terminal.cwd, out);
  if (path !== undefined) {
    if (await nodeDisk.stat(path))
      throw new CaxtonError('ALREADY_EXISTS', `${path} is there already; name another file.`);
    await nodeDisk.writeFileAtomic(path, Buffer.from(`${key}\n`), 0o600);
  }
  let published: Published | undefined;
  let expiresAt: number | undefined;
  try {
    published = await publishNext(invocation, {
      kind: 'api-keys',
      changes: true,
      via: text('node'),
      body: async (state) => {
        const { secret, keys } = await next(state);
        expiresAt = secret.expiresAt;
        return keys;
      },
    });
  } finally {
    // Nobody knows of it, so it opens nothing.
    if (published === undefined && path !== undefined) await nodeDisk.remove(path);
  }
  const end = expiresAt === undefined ? undefined : new Date(expiresAt).toISOString();
  if (json)
    writeJson(terminal, {
      ...{ id: idOf(invocation), ...(path === undefined ? { key } : { path }) },
      ...(end === undefined ? {} : { expiresAt: end }),
      ...{ ...published, seenAt: published?.seenAt ?? null },
    });
  else {
    terminal.out(path === undefined ? `${key}\n` : `${path}\n`);
    terminal.err(
      `${path === undefined ? 'It is not shown again' : 'Only this file has it'}.${end === undefined ? '' : ` It counts until ${end}.`}\n`,
    );
    tellPublished(invocation, 'api-keys', published!);
  }
  return 0;
}

function newSecret(invocation: Invocation): NewSecret {
  const now = nodeClock.now();
  const { key, hash } = createApiKey(osCrypto);
  const validity = invocation.text('validity');
  const expires = validity === undefined ? {} : { expiresAt: now + timeOf(invocation, 'validity', validity) };
  // From before now, since the clocks of the nodes are not this one.
  return { key, secret: { hash, notBefore: now - limits.clockSkewMsMax, ...expires } };
}

/** A key that ends goes on ending: unless something else is said, it lives as long again. */
const asLong = (secret: ApiKeySecret, before: ApiKeySecret): ApiKeySecret =>
  secret.expiresAt !== undefined || before.expiresAt === undefined
    ? secret
    : { ...secret, expiresAt: secret.notBefore + before.expiresAt - before.notBefore };

function idOf({ text }: Invocation): string {
  const id = text('id') ?? '';
  if (isName(id)) return id;
  throw new UsageError('A key’s id is a-z, 0-9, “_” and “-”, at most 63 characters, the first a letter or digit.');
}

function timeOf({ text }: Invocation, option: string, otherwise: string): number {
  const ms = parseDuration(text(option) ?? otherwise);
  if (ms === undefined || ms > limits.certificateLifetimeMsMax)
    throw new UsageError(`--${option} is a time such as 24h or 90d.`);
  return ms;
}

function usage<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof CaxtonError ? new UsageError(error.message) : error;
  }
}
