import { expect, it } from 'vitest';
import * as kit from '../../src/testing/index.ts';

it('the example at the top of the kit runs', async () => {
  const { createTestCluster } = kit;
  const cluster = await createTestCluster({ nodes: 3, seed: 7, conditions: { loss: 0.05 } });
  await cluster.until('they find each other', () => cluster.isWhole());

  const echo = await cluster.deploy(
    'node-2',
    'default/echo',
    (message, agent) => {
      agent.reply(message, { performative: 'inform', content: message.content });
    },
    { policy: { allowedSenders: ['default/*'], permittedOperations: [{ performatives: ['request'] }] } },
  );
  const answer = await cluster.settled(echo.ask({ performative: 'request', content: 'hello' }));
  expect(answer.content).toBe('hello');

  cluster.partition(['node-1'], ['node-2', 'node-3']);
  await cluster.until('node-1 is alone', () => cluster.node('node-1').control.status().partition === 'isolated');
  cluster.heal();
  await cluster.close();
});

it('has what it says that it has', () => {
  expect(Object.keys(kit).sort()).toEqual([
    'ActorExit',
    'FaultInjector',
    'HostClock',
    'InjectedFault',
    'ManualClock',
    'ManualScheduler',
    'MemoryDisk',
    'MemoryNetwork',
    'MemoryStore',
    'TestProbe',
    'createTestCluster',
    'createTestKernel',
    'drawChance',
    'drawPart',
    'fromHandler',
    'inEveryOrder',
    'insecureSeededCrypto',
    'quietPath',
    'realPace',
    'seededRandom',
    'sendTarget',
    'settle',
    'traceHash',
    'traceLine',
    'virtualPace',
  ]);
});
