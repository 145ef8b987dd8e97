/**
 * Issue 6, “Shown by”: three nodes, each a process, whose agents ask each other all the time, while certificates are
 * renewed by CA nodes over links, the root of the cluster is rotated with `caxton security rotate-ca`, and a node is killed
 * with `kill -9` now and then, also in the middle of a renewal or of a rotation of the root. Links change to the new
 * certificates; every ask is answered or failed cleanly, none wrongly, and while nobody is killed every ask is answered.
 *
 * `06-rotation.ts [rotations] [seed] [--roots N]`; 20 rotations and no root by default. 100 and 10 take about ten minutes.
 */
import { execFile, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { developmentCluster } from '../../src/development/development-cluster.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import type { NodeId } from '../../src/names.ts';
import { seededRandom } from '../../src/testing/seeded-random.ts';
import type { Look } from './faulty-node.ts';
import { NodeProcess } from './faulty-process.ts';
import { claim } from './launcher.ts';

const run = promisify(execFile);
const {
  positionals: [rotationsText = '20', seedText = '1'],
  values: { roots: rootsText = '0' },
} = parseArgs({ allowPositionals: true, options: { roots: { type: 'string' } } });
const rotations = Number(rotationsText);
const rootRotations = Number(rootsText);
const random = seededRandom(Number(seedText));
const begunMs = performance.now();
const home = mkdtempSync(join(tmpdir(), 'caxton-rotation-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));
const folder = join(home, 'cluster');
const everyMs = 25;
const withinMs = 30_000;

// Two CA nodes: one of them may be the one that is killed.
const names = ['node-1', 'node-2', 'node-3'];
await developmentCluster({ folder, nodes: names, caNodes: ['node-1', 'node-2'] });
const layout = clusterLayout(folder);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const nodes = names.map((id) => new NodeProcess(id, layout));
await Promise.all(nodes.map(({ up }) => up));
const targets = names.flatMap((id) => [`default/echo-${id}`, `other/echo-${id}`]);

/** What became of all asks, over all lives of all nodes. */
const total = { asked: 0, answered: 0, wrong: 0, stray: 0, slowestMs: 0, lost: 0, refused: 0 };
const codes: Record<string, number> = {};
const counted = new Map<NodeProcess, Look['tally']>();

function count(node: NodeProcess, tally: Look['tally'], isOver: boolean): void {
  const before = counted.get(node);
  for (const key of ['asked', 'answered', 'wrong', 'stray'] as const) total[key] += tally[key] - (before?.[key] ?? 0);
  for (const [code, number] of Object.entries(tally.refused)) {
    const more = number - (before?.refused[code] ?? 0);
    total.refused += more;
    codes[code] = (codes[code] ?? 0) + more;
  }
  total.slowestMs = Math.max(total.slowestMs, tally.slowestMs);
  // What a process that was killed was about to ask or to hear is gone with it.
  if (isOver) total.lost += tally.open;
  counted.set(node, tally);
}

const looks = () => Promise.all(nodes.map((node) => node.look()));

/** Whether all are members, linked, and have seen each other’s present certificates. */
function faultsOf(all: readonly Look[]): string[] {
  const serials = new Map(names.map((id, index) => [id, all[index]!.serial]));
  return all.flatMap((look, index) => [
    ...look.members
      .filter(({ status }) => status !== 'alive')
      .map(({ nodeId }) => `${names[index]}: ${nodeId} not alive`),
    ...(look.links.length === names.length - 1 ? [] : [`${names[index]} has ${look.links.length} links`]),
    ...look.links
      .filter(({ peer, serial }) => serials.get(peer) !== serial)
      .map(({ peer }) => `${names[index]} sees ${peer}’s old one`),
    ...(look.agents.every(({ state }) => state === 'running' || state === 'remote') ? [] : [`${names[index]}: agents`]),
    ...(look.agents.length === 4 * names.length ? [] : [`${names[index]}: ${look.agents.length} agents`]),
  ]);
}

async function until(what: string, holds: () => Promise<string[]>): Promise<void> {
  const end = performance.now() + withinMs;
  for (;;) {
    const faults = await holds();
    if (faults.length === 0) return;
    if (performance.now() > end) claim(what, false, faults.join('; '));
    await pause(20);
  }
}

const whole = () => until('three nodes are whole', async () => faultsOf(await looks()));
const mark = () => Promise.all(nodes.map((node) => node.order({ do: 'mark' })));
const draw = (below: number): number => random.uint32() % below;

/** The longest time between two answers of one agent while `act` runs. */
async function longestGap(act: () => Promise<void>): Promise<number> {
  await mark();
  await act();
  return Math.max(...(await looks()).map(({ tally }) => tally.longestGapMs));
}

async function rotate(index: number): Promise<void> {
  const node = nodes[index]!;
  const { serial } = await node.look();
  await node.order({ do: 'rotate' });
  await until(`${node.id} has another certificate`, async () =>
    (await node.look()).serial === serial ? ['not yet'] : [],
  );
  await whole();
}

async function restart(index: number): Promise<void> {
  const id = names[index]!;
  nodes[index] = new NodeProcess(id, layout);
  await nodes[index].up;
  await nodes[index].order({ do: 'load', targets, desks: [], everyMs });
}

/** Kills a node, perhaps the one that renews or the one that signs, at some moment of the renewal. */
async function rotateUnderKill(index: number): Promise<string> {
  const victim = draw(nodes.length);
  const node = nodes[victim]!;
  await nodes[index]!.order({ do: 'rotate' });
  await pause(draw(60));
  count(node, (await node.look()).tally, true);
  node.kill();
  await node.ended;
  await restart(victim);
  await whole();
  const pair = layout.node(names[index] as NodeId);
  const certificate = new X509Certificate(readFileSync(pair.certificate));
  const { serial } = await nodes[index]!.look();
  claim(`${names[index]}’s files are those that it shows`, certificate.serialNumber === serial);
  return node.id;
}

const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');
/** The command line, as an operator calls it; also when it ends with 1, since members that are missing are no fault of it. */
async function caxton(
  ...words: string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const env = { ...process.env, CAXTON_PROFILE: layout.profile };
  try {
    return { code: 0, ...(await run(process.execPath, [program, ...words], { env, cwd: home })) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

interface RootsSeen {
  readonly stage: string;
  readonly generation: number;
  readonly roots: readonly { readonly serial: string }[];
  readonly members: readonly { readonly nodeId: string; readonly root: string | null }[];
}

async function rootsNow(): Promise<RootsSeen> {
  const { code, stdout, stderr } = await caxton('security', 'rotate-ca', '--status', '--output', 'json');
  claim('caxton security rotate-ca --status', code === 0, stderr.trim());
  return JSON.parse(stdout) as RootsSeen;
}

/** The command is killed at some moment of a rotation: the next one goes on from there. */
async function interruptedRotation(): Promise<void> {
  const env = { ...process.env, CAXTON_PROFILE: layout.profile };
  const command = spawn(process.execPath, [program, 'security', 'rotate-ca'], { env, cwd: home, stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => command.once('exit', () => resolve()));
  await pause(1_000 + draw(4_000));
  command.kill('SIGKILL');
  await ended;
}

/** Rotates the root; with `victim` a node is killed at some moment of it and started again. Every third time the operator’s command is killed too. */
async function rotateRoot(victim: number | undefined, interrupted: boolean): Promise<void> {
  const before = await rootsNow();
  if (interrupted) await interruptedRotation();
  const rotating = caxton('security', 'rotate-ca', '--wait', '60s');
  if (victim !== undefined) {
    await pause(draw(4_000));
    const node = nodes[victim]!;
    count(node, (await node.look()).tally, true);
    node.kill();
    await node.ended;
    await restart(victim);
  }
  const { code, stdout, stderr } = await rotating;
  // What it waited for last says where the time went.
  const waited = stderr.split('waiting for:').slice(1).at(-1)?.split('generation ')[0]?.trim().replaceAll(/\s+/g, ' ');
  claim('caxton security rotate-ca', code === 0, code === 0 ? (waited ?? '') : `${stdout}${stderr}`);
  await whole();
  const after = await rootsNow();
  const [root] = after.roots;
  claim(
    `the root is another one, and everybody stands under it: ${root?.serial}`,
    after.stage === 'settled' &&
      after.roots.length === 1 &&
      before.roots.every(({ serial }) => serial !== root?.serial) &&
      after.members.every((member) => member.root === root?.serial) &&
      // Killed after the end of one, the command was run for another one.
      [3, ...(interrupted ? [6] : [])].includes(after.generation - before.generation),
    JSON.stringify(after.members.map(({ nodeId, root: under }) => [nodeId, under])),
  );
}

await whole();
for (const node of nodes) await node.order({ do: 'load', targets, desks: [], everyMs });
await pause(3_000);
for (const node of nodes) count(node, (await node.look()).tally, false);
claim('before any rotation every ask is answered', total.refused === 0 && total.wrong === 0, `${total.answered} asks`);
const calmMs: number[] = [];
for (let round = 0; round < 5; round += 1) calmMs.push(await longestGap(async () => void (await pause(1_000))));

const gapsMs: number[] = [];
let kills = 0;
let refusedWithoutKill = 0;
let rootKills = 0;
const rootMs: number[] = [];
/** After which rotations of leaves the root is rotated: spread over the whole run. */
const rootAfter = Array.from({ length: rootRotations }, (_, at) =>
  Math.floor(((at + 1) * rotations) / (rootRotations + 1)),
);
const seen = new Set((await looks()).map(({ serial }) => serial));

async function rootTurn(number: number): Promise<void> {
  const began = performance.now();
  for (const node of nodes) count(node, (await node.look()).tally, false);
  const before = total.refused;
  // Every second one; one at least.
  const victim = number % 2 === 0 || rootRotations === 1 ? draw(nodes.length) : undefined;
  const interrupted = number % 3 === 0;
  let how: string;
  if (victim === undefined) {
    const gapMs = await longestGap(() => rotateRoot(undefined, interrupted));
    gapsMs.push(gapMs);
    for (const node of nodes) count(node, (await node.look()).tally, false);
    refusedWithoutKill += total.refused - before;
    how = `longest pause ${gapMs.toFixed(0)} ms`;
  } else {
    rootKills += 1;
    await rotateRoot(victim, interrupted);
    how = `${names[victim]} killed`;
    await pause(3_500);
  }
  for (const { serial } of await looks()) seen.add(serial);
  rootMs.push(performance.now() - began);
  process.stdout.write(
    `     root ${number}: ${rootMs.at(-1)!.toFixed(0)} ms, ${how}${interrupted ? ', the command killed and run again' : ''}\n`,
  );
}

let rooted = 0;
for (let rotation = 1; rotation <= rotations; rotation += 1) {
  while (rooted < rootRotations && rootAfter[rooted]! < rotation) await rootTurn(++rooted);
  const index = draw(nodes.length);
  const began = performance.now();
  for (const node of nodes) count(node, (await node.look()).tally, false);
  const before = total.refused;
  let how = '';
  // One in five, and one at least.
  if (draw(5) === 0 || (rotation === rotations && kills === 0)) {
    kills += 1;
    how = `${await rotateUnderKill(index)} killed`;
    // What was asked of it is to have its end before asks count again.
    await pause(3_500);
  } else {
    const gapMs = await longestGap(async () => {
      await rotate(index);
      await pause(1_000);
    });
    gapsMs.push(gapMs);
    for (const node of nodes) count(node, (await node.look()).tally, false);
    refusedWithoutKill += total.refused - before;
    how = `longest pause ${gapMs.toFixed(0)} ms`;
  }
  for (const { serial } of await looks()) seen.add(serial);
  process.stdout.write(
    `     ${String(rotation).padStart(3)} ${names[index]}: ${(performance.now() - began).toFixed(0).padStart(5)} ms, ${how}\n`,
  );
}

while (rooted < rootRotations) await rootTurn(++rooted);
for (const node of nodes) await node.order({ do: 'rest' });
await pause(3_500);
let open = 0;
for (const node of nodes) {
  const { tally } = await node.look();
  count(node, tally, false);
  open += tally.open;
}
const worst = (all: readonly number[]): string => (all.length === 0 ? '–' : Math.max(...all).toFixed(0));
process.stdout.write(
  `     ${rotations} rotations, ${kills} with a kill; ${rootRotations} of the root, ${rootKills} with a kill, ` +
    `the slowest ${worst(rootMs)} ms; ${seen.size - names.length} new certificates seen\n` +
    `     ${total.asked} asks: ${total.answered} answered, ${total.refused} refused ` +
    `(${
      Object.entries(codes)
        .map(([code, number]) => `${code} ${number}`)
        .join(', ') || 'none'
    }), ` +
    `the slowest after ${total.slowestMs.toFixed(0)} ms\n` +
    `     longest time between two answers of one agent that is asked every ${everyMs} ms: ` +
    `${worst(gapsMs)} ms over a rotation, ${worst(calmMs)} ms without one\n`,
);
claim('no ask hangs', open === 0);
claim('none is answered wrongly or twice', total.wrong === 0 && total.stray === 0);
claim('while nobody is killed every ask is answered', refusedWithoutKill === 0, `${refusedWithoutKill} refused`);
claim('most rotations gave a certificate', seen.size - names.length >= rotations - kills);
for (const { id } of nodes) {
  const { code, stdout, stderr } = await caxton('audit', 'verify', '--node', id);
  claim(`caxton audit verify --node ${id}`, code === 0, code === 0 ? stdout.trim().replaceAll(/\s+/g, ' ') : stderr);
}
for (const node of nodes) node.stop();
const exits = await Promise.all(nodes.map(({ ended }) => ended));
claim(
  'all nodes stop in order',
  exits.every((code) => code === 0),
  exits.join(' '),
);
const worstGap = gapsMs.length === 0 ? 0 : Math.max(...gapsMs);
process.stdout.write(
  `SUMMARY leaf rotations ${rotations} (kills ${kills}), root rotations ${rootRotations} (kills ${rootKills}), ` +
    `asks ${total.asked}: answered ${total.answered}, refused ${total.refused}, lost with a killed process ${total.lost}, ` +
    `wrong ${total.wrong}, stray ${total.stray}, open ${open}; longest pause ${worstGap.toFixed(0)} ms; ` +
    `${((performance.now() - begunMs) / 1000).toFixed(0)} s\n`,
);
