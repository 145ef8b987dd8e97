import { open, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { listSegments, readSegmentHeader } from '../../actors/operations/audit/audit-segment.ts';
import { nodeDisk } from '../../actors/operations/node-disk.ts';
import { readConfigFile } from '../../config/config-file.ts';
import { readKeyFile } from '../../config/key-file.ts';
import { findConfig, loadConfig } from '../../config.ts';
import { osCrypto } from '../../crypto/port.ts';
import { createVaultRing, type VaultRing, vaultRingFromText } from '../../crypto/vault.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { writeJson } from '../output.ts';

interface Ring {
  readonly path: string;
  /** The folder of the audit log that the ring’s keys open; undefined when only the file was named. */
  readonly log: string | undefined;
}

/** Makes a ring with one key, where there is none yet. */
export async function createVaultKey(invocation: Invocation): Promise<ExitCode> {
  const { path } = await ringOf(invocation);
  const ring = createVaultRing(osCrypto);
  await locked(path, async () => {
    if (await nodeDisk.stat(path))
      throw new CaxtonError('ALREADY_EXISTS', [
        `${path} is there already.`,
        'caxton security rotate-vault-key adds a key to it; without the old ones what they sealed could not be read.',
      ]);
    await nodeDisk.makeFolder(dirname(path), 0o700);
    await nodeDisk.writeFileAtomic(path, Buffer.from(ring.toText()), 0o600);
  });
  return told(invocation, path, ring, 'made');
}

/** Adds a key that is current from now on. A node that runs takes it over within a minute. */
export async function rotateVaultKey(invocation: Invocation): Promise<ExitCode> {
  const { path } = await ringOf(invocation);
  const ring = await changed(path, (before) => unwrap(before.rotated(osCrypto)));
  return told(invocation, path, ring, 'rotated');
}

/** Removes an old key, once no segment of the log is wrapped with it any more. */
export async function dropVaultKey(invocation: Invocation): Promise<ExitCode> {
  const { path, log } = await ringOf(invocation);
  if (log === undefined)
    throw new UsageError('--log is missing: with --file, the audit folder that must not need the key.');
  if (!(await nodeDisk.stat(log)))
    throw new CaxtonError('FILE_UNREADABLE', `There is no folder ${log}, so nothing shows that the key is not needed.`);
  const id = invocation.text('key')!;
  const ring = await changed(path, async (before) => {
    const user = await segmentUnder(log, id);
    if (user !== undefined)
      throw new CaxtonError('ALREADY_EXISTS', [
        `${user} is still sealed under the key ${id}.`,
        'A running node wraps old segments anew within some minutes after a rotation; drop the key then.',
      ]);
    return unwrap(before.without(id));
  });
  return told(invocation, path, ring, 'changed');
}

async function ringOf({ text, terminal }: Invocation): Promise<Ring> {
  const [file, flag, log] = [text('file'), text('config'), text('log')];
  if (file !== undefined && flag !== undefined) throw new UsageError('--file and --config name two rings.');
  if (log !== undefined && file === undefined) throw new UsageError('--log goes with --file; node.yaml names its own.');
  if (file !== undefined)
    return { path: resolve(terminal.cwd, file), log: log === undefined ? log : resolve(terminal.cwd, log) };
  const where = { env: terminal.env, cwd: terminal.cwd };
  const found = unwrap(findConfig(flag === undefined ? where : { ...where, flag }));
  const { vault, audit } = unwrap(loadConfig(unwrap(await readConfigFile(found)), { file: found })).security;
  if (vault.kind === 'file') return { path: vault.path, log: audit.logPath };
  throw new CaxtonError('NOT_SUPPORTED', [
    `${found} takes the ring from ${vault.kind === 'env' ? 'the environment variable' : 'the credential'} ${vault.name}.`,
    'Put its text into a file of mode 0600, name that with --file, and store the result where it came from.',
  ]);
}

async function changed(path: string, change: (ring: VaultRing) => VaultRing | Promise<VaultRing>): Promise<VaultRing> {
  return locked(path, async () => {
    const text = new TextDecoder().decode(unwrap(await readKeyFile(path)));
    const ring = await change(unwrap(vaultRingFromText(text)));
    await nodeDisk.writeFileAtomic(path, Buffer.from(ring.toText()), 0o600);
    return ring;
  });
}

/** One change at a time: of two at once the later would drop the key of the earlier, which may be in use by then. */
async function locked<T>(path: string, act: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  await nodeDisk.makeFolder(dirname(path), 0o700);
  const file = await open(lock, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST'
      ? new CaxtonError('ALREADY_EXISTS', `${lock} is there: another change is under way. If none is, remove it.`)
      : new CaxtonError('FILE_UNREADABLE', `${lock} cannot be made: ${error.message}.`);
  });
  try {
    return await act();
  } finally {
    await file.close();
    await rm(lock, { force: true });
  }
}

/** The first segment whose data key is wrapped with a key of the vault. */
async function segmentUnder(log: string, id: string): Promise<string | undefined> {
  for (const segment of await listSegments(nodeDisk, log)) {
    const header = await readSegmentHeader(nodeDisk, segment);
    // What cannot be read cannot be shown to be free of the key.
    if (!header || header.lock.vaultKey === id) return segment.path;
  }
  return undefined;
}

function told({ terminal, json }: Invocation, path: string, ring: VaultRing, what: string): ExitCode {
  const { currentId, ids } = ring;
  if (json) writeJson(terminal, { path, current: currentId, keys: ids });
  else terminal.out(`${path}: ${what}; current key ${currentId}, ${ids.length} held\n`);
  return 0;
}
