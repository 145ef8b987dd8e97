/**
 * A node as a process, told to stop by SIGTERM while one of its agents never ends, another goes on throwing from a timer,
 * and a request is under way: it says which phase it is in and whom it did not wait for, ends in order with exit code 0,
 * and its audit log holds.
 */
import { StandaloneLab } from '../actors/standalone-lab.ts';
import { claim } from './launcher.ts';

const lab = new StandaloneLab();
process.on('exit', () => lab.dispose());
await lab.prepare({
  endless: 'export const handler = () => new Promise(() => {});',
  wild: `export const handler = () => { setInterval(() => { throw new Error('wild') }, 50) };`,
  slow: `export const handler = async (message, agent) => {
    await new Promise((resolve) => setTimeout(resolve, 700));
    agent.reply(message, { performative: 'inform', content: 'done' });
  };`,
});
await lab.start();
for (const name of ['console-node-1', 'endless', 'wild', 'slow']) await lab.deploy(name);
await lab.send('endless', 'begin');
await lab.send('wild', 'begin');
const answer = lab.send('slow', 'work', 10_000);
await new Promise((resolve) => setTimeout(resolve, 100));

lab.signal('SIGTERM');
const { code, afterMs } = await lab.ended();
claim('a request that was under way is answered', (await answer).reply?.content === 'done');
claim('it ends in order', code === 0, `exit code ${code} after ${Math.round(afterMs)} ms`);
claim('an agent that never ends costs its own shutdown time, and no more', afterMs > 4_900 && afterMs < 9_000);
const said = lab.said.split('\n');
const phases = ['stop-accepting', 'drain', 'leave-cluster', 'flush-audit', 'close'];
const at = phases.map((phase) => said.findIndex((line) => line.includes(`the node stops: ${phase}`)));
claim(
  'it said which phase it was in, in order',
  at.every((line, n) => line > (at[n - 1] ?? -1)),
  phases.join(', '),
);
claim(
  'it named whom it did not wait for',
  lab.said.includes('/node/agents/default/endless had not ended 5000 ms after'),
);
claim('nothing was uncaught', !/uncaught|unhandled/i.test(lab.said));

await lab.start();
const verified = await lab.client.auditVerification();
claim('its audit log holds', verified.valid);
const types = (await lab.client.auditRecords()).map((record) => (record as { type: string }).type);
claim('the stop is on record', types.includes('NodeStopped'));
lab.signal('SIGINT');
claim('SIGINT stops it as well', (await lab.ended()).code === 0);
