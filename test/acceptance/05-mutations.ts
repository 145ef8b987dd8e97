/**
 * Issue 5, “Shown by” 2: whatever is done to an audit log is found, and the first bad record is named.
 *
 * `05-mutations.ts [TIMES [SEED]]` does each kind of harm TIMES (250) times to a log of open, closed, compressed and
 * rewrapped segments with its checkpoints; has one of each kind judged by `caxton audit verify --offline` as a process;
 * and then cuts the log of a node in a running cluster, once as a stranger and once with all that the node knows, which
 * `caxton audit verify --against-witness` finds.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { utf8 } from '../../src/actors/kernel/utf8.ts';
import { checkpointsName, newestCheckpointName } from '../../src/actors/operations/audit/checkpoint-file.ts';
import { verifyFolder } from '../../src/actors/operations/audit/folder-verification.ts';
import { signedHeadPlace } from '../../src/actors/operations/audit/signed-head.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import { unwrap } from '../../src/errors.ts';
import type { NodeId } from '../../src/names.ts';
import { blockHeadBytes, decodeBlockHead } from '../../src/protocols/audit/block-head.ts';
import { decodeSegmentHeader } from '../../src/protocols/audit/segment-header.ts';
import type { MemoryDisk } from '../../src/testing/memory-disk.ts';
import { copied, folder } from '../actors/operations/audit/proof-lab.ts';
import { flipBit } from '../crypto/fixtures.ts';
import {
  authority,
  checkpoints,
  keptElsewhere,
  recordCount,
  resigned,
  rewritten,
  segmentRecords,
  trust,
  vault,
  wholeLog,
} from './05-mutated-log.ts';
import { claim, launch } from './launcher.ts';

const times = Number(process.argv[2] ?? 250);
let seed = Number(process.argv[3] ?? Date.now() % 1_000_000) >>> 0;
console.log(`${times} of each kind, seed ${seed}`);

/** A whole number below `max`, drawn from the seed (xorshift). */
function drawn(max: number): number {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  seed >>>= 0;
  return seed % max;
}
const oneOf = <T>(all: readonly T[]): T => all[drawn(all.length)]!;
seed ||= 1;

interface Harm {
  readonly disk: MemoryDisk;
  /** The record that has to be named; 0: none is bad, something beside the log is. */
  readonly first: number;
  /** Checkpoints from elsewhere that it takes to find it. */
  readonly elsewhere?: readonly string[];
}

const log = await wholeLog();
const other = await wholeLog('node-2', (sequence) => `other ${sequence}`);
const kept = keptElsewhere(log);
/** Where the first record is that no checkpoint below `sequence` covers: a checkpoint says no more than that. */
const behind = (sequence: number): number => Math.max(0, ...checkpoints.filter((size) => size < sequence)) + 1;

/** The log with some bytes of one file replaced. */
function spliced(path: string, from: number, to: number, ...put: readonly Uint8Array[]): MemoryDisk {
  const disk = copied(log.disk);
  const bytes = log.disk.peek(path)!;
  disk.put(path, Buffer.concat([bytes.subarray(0, from), ...put, bytes.subarray(to)]));
  return disk;
}
const bytesOf = ({ path, from, to }: { path: string; from: number; to: number }) =>
  log.disk.peek(path)!.subarray(from, to);
const flipped = (path: string, from: number, to: number): MemoryDisk => {
  const disk = copied(log.disk);
  disk.put(path, flipBit(disk.peek(path)!, from * 8 + drawn((to - from) * 8)));
  return disk;
};
/** The texts of a log in which the thief of the vault’s key changed one record. */
const wordsWith = (act: string, at: number) => (sequence: number) => {
  if (act === 'changed') return `word ${sequence === at ? 'other' : sequence}`;
  if (act === 'removed') return `word ${sequence < at ? sequence : sequence + 1}`;
  if (act === 'inserted') return `word ${sequence < at ? sequence : sequence === at ? 'new' : sequence - 1}`;
  return `word ${sequence === at ? at + 1 : sequence === at + 1 ? at : sequence}`;
};

const kinds: Readonly<Record<string, () => Harm | Promise<Harm>>> = {
  'a bit of a block': () => {
    const { path, from, to, first } = oneOf(log.blocks);
    return { disk: flipped(path, from, to), first };
  },
  'a bit of a header, an identity or a lock': () => {
    const { path, from, to, first } = oneOf(log.headers);
    return { disk: flipped(path, from, to), first };
  },
  'a bit of a checkpoint': () => {
    const path = `${folder}/${oneOf([newestCheckpointName, checkpointsName])}`;
    return { disk: flipped(path, 0, log.disk.peek(path)!.length), first: 0 };
  },
  'a block removed': () => {
    const { path, from, to, first } = oneOf(log.blocks);
    return { disk: spliced(path, from, to), first };
  },
  'a block inserted': () => {
    const here = oneOf(log.blocks);
    const disk = spliced(here.path, here.from, here.from, bytesOf(oneOf(log.blocks.filter((one) => one !== here))));
    return { disk, first: here.first };
  },
  'two blocks swapped': () => {
    const at = drawn(log.blocks.length - 1);
    const [a, b] = [log.blocks[at]!, log.blocks[at + 1]!];
    const disk = spliced(a.path, a.from, a.to, bytesOf(b));
    if (a.path === b.path) disk.put(a.path, spliced(a.path, a.from, b.to, bytesOf(b), bytesOf(a)).peek(a.path)!);
    else disk.put(b.path, spliced(b.path, b.from, b.to, bytesOf(a)).peek(b.path)!);
    return { disk, first: a.first };
  },
  'bytes removed or inserted in a block': () => {
    const { path, from, to, first } = oneOf(log.blocks);
    const at = from + drawn(to - from);
    const disk = drawn(2) === 0 ? spliced(path, at, at + 1) : spliced(path, at, at, Uint8Array.of(drawn(256)));
    return { disk, first: disk.peek(path)!.length > log.disk.peek(path)!.length && at === from ? first : first };
  },
  'the tail cut, within or between blocks': async () => {
    const { path, from, to, first } = oneOf(log.blocks);
    const disk = spliced(path, drawn(4) === 0 ? from : from + drawn(to - from), Number.MAX_SAFE_INTEGER);
    for (const later of log.segments.slice(log.segments.indexOf(path) + 1)) await disk.remove(later);
    return { disk, first };
  },
  'a segment removed': async () => {
    const at = drawn(log.segments.length);
    const disk = copied(log.disk);
    await disk.remove(log.segments[at]!);
    return { disk, first: at * segmentRecords + 1 };
  },
  'a segment of another node in its place': () => {
    const at = drawn(log.segments.length);
    const disk = copied(log.disk);
    disk.put(log.segments[at]!, other.disk.peek(other.segments[at]!)!);
    return { disk, first: at * segmentRecords + 1 };
  },
  'two segments swapped': () => {
    const [a, b] = [drawn(log.segments.length - 1), log.segments.length - 1];
    const disk = copied(log.disk);
    disk.put(log.segments[a]!, log.disk.peek(log.segments[b]!)!);
    disk.put(log.segments[b]!, log.disk.peek(log.segments[a]!)!);
    return { disk, first: a * segmentRecords + 1 };
  },
  'a record changed, removed, inserted or swapped with the vault’s key': async () => {
    const at = 1 + drawn(recordCount - 1);
    const act = oneOf(['changed', 'removed', 'inserted', 'swapped']);
    return { disk: await rewritten(log, wordsWith(act, at)), first: behind(at) };
  },
  'the same, and the checkpoints signed anew with the log’s key': async () => {
    const at = 1 + drawn(recordCount - 1);
    const act = oneOf(['changed', 'removed', 'inserted', 'swapped']);
    const disk = await resigned(wordsWith(act, at), drawn(2) === 0);
    return { disk, first: behind(at), elsewhere: kept };
  },
};

const judge = ({ disk, elsewhere = [] }: Harm) => verifyFolder({ disk, folder, vault, trust, evidence: elsewhere });
const whole = await judge({ disk: log.disk, first: 0, elsewhere: kept });
claim('the log is good as it was written', whole.valid && whole.records === recordCount, `${whole.records} records`);

const home = mkdtempSync(join(tmpdir(), 'caxton-mutations-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));
writeFileSync(join(home, 'vault.key'), vault.toText(), { mode: 0o600 });
writeFileSync(join(home, 'ca.crt'), authority.certPem);
const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');

/** What the command line says of the same files. */
async function byCommand({ disk, elsewhere }: Harm): Promise<{ code: number; sequence: number | undefined }> {
  const copy = join(home, 'copy');
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy);
  for (const path of disk.paths()) writeFileSync(join(copy, basename(path)), disk.peek(path)!);
  if (elsewhere) writeFileSync(join(home, 'evidence'), elsewhere.join('\n'));
  const words = [
    'audit',
    'verify',
    '--offline',
    copy,
    '--vault',
    join(home, 'vault.key'),
    '--ca',
    join(home, 'ca.crt'),
  ];
  const more = elsewhere ? ['--evidence', join(home, 'evidence')] : [];
  try {
    await promisify(execFile)(process.execPath, [program, ...words, ...more, '--output', 'json']);
    return { code: 0, sequence: undefined };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { code, sequence: JSON.parse(stdout).firstBad?.sequence };
  }
}

console.log(
  `${'done to the log'.padEnd(70)} ${'times'.padStart(6)} ${'found'.padStart(6)} ${'named'.padStart(6)}  by command`,
);
let isGood = true;
for (const [name, make] of Object.entries(kinds)) {
  let found = 0;
  let named = 0;
  for (let done = 0; done < times; done++) {
    const harm = await make();
    const { valid, firstBad } = await judge(harm);
    found += valid ? 0 : 1;
    named += firstBad?.sequence === harm.first ? 1 : 0;
    if (firstBad?.sequence !== harm.first)
      console.log(`  ${name}: ${harm.first} was bad, and ${firstBad?.sequence} was named (${firstBad?.reason})`);
  }
  const harm = await make();
  const { code, sequence } = await byCommand(harm);
  const isSame = code === 1 && sequence === harm.first;
  isGood &&= found === times && named === times && isSame;
  const columns = [times, found, named].map((count) => String(count).padStart(6)).join(' ');
  console.log(`${name.padEnd(70)} ${columns}  ${isSame ? 'the same' : `exit ${code}, record ${sequence}`}`);
}
claim('whatever was done was found, and the first bad record was named', isGood);

/* A running cluster: what the log’s own node cannot find, its witnesses do. */
const cluster = await launch();
await cluster.until(
  'the cluster is up',
  () => (cluster.output().includes('runs until Ctrl-C') ? true : undefined),
  90_000,
);
const layout = clusterLayout(cluster.dir);
const against = (node: string) => cluster.caxton('audit', 'verify', '--against-witness', '--node', node);
await cluster.until('the logs are countersigned', async () => {
  const { code, stdout } = await against('node-3');
  return code === 0 && stdout.includes('and the log continues it') ? true : undefined;
});

/** Takes the newest `count` blocks off a log whose node does not run. Returns the number of the first record that is gone. */
function cut(audit: string, count: number): number {
  const name = readdirSync(audit)
    .filter((file) => file.endsWith('.seg'))
    .at(-1)!;
  const bytes = readFileSync(join(audit, name));
  const { length, identity } = unwrap(decodeSegmentHeader(bytes, utf8));
  const blocks: { readonly at: number; readonly first: number }[] = [];
  let first = identity.range.size + 1;
  for (let at = length; at < bytes.length; ) {
    const head = decodeBlockHead(bytes, at)!;
    blocks.push({ at, first });
    first += head.records;
    at += blockHeadBytes + head.sealedBytes;
  }
  const from = blocks.at(-count)!;
  writeFileSync(join(audit, name), bytes.subarray(0, from.at));
  return from.first;
}

for (const [who, node] of [
  ['a stranger', 'node-2'],
  ['a thief who has the node’s keys and its state', 'node-3'],
] as const) {
  const { folder: home, config } = layout.node(node as NodeId);
  process.kill(await cluster.pidOf(node), 'SIGKILL');
  await cluster.until(`${node} is gone`, async () =>
    (await cluster.caxton('server', 'status', '--node', node)).code !== 0 ? true : undefined,
  );
  const gone = cut(join(home, 'audit'), 6);
  // The thief makes the node forget what it signed last: with its key it signs whatever the log says now.
  if (node === 'node-3') {
    const state = new DatabaseSync(join(home, 'state.db'));
    state.prepare('DELETE FROM records WHERE collection = ? AND key = ?').run(...signedHeadPlace);
    state.close();
    for (const name of [newestCheckpointName, checkpointsName]) rmSync(join(home, 'audit', name), { force: true });
  }
  const again = spawn(process.execPath, [program, 'server', 'start', '--config', config], { stdio: 'ignore' });
  process.on('exit', () => again.kill('SIGKILL'));
  const verdict = await cluster.until(`${who} is found`, async () => {
    const answer = await against(node);
    return answer.code === 1 && /rollback|inconsistent|does not continue/.test(answer.stdout)
      ? answer.stdout
      : undefined;
  });
  const line = verdict.split('\n').find((text) => /rollback|inconsistent|does not continue/.test(text)) ?? '';
  claim(`the tail that ${who} cut (from record ${gone} on) is found`, true, line);
  const named = Number(/first bad record: (\d+)/.exec(verdict)?.[1] ?? 0);
  // A thief who took the checkpoints beside the log as well leaves nothing that would say more than “from the first on”.
  if (node === 'node-2')
    claim('and no record after it is called the first bad one', named > 0 && named <= gone, `${named}`);
  again.kill('SIGINT');
  await new Promise((resolve) => again.once('exit', resolve));
}
const ended = new Promise((resolve) => cluster.launcher.once('exit', resolve));
process.kill(-cluster.launcher.pid!, 'SIGINT');
await ended;
