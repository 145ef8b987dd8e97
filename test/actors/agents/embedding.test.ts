import { generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assign, setup } from 'xstate';
import type { ChartAgentEvent, ChartAgentInput, ReceivedMessage } from '../../../src/actors/agents/behaviour.ts';
import { signDeployment } from '../../../src/actors/agents/deployer.ts';
import { createNode, type Node } from '../../../src/actors/node.ts';
import { publicKeyToText, rawPublicKey } from '../../../src/crypto/keys.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { type DevelopmentCluster, developmentCluster } from '../../../src/development/development-cluster.ts';
import { CaxtonError } from '../../../src/errors.ts';
import type { AgentId } from '../../../src/names.ts';

const anything = { permittedOperations: [{ performatives: '*' as const }] };
const open = { allowedSenders: ['*'], ...anything };

let folder = '';
let cluster: DevelopmentCluster;
let node: Node;

async function refusal(acting: Promise<unknown>): Promise<CaxtonError> {
  const error = await acting.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CaxtonError) return error;
  throw new Error('it was not refused', { cause: error });
}

const answering = (content: unknown) => (message: ReceivedMessage, agent: ChartAgentInput['agent']) =>
  void agent.reply(message, { performative: 'inform', content });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'caxton-embedding-'));
  cluster = await developmentCluster({ folder: join(folder, 'cluster') });
  node = await createNode(cluster.config(), { deployer: cluster.deployer });
});

afterAll(async () => {
  await node.stop();
  await rm(folder, { recursive: true });
});

describe('an embedded agent', () => {
  it('answers the program, which writes in a name of its own', async () => {
    const senders: string[] = [];
    const echo = await node.deploy(
      'default/echo',
      (message, agent) => {
        senders.push(message.sender);
        agent.reply(message, { performative: 'inform', content: message.content });
      },
      { policy: open },
    );
    expect(await echo.ask({ performative: 'request', content: { a: [1] } })).toMatchObject({
      sender: 'default/echo',
      performative: 'inform',
      content: { a: [1] },
    });
    expect(senders).toEqual(['default/program-node-1']);
  });

  it('may be a chart', async () => {
    const chart = setup({
      types: {
        context: {} as ChartAgentInput & { sum: number },
        events: {} as ChartAgentEvent,
        input: {} as ChartAgentInput,
      },
    }).createMachine({
      context: ({ input }) => ({ ...input, sum: 0 }),
      on: {
        'acl.inform': {
          actions: assign({ sum: ({ context, event }) => context.sum + (event.message.content as number) }),
        },
        'acl.request': {
          actions: ({ context, event }) =>
            void context.agent.reply(event.message, { performative: 'inform', content: context.sum }),
        },
      },
    });
    const sum = await node.deploy<{ inform: (summand: number) => void; request: (what: null) => number }>(
      'default/sum',
      chart,
      { policy: open },
    );
    for (const content of [1, 2, 3]) sum.tell({ performative: 'inform', content });
    expect((await sum.ask({ performative: 'request', content: null })).content).toBe(6);
  });

  it('is refused what it was not given', async () => {
    await node.deploy('default/shy', answering(1), { policy: { allowedSenders: ['default/friend'], ...anything } });
    const sender = await node.deploy('default/friend', answering(1), { policy: open });
    const draft = { to: 'default/shy', performative: 'request', content: 1 } as const;
    expect(await sender.agent.ask(draft)).toMatchObject({
      ok: false,
      refusal: { code: 'UNAUTHORIZED', reasons: [expect.stringContaining('presented no capability token')] },
    });
    const able = await node.deploy('default/friend', answering(1), { actions: ['request agent:default/shy'] });
    expect(await able.agent.ask(draft)).toMatchObject({ ok: true, value: { content: 1 } });
  });

  it('is not reached by the program either when its policy does not say so', async () => {
    const shy = await node.deploy('default/deaf', answering(1));
    const error = await refusal(shy.ask({ performative: 'request', content: 1 }));
    expect([error.code, error.message]).toEqual(['UNAUTHORIZED', expect.stringContaining('default/deaf')]);
  });

  it('is replaced by a deployment of the same name', async () => {
    const first = await node.deploy('default/again', answering('first'), { policy: open });
    expect((await first.ask({ performative: 'request', content: 1 })).content).toBe('first');
    await node.deploy('default/again', answering('second'), { policy: open });
    expect((await first.ask({ performative: 'request', content: 1 })).content).toBe('second');
  });

  it('signs with the key that it was given', async () => {
    const strict = { ...open, requiresSignedMessages: true };
    const receiver = await node.deploy('default/strict', answering('heard'), { policy: strict });
    const key = generateKeyPairSync('ed25519').privateKey;
    const actions = ['request agent:default/strict'];
    const { agent } = await node.deploy('default/signer', answering(1), { actions, key });
    const draft = { to: receiver.id, performative: 'request', content: 1 } as const;
    expect(await agent.ask(draft)).toMatchObject({ ok: false, refusal: { code: 'SIGNATURE_INVALID' } });
    expect(await agent.ask({ ...draft, sign: true })).toMatchObject({ ok: true, value: { content: 'heard' } });
  });

  it('that does not answer is waited for as long as the asker says', async () => {
    const mute = await node.deploy('default/mute', () => {}, { policy: open });
    const error = await refusal(mute.ask({ performative: 'request', content: 1 }, { timeoutMs: 20 }));
    expect(error.code).toBe('TIMED_OUT');
    const cancelled = await refusal(mute.ask({ performative: 'request', content: 1 }, { signal: AbortSignal.abort() }));
    expect(cancelled.code).toBe('CANCELLED');
  });
});

describe('checked content', () => {
  const accepts = {
    request: (content: unknown): content is number => typeof content === 'number',
    'accept-proposal': (content: unknown): content is number => typeof content === 'number',
  };

  it('comes to the agent only in its form, and the sender learns why not', async () => {
    const heard: unknown[] = [];
    const half = await node.deploy(
      'default/half',
      (message, agent) => {
        heard.push(message.content);
        if (message.performative === 'request')
          agent.reply(message, { performative: 'inform', content: message.content / 2 });
      },
      { accepts, policy: open },
    );
    expect((await half.ask({ performative: 'request', content: 8 })).content).toBe(4);
    const wrong = 'eight' as unknown as number;
    expect(await half.ask({ performative: 'request', content: wrong })).toMatchObject({
      performative: 'not-understood',
      content: { reason: 'The content was not understood: not of the expected form.' },
    });
    expect(await half.ask({ performative: 'accept-proposal', content: wrong })).toMatchObject({
      performative: 'failure',
    });
    expect(heard).toEqual([8]);
  });

  it('permits by itself the performatives that the checks name, and no others', async () => {
    const agent = await node.deploy('default/narrow', answering(1), { accepts, policy: { allowedSenders: ['*'] } });
    expect((await agent.ask({ performative: 'request', content: 1 })).content).toBe(1);
    const error = await refusal(agent.ask({ performative: 'cfp' as 'request', content: 1 }));
    expect([error.code, error.message]).toEqual(['UNAUTHORIZED', expect.stringContaining('cfp')]);
  });

  it('of a chart is checked as well', async () => {
    const chart = setup({
      types: { context: {} as ChartAgentInput, input: {} as ChartAgentInput, events: {} as ChartAgentEvent },
    }).createMachine({
      context: ({ input }) => input,
      on: {
        'acl.request': {
          actions: ({ context, event }) =>
            void context.agent.reply(event.message, { performative: 'inform', content: 'taken' }),
        },
      },
    });
    const ref = await node.deploy('default/checked-chart', chart, { accepts, policy: open });
    expect(await ref.ask({ performative: 'request', content: 1 })).toMatchObject({ content: 'taken' });
    expect(await ref.ask({ performative: 'request', content: '1' as never })).toMatchObject({
      performative: 'not-understood',
    });
  });

  it('does not make two agents answer “not understood” for ever', async () => {
    let asked = 0;
    const never = () => {
      asked++;
      return false;
    };
    const one = await node.deploy('default/never', () => {}, { accepts: { 'not-understood': never }, policy: open });
    one.tell({ performative: 'not-understood', content: 1 });
    const two = await node.deploy('default/after', answering(1), { policy: open });
    await two.ask({ performative: 'request', content: 1 });
    expect(asked).toBe(1);
  });
});

describe('deploying', () => {
  it.each<[string, () => Promise<unknown>, string, string]>([
    ['a wrong name', () => node.deploy('Default/Echo', () => {}), 'MALFORMED', 'Default/Echo'],
    ['a wrong action', () => node.deploy('default/a', () => {}, { actions: ['fly agent:*'] }), 'MALFORMED', 'fly'],
    [
      'a wrong pattern',
      () => node.deploy('default/a', () => {}, { policy: { ...open, allowedSenders: ['x'] } }),
      'MALFORMED',
      'allowed_senders[0]',
    ],
    [
      'a wrong rate',
      () => node.deploy('default/a', () => {}, { policy: { ...open, rateLimits: { default: 'often' } } }),
      'MALFORMED',
      'rate_limits',
    ],
    [
      'a policy that permits nothing',
      () => node.deploy('default/a', () => {}, { policy: { allowedSenders: ['*'] } }),
      'MALFORMED',
      'permittedOperations',
    ],
    ['no code', () => node.deploy('default/a', undefined as never), 'MALFORMED', 'default/a'],
    ['what is no machine', () => node.deploy('default/a', {} as never), 'MALFORMED', 'XState'],
  ])('says what is wrong with %s', async (_, deploying, code, words) => {
    const error = await refusal(deploying());
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(words)]);
  });

  it('needs the deployer’s key, and a key that the cluster trusts', async () => {
    await node.stop();
    const bare = await createNode(cluster.config());
    const error = await refusal(bare.deploy('default/echo', () => {}));
    expect([error.code, error.message]).toEqual(['DEPLOYMENT_REFUSED', expect.stringContaining('{ deployer }')]);
    await bare.stop();
    const deployer = generateKeyPairSync('ed25519').privateKey;
    const stranger = await createNode(cluster.config(), { deployer });
    expect((await refusal(stranger.deploy('default/echo', () => {}))).code).toBe('DEPLOYMENT_REFUSED');
    await stranger.stop();
    node = await createNode(cluster.config(), { deployer: cluster.deployer, program: 'ops/desk' });
  });

  it('takes what somebody else signed', async () => {
    const signed = signDeployment(
      cluster.deployer,
      {
        agentId: 'default/signed' as AgentId,
        kind: 'handler',
        code: 'embedded',
        services: [],
        actions: ['request agent:default/*'],
        agentKey: osCrypto.generateKeyPair('ed25519').publicKey,
        nodes: [node.id],
        generation: 1,
        now: Date.now(),
        validForMs: 60_000,
      },
      osCrypto,
    );
    const heard: string[] = [];
    const other = await node.deploy(
      'default/other',
      (message, agent) => {
        heard.push(message.sender);
        agent.reply(message, { performative: 'inform', content: 1 });
      },
      { policy: open },
    );
    const agent = await node.deploySigned(signed, { kind: 'handler', handler: () => {} });
    expect(await agent.ask({ to: other.id, performative: 'request', content: 1 })).toMatchObject({ ok: true });
    await other.ask({ performative: 'request', content: 1 });
    expect(heard).toEqual(['default/signed', 'ops/desk']);
    expect((await refusal(node.deploySigned(signed, { kind: 'handler', handler: () => {} }))).code).toBe(
      'ALREADY_EXISTS',
    );
  });

  it('does not take a program’s name that is none', async () => {
    const taken = createNode(cluster.config(), { deployer: cluster.deployer, program: 'Ops/Desk' });
    expect((await refusal(taken)).code).toBe('ALREADY_EXISTS');
    await node.stop();
    const named = createNode(cluster.config(), { deployer: cluster.deployer, program: 'Ops/Desk' });
    expect((await refusal(named)).message).toContain('Ops/Desk');
    node = await createNode(cluster.config(), { deployer: cluster.deployer });
  });
});

describe('a node whose keys are held elsewhere', () => {
  it('deploys what they sign, and half of nothing where one of them does not', async () => {
    const own = await developmentCluster({ folder: join(folder, 'elsewhere') });
    const publicKey = publicKeyToText(rawPublicKey(own.deployer));
    const purposes: string[] = [];
    const state = { fails: '' };
    const signer = {
      publicKey,
      sign: async (bytes: Uint8Array) => {
        const [purpose = ''] = Buffer.from(bytes).toString('latin1').split('\0', 1);
        purposes.push(purpose);
        if (purpose === state.fails) throw new Error('the HSM is locked');
        return new Uint8Array(signBytes(null, bytes, own.deployer));
      },
    };
    const held = await createNode(own.config(), { deployer: signer, issuer: signer });
    try {
      const echo = await held.deploy('default/echo', answering('here'), { policy: open });
      expect((await echo.ask({ performative: 'request', content: 'hi' })).content).toBe('here');
      expect(new Set(purposes)).toEqual(new Set(['caxton deployment v1', 'caxton capability v1']));
      for (const fails of ['caxton deployment v1', 'caxton capability v1']) {
        state.fails = fails;
        const refused = await refusal(held.deploy('default/other', () => {}, { actions: ['request agent:default/*'] }));
        expect([refused.code, refused.message]).toEqual(['UNREACHABLE', expect.stringContaining('the HSM is locked')]);
      }
      expect(held.control.agents().map(({ agentId }) => agentId)).toEqual(['default/echo', 'default/program-node-1']);
      state.fails = '';
      const again = await held.deploy('default/other', () => {}, { actions: ['request agent:default/*'] });
      expect(await again.agent.ask({ to: 'default/echo', performative: 'request', content: 1 })).toMatchObject({
        ok: true,
      });
      const view = held.control.agents().find(({ agentId }) => agentId === 'default/other');
      expect(view).toMatchObject({ tokenRenewed: true, tokenExpires: expect.any(String) });
    } finally {
      await held.stop();
    }
  });

  it('stops while one of them never answers', async () => {
    const own = await developmentCluster({ folder: join(folder, 'hanging') });
    const publicKey = publicKeyToText(rawPublicKey(own.deployer));
    const held = await createNode(own.config(), { deployer: { publicKey, sign: () => new Promise(() => {}) } });
    const all = Promise.allSettled(
      Array.from({ length: 2_000 }, (_, n) => held.deploy(`default/agent-${n}`, () => {})),
    );
    await held.stop();
    const codes = new Set((await all).map((result) => (result.status === 'rejected' ? result.reason.code : 'runs')));
    for (const code of codes) expect(['STOPPED', 'TIMED_OUT']).toContain(code);
  }, 30_000);

  it('is not made with what cannot sign', async () => {
    const own = await developmentCluster({ folder: join(folder, 'elsewhere') });
    const { publicKey } = generateKeyPairSync('ed25519');
    expect((await refusal(createNode(own.config(), { issuer: publicKey }))).code).toBe('MALFORMED');
  });
});

describe('a node that stops while it deploys', () => {
  it('answers every deployment, and its audit log is whole', async () => {
    const own = await developmentCluster({ folder: join(folder, 'stopping') });
    const stopping = await createNode(own.config(), { deployer: own.deployer });
    const all = Array.from({ length: 500 }, (_, n) => stopping.deploy(`default/agent-${n}`, () => {}));
    const settled = Promise.allSettled(all);
    await Promise.any(all);
    await stopping.stop();
    const results = await settled;
    const codes = new Set(results.map((result) => (result.status === 'rejected' ? result.reason.code : 'runs')));
    expect(results.some(({ status }) => status === 'fulfilled')).toBe(true);
    for (const code of codes) expect(['runs', 'STOPPED', 'SUPERVISION', 'AUDIT_BLOCKED']).toContain(code);
    const again = await createNode(own.config(), { deployer: own.deployer });
    try {
      expect(await again.control.auditVerify()).toMatchObject({ ok: true, value: { valid: true } });
    } finally {
      await again.stop();
    }
  });
});
