/**
 * Issue 2, “Shown by” 2: `npm start`; from another terminal `message send` is answered; `kill -9` of one node, and the
 * others say so within seconds while the remaining agents go on; started again, it rejoins; Ctrl-C leaves no process
 * and no lock behind.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { alive, claim, launch } from './launcher.ts';

const cluster = await launch();
await cluster.until('the cluster is up and the conversation is over', () =>
  cluster.output().includes('runs until Ctrl-C') ? true : undefined,
);
claim('the contract net across nodes gave a result', /result: \d+ = /.test(cluster.output()));
claim('the intruder was refused with reasons', /refused.*default\/intruder/.test(cluster.output()));
claim('the key exchange is the post-quantum hybrid', cluster.output().includes('X25519MLKEM768'));

const sent = await cluster.caxton('message', 'send', '--to', 'default/echo', '--content', 'hello');
claim('message send is answered', sent.code === 0 && sent.stdout.includes('hello'), sent.stdout.trim());
for (const words of [
  ['cluster', 'members'],
  ['agent', 'list'],
  ['audit', 'tail'],
  ['audit', 'verify'],
  ['server', 'status'],
]) {
  const table = await cluster.caxton(...words);
  const json = await cluster.caxton(...words, '--output', 'json');
  claim(
    `${words.join(' ')} answers`,
    table.code === 0 && json.code === 0 && typeof JSON.parse(json.stdout) === 'object',
  );
}

type Members = { items: { nodeId: string; status: string; link: string }[] };
const statusOf = async (node: string, seenBy: string): Promise<string | undefined> => {
  const { code, stdout } = await cluster.caxton('cluster', 'members', '--node', seenBy, '--output', 'json');
  return code === 0 ? (JSON.parse(stdout) as Members).items.find(({ nodeId }) => nodeId === node)?.status : undefined;
};

const victim = await cluster.pidOf('node-3');
const pids = [await cluster.pidOf('node-1'), await cluster.pidOf('node-2'), victim];
process.kill(victim, 'SIGKILL');
const killedAt = performance.now();
for (const seenBy of ['node-1', 'node-2']) {
  const status = await cluster.until(`${seenBy} notices`, async () => {
    const seen = await statusOf('node-3', seenBy);
    return seen === 'dead' || seen === 'unreachable' ? seen : undefined;
  });
  claim(
    `${seenBy} says that node-3 is ${status}`,
    true,
    `${((performance.now() - killedAt) / 1000).toFixed(1)} s after kill -9`,
  );
}
const after = await cluster.caxton(
  'message',
  'send',
  '--to',
  'default/echo',
  '--content',
  'still here',
  '--node',
  'node-2',
);
claim('the remaining agents go on', after.code === 0 && after.stdout.includes('still here'));
const command = /Start it again with:\s+npx (caxton server start --config (\S+))/.exec(cluster.output());
claim('the launcher prints the command that starts it again', command !== null, command?.[1] ?? '');

const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');
const again = spawn(process.execPath, [program, 'server', 'start', '--config', command![2]!], { stdio: 'ignore' });
const startedAt = performance.now();
for (const seenBy of ['node-1', 'node-2'])
  await cluster.until(`${seenBy} sees it again`, async () =>
    (await statusOf('node-3', seenBy)) === 'alive' ? true : undefined,
  );
claim('started again, it rejoins', true, `${((performance.now() - startedAt) / 1000).toFixed(1)} s after its start`);
const worker = await cluster.until('its agents are back', async () => {
  const { code, stdout } = await cluster.caxton('agent', 'list', '--node', 'node-1', '--output', 'json');
  if (code !== 0) return undefined;
  const list = JSON.parse(stdout) as { items: { agentId: string; reachable: boolean }[] };
  return list.items.find(({ agentId, reachable }) => agentId === 'default/worker-b' && reachable);
});
claim('its agents are back', worker !== undefined);

again.kill('SIGINT');
const againCode = await new Promise<number | null>((resolve) => again.once('exit', resolve));
claim('a node stops in order on SIGINT', againCode === 0, `exit ${againCode}`);
const ended = new Promise<number | null>((resolve) => cluster.launcher.once('exit', resolve));
// What a terminal does: the whole process group gets the signal.
process.kill(-cluster.launcher.pid!, 'SIGINT');
claim('Ctrl-C stops the launcher', (await ended) === 0);
claim(
  'no process is left',
  pids.every((pid) => !alive(pid)),
);
claim('no lock is left', !existsSync(`${cluster.dir}.lock`));
