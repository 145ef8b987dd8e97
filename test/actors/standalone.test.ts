import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StandaloneLab } from './standalone-lab.ts';

/** An agent that throws in every way that gets past its handler, from the moment in which its module is loaded. */
const wild = `
setTimeout(() => { throw new Error('at import') }, 1);
const trap = () => { throw new Error('a trap') };
const odd = {
  proxy: () => new Proxy({}, { get: trap, getPrototypeOf: trap, ownKeys: trap }),
  getter: () => Object.defineProperties(new Error('odd'), { message: { get: trap }, stack: { get: trap }, x: { get: trap, enumerable: true } }),
  huge: () => new Error('x'.repeat(30_000_000)),
  nothing: () => undefined,
};
export const handler = (message, agent) => {
  const { content } = message;
  console.log(content);
  if (content === 'ping') agent.reply(message, { performative: 'inform', content: 'pong' });
  else if (content === 'reject') Promise.reject(new SyntaxError('words were quoted'));
  else if (content === 'again and again') setInterval(() => { throw new Error('again') }, 2);
  else setTimeout(() => { throw odd[content]() }, 1);
};
`;
const endless = `export const handler = () => new Promise(() => {});`;

const lab = new StandaloneLab();
beforeAll(() => lab.prepare({ wild, endless }));
afterAll(() => lab.dispose());

const crashes = (): number => lab.said.split('/node/agents/default/wild is restarted').length - 1;

describe('a node as a process of its own', () => {
  it('lives on whatever its agents throw, says so each time, and ends in order although they go on', async () => {
    await lab.start();
    for (const name of ['console-node-1', 'wild', 'endless']) await lab.deploy(name);
    for (const [at, what] of ['reject', 'proxy', 'getter', 'huge', 'nothing'].entries()) {
      await lab.send('wild', what);
      await lab.until(`${what} is told`, () => crashes() === at + 1);
      if (what === 'huge') expect(lab.said.length).toBeLessThan(100_000);
    }
    // What it said may quote a message.
    expect(lab.said).toMatch(/at Object\.handler [\s\S]*wild is restarted: It threw SyntaxError\./);
    expect(lab.said).not.toContain('were quoted');
    await lab.send('wild', 'again and again');
    lab.signal('SIGTERM');
    expect(await lab.ended()).toMatchObject({ code: 0 });
    // What its module left behind when it was loaded is nobody else’s: the API that was asked to deploy it lives on.
    expect(lab.said).toContain('a throw that belongs to no actor');
    expect(lab.said).not.toMatch(/node\/(?!agents)[a-z/-]+ is restarted/);
  });

  it('lives on when they do so while it starts, and a later second signal ends it at once', async () => {
    await lab.start();
    await lab.until('it threw', () => lab.said.includes('a throw that belongs to no actor'));
    expect((await lab.send('wild', 'ping', 5_000)).reply?.content).toBe('pong');
    await lab.send('endless', 'begin');
    lab.signal('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 50));
    // The same one, as a terminal sends it to a whole group of processes.
    lab.signal('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(lab.running).toBe(true);
    lab.signal('SIGTERM');
    const { code, afterMs } = await lab.ended();
    expect(code).toBe(1);
    expect(afterMs).toBeLessThan(1_000);
  });
});
