import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { refuse } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import { type AgentId, type NodeId, tenantOf } from '../../../src/names.ts';
import { type RegistryRecord, readRegistryDelta, registryDeltaText } from '../../../src/protocols/registry/record.ts';
import {
  applyRecords,
  byNode,
  byService,
  emptyRegistry,
  fullDelta,
  judgedAgain,
  lookup,
  nodeBooted,
  nodeRevoked,
  type RegistryState,
  type RegistryStep,
  runsBoot,
  type VerifyRecord,
} from '../../../src/protocols/registry/registry.ts';
import { capability } from '../authorization/fixtures.ts';
import { manifest, node1, node2, node3 } from '../deployment/fixtures.ts';

const echo = 'default/echo' as AgentId;
const time = 'default/time' as AgentId;

/** A signed text stands for its content here: `generation nodes service`. */
const verify: VerifyRecord = ({ agentId, manifest: text }) => {
  const [generation, nodes, service] = text.split(' ');
  if (!generation || !nodes) return refuse('DEPLOYMENT_REFUSED', 'Not signed by a trusted deployer.');
  return {
    ok: true,
    value: {
      manifest: {
        ...manifest,
        agentId,
        generation: Number(generation),
        placement: { nodes: nodes.split(',') as NodeId[] },
        services: service ? [service] : [],
      },
      capability: { ...capability, subject: agentId },
    },
  };
};

const live = (agentId: AgentId, node: NodeId, version: number, text = '1 node-1,node-2 echo'): RegistryRecord => ({
  agentId,
  node,
  version,
  state: 'live',
  manifest: text,
  capability: 'signed',
});
const gone = (agentId: AgentId, node: NodeId, version: number): RegistryRecord => ({
  ...live(agentId, node, version, ''),
  state: 'gone',
  capability: '',
});

function booted(...nodes: NodeId[]): RegistryState {
  return nodes.reduce((state, node) => boot(state, node, 1).state, emptyRegistry);
}
function boot(state: RegistryState, node: NodeId, epoch: number): RegistryStep {
  const step = nodeBooted(state, node, epoch);
  if (!step.ok) throw new Error(step.refusal.reasons[0]);
  return step.value;
}
const apply = (state: RegistryState, from: NodeId, ...records: RegistryRecord[]) =>
  applyRecords(state, from, { full: false, records }, verify);
const codes = (step: RegistryStep) => step.refusals.map(({ refusal }) => refusal.code);
const types = (step: RegistryStep) => step.changes.map(({ type }) => type);
const host = (state: RegistryState, agent: AgentId) => lookup(state, agent)?.record.node;

describe('a node’s records', () => {
  it('say what it hosts', () => {
    const step = apply(booted(node1), node1, live(echo, node1, 1), live(time, node1, 2, '1 node-1 time'));
    expect(types(step)).toEqual(['added', 'added']);
    expect(host(step.state, echo)).toBe(node1);
    expect(byNode(step.state, node1).map(({ record }) => record.agentId)).toEqual([echo, time]);
  });

  it('leave the state that was handed in as it was', () => {
    const before = booted(node1);
    apply(before, node1, live(echo, node1, 1));
    expect(lookup(before, echo)).toBeUndefined();
  });

  it('cost no signature check when they are known already', () => {
    const { state } = apply(booted(node1), node1, live(echo, node1, 1));
    const step = applyRecords(state, node1, { full: true, records: [live(echo, node1, 1)] }, () => {
      throw new Error('verified again');
    });
    expect(step).toEqual({ state, changes: [], refusals: [] });
  });

  const known = apply(booted(node1, node2), node1, live(echo, node1, 5, '3 node-1')).state;
  it.each([
    ['about another node', node2, live(time, node1, 9), 'UNAUTHORIZED'],
    ['of an older version', node1, live(echo, node1, 4, '9 node-1'), 'REPLAYED'],
    ['of one version with other content', node1, live(echo, node1, 5, '4 node-1'), 'PROTOCOL_VIOLATION'],
    ['of one version, gone and not gone', node1, gone(echo, node1, 5), 'PROTOCOL_VIOLATION'],
    ['of an older generation', node1, live(echo, node1, 6, '2 node-1'), 'REPLAYED'],
    ['outside the placement', node2, live(echo, node2, 1, '9 node-1,node-3'), 'DEPLOYMENT_REFUSED'],
    ['with a bad signature', node1, live(echo, node1, 6, 'forged'), 'DEPLOYMENT_REFUSED'],
    ['of a node that never booted', node3, live(echo, node3, 1, '9 node-3'), 'PROTOCOL_VIOLATION'],
  ])('are refused when %s', (_, from, record, code) => {
    const step = apply(known, from, record);
    expect(codes(step)).toEqual([code]);
    expect(step.changes).toEqual([]);
    expect(lookup(step.state, echo)).toBe(lookup(known, echo));
  });

  it.each([
    ['the manifest', { manifest: { ...manifest, agentId: time } }],
    ['the capability', { capability: { ...capability, subject: time } }],
  ])('are refused when %s is about another agent', (_, other) => {
    const genuine = { manifest, capability: { ...capability, subject: echo } };
    const step = applyRecords(booted(node1), node1, { full: false, records: [live(echo, node1, 1)] }, () => ({
      ok: true,
      value: { ...genuine, ...other },
    }));
    expect(codes(step)).toEqual(['DEPLOYMENT_REFUSED']);
  });

  it('may carry no capability: such an agent only answers', () => {
    const bare = { manifest: { ...manifest, placement: { nodes: [node1] } }, capability: undefined };
    const record = { ...live(echo, node1, 1), capability: '' };
    const step = applyRecords(booted(node1), node1, { full: false, records: [record] }, () => ({
      ok: true,
      value: bare,
    }));
    expect(step.refusals).toEqual([]);
    expect(lookup(step.state, echo)?.capability).toBeUndefined();
  });

  it('stand alone: a refused one does not hold up the others', () => {
    const step = apply(booted(node1), node1, live(echo, node1, 1, 'forged'), live(time, node1, 2));
    expect(codes(step)).toEqual(['DEPLOYMENT_REFUSED']);
    expect(host(step.state, time)).toBe(node1);
  });

  it('can take an agent away, and the tombstone keeps old records from bringing it back', () => {
    const one = apply(booted(node1), node1, live(echo, node1, 1, '2 node-1'));
    const two = apply(one.state, node1, gone(echo, node1, 2));
    expect(types(two)).toEqual(['removed']);
    expect(lookup(two.state, echo)).toBeUndefined();
    expect(codes(apply(two.state, node1, live(echo, node1, 1, '2 node-1')))).toEqual(['REPLAYED']);
    expect(codes(apply(two.state, node1, live(echo, node1, 3, '1 node-1')))).toEqual(['REPLAYED']);
    expect(types(apply(two.state, node1, live(echo, node1, 3, '2 node-1')))).toEqual(['added']);
  });

  it('cannot bury an agent that never lived there: such a tombstone is not kept', () => {
    const before = booted(node1);
    const step = apply(before, node1, gone(echo, node1, 9));
    expect(step).toEqual({ state: before, changes: [], refusals: [] });
    expect(types(apply(step.state, node1, live(echo, node1, 1)))).toEqual(['added']);
  });

  it('in a full delta are all: what it does not name is gone', () => {
    const one = apply(booted(node1), node1, live(echo, node1, 1), live(time, node1, 2));
    const two = applyRecords(one.state, node1, { full: true, records: [live(time, node1, 2)] }, verify);
    expect(types(two)).toEqual(['removed']);
    expect(byNode(two.state, node1).map(({ record }) => record.agentId)).toEqual([time]);
  });

  it('in a full delta of one node say nothing about another', () => {
    const one = apply(booted(node1, node2), node1, live(echo, node1, 1));
    const two = applyRecords(one.state, node2, { full: true, records: [] }, verify);
    expect(host(two.state, echo)).toBe(node1);
  });
});

describe('two nodes that claim one agent', () => {
  it('are told apart by generation', () => {
    const one = apply(booted(node1, node2), node1, live(echo, node1, 1, '1 node-1'));
    const two = apply(one.state, node2, live(echo, node2, 1, '2 node-2'));
    expect(two.changes).toMatchObject([{ type: 'moved' }, { type: 'conflict', nodes: [node2, node1] }]);
    expect(host(two.state, echo)).toBe(node2);
    expect(byNode(two.state, node1)).toEqual([]);
    expect(byService(two.state, 'default/echo')).toEqual([]);
  });

  it('are told apart by their ids when the generation is the same, and the conflict is reported once', () => {
    const one = apply(booted(node1, node2), node2, live(echo, node2, 1));
    const two = apply(one.state, node1, live(echo, node1, 1));
    expect(two.changes).toMatchObject([{ type: 'moved' }, { type: 'conflict', nodes: [node1, node2] }]);
    expect(host(two.state, echo)).toBe(node1);
    const three = apply(two.state, node2, live(echo, node2, 2, '1 node-2'));
    expect(three.changes).toEqual([]);
  });

  it('leave it to the other when one gives up', () => {
    const one = apply(booted(node1, node2), node1, live(echo, node1, 1));
    const two = apply(one.state, node2, live(echo, node2, 1));
    const three = apply(two.state, node1, gone(echo, node1, 2));
    expect(types(three)).toEqual(['moved']);
    expect(host(three.state, echo)).toBe(node2);
  });

  it('end in the same answer in whatever order their news arrive', () => {
    const news = fc.shuffledSubarray(
      [
        live(echo, node1, 1, '2 node-1,node-2,node-3'),
        live(echo, node2, 1, '3 node-1,node-2,node-3'),
        live(echo, node3, 1, '3 node-1,node-2,node-3'),
        live(time, node3, 2, '1 node-3'),
        live(time, node1, 2, '1 node-1'),
      ],
      { minLength: 5 },
    );
    fc.assert(
      fc.property(news, (records) => {
        const state = records.reduce(
          (before, record) => apply(before, record.node, record).state,
          booted(node1, node2, node3),
        );
        expect([host(state, echo), host(state, time)]).toEqual([node2, node1]);
      }),
    );
  });
});

describe('a node that boots again', () => {
  it('starts over', () => {
    const one = apply(booted(node1), node1, live(echo, node1, 7, '3 node-1'));
    const two = boot(one.state, node1, 2);
    expect(types(two)).toEqual(['removed']);
    expect(types(apply(two.state, node1, live(echo, node1, 1, '1 node-1')))).toEqual(['added']);
  });

  it('changes nothing when the epoch is the one that is known', () => {
    const { state } = apply(booted(node1), node1, live(echo, node1, 1));
    expect(boot(state, node1, 1).state).toBe(state);
  });

  it('is in the boot that was announced last, and in no other', () => {
    const { state } = boot(booted(node1), node1, 5);
    expect([4, 5, 6].map((epoch) => runsBoot(state, node1, epoch))).toEqual([false, true, false]);
    expect(runsBoot(state, node2, 1)).toBe(false);
  });

  it('is not believed with an older epoch', () => {
    const refused = nodeBooted(boot(booted(node1), node1, 5).state, node1, 4);
    expect(refused.ok ? 'ok' : refused.refusal.code).toBe('REPLAYED');
  });
});

describe('asking for a service', () => {
  const other = 'other/time' as AgentId;
  const { state } = apply(
    booted(node1),
    node1,
    live(time, node1, 1, '1 node-1 clock'),
    live(echo, node1, 2, '1 node-1 clock'),
    live(other, node1, 3, '1 node-1 clock'),
  );
  const found = (service: string) => byService(state, service).map(({ record }) => record.agentId);

  it('finds who offers it within the tenant, in a stable order', () => {
    expect(found('default/clock')).toEqual([echo, time]);
    expect(found('other/clock')).toEqual([other]);
    for (const none of ['nobody/clock', 'default/clo', 'clock', '', '/', 'default/']) expect(found(none)).toEqual([]);
  });

  it('answers as a walk over all agents would, whatever was told before', () => {
    const nodes = [node1, node2, node3];
    const agents = [echo, time, other];
    const news = fc.array(
      fc.record({
        node: fc.constantFrom(...nodes),
        agent: fc.constantFrom(...agents),
        service: fc.constantFrom('clock', 'echo', ''),
        generation: fc.integer({ min: 1, max: 3 }),
        act: fc.constantFrom('live', 'live', 'live', 'gone', 'full', 'boot', 'revoked', 'judged'),
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(news, (acts) => {
        let state = booted(...nodes);
        for (const [index, { node, agent, service, generation, act }] of acts.entries()) {
          const version = index + 1;
          const record = live(agent, node, version, `${generation} node-1,node-2,node-3 ${service}`);
          if (act === 'live') state = apply(state, node, record).state;
          else if (act === 'gone') state = apply(state, node, gone(agent, node, version)).state;
          else if (act === 'full') state = applyRecords(state, node, { full: true, records: [record] }, verify).state;
          else if (act === 'boot') state = boot(state, node, version + 1).state;
          else if (act === 'revoked') state = boot(nodeRevoked(state, node).state, node, version + 1).state;
          else
            state = judgedAgain(state, node, (r) =>
              r.agentId === agent ? refuse('REVOKED', 'It is.') : verify(r),
            ).state;
          for (const [tenant, name] of [
            ['default', 'clock'],
            ['default', 'echo'],
            ['other', 'clock'],
            ['other', 'echo'],
          ] as const) {
            const walked = agents
              .filter((id) => tenantOf(id) === tenant && lookup(state, id)?.manifest.services.includes(name))
              .sort();
            expect(byService(state, `${tenant}/${name}`).map(({ record: { agentId } }) => agentId)).toEqual(walked);
          }
        }
      }),
    );
  });
});

describe('a delta on its way', () => {
  it('arrives as it was sent', () => {
    const delta = { full: true, records: [live(echo, node1, 1, 'line\nbreak'), gone(time, node1, 2)] };
    expect(readRegistryDelta(registryDeltaText(delta))).toEqual({ ok: true, value: delta });
  });

  it('as a full one brings another node to the same answers', () => {
    const { state } = apply(booted(node1), node1, live(echo, node1, 1), live(time, node1, 2), gone(echo, node1, 3));
    const sent = readRegistryDelta(registryDeltaText(fullDelta(state, node1)));
    if (!sent.ok) throw new Error(sent.refusal.reasons[0]);
    const there = applyRecords(booted(node1), node1, sent.value, verify).state;
    expect(byNode(there, node1)).toEqual(byNode(state, node1));
  });

  it.each([
    ['no list', '{"v":1,"full":true}', 'MALFORMED'],
    [
      'a made-up state',
      registryDeltaText({ full: true, records: [{ ...live(echo, node1, 1), state: 'x' as 'live' }] }),
      'MALFORMED',
    ],
    ['version 0', registryDeltaText({ full: true, records: [live(echo, node1, 0)] }), 'MALFORMED'],
    [
      'an agent that is not one',
      registryDeltaText({ full: true, records: [live('x' as AgentId, node1, 1)] }),
      'MALFORMED',
    ],
    ['too much text', ' '.repeat(limits.pushPullBytesMax + 1), 'LIMIT_EXCEEDED'],
  ])('is refused with %s', (_, text, code) => {
    const read = readRegistryDelta(text);
    expect(read.ok ? 'ok' : read.refusal.code).toBe(code);
  });
});

describe('a registry whose trust changes', () => {
  const both = (): RegistryState => {
    const { state } = apply(booted(node1, node2), node1, live(echo, node1, 1), live(time, node1, 2));
    return apply(state, node2, live(echo, node2, 1, '2 node-1,node-2 echo')).state;
  };

  it('forgets a revoked node with all that it hosts, and takes nothing more from it', () => {
    const step = nodeRevoked(both(), node2);
    expect(step.changes).toMatchObject([{ type: 'moved', agentId: echo, now: { record: { node: node1 } } }]);
    expect(lookup(step.state, echo)?.record.node).toBe(node1);
    expect(apply(step.state, node2, live(time, node2, 9)).refusals).toMatchObject([
      { refusal: { code: 'PROTOCOL_VIOLATION' } },
    ]);
    expect(nodeRevoked(step.state, node3)).toEqual({ state: step.state, changes: [], refusals: [] });
  });

  it('drops the agents whose documents do not pass any more, and remembers their versions', () => {
    const refusing: VerifyRecord = (record) =>
      record.agentId === echo ? refuse('REVOKED', 'The deployment was revoked.') : verify(record);
    const step = judgedAgain(both(), node1, refusing);
    expect(byNode(step.state, node1).map(({ record }) => record.agentId)).toEqual([time]);
    expect(judgedAgain(step.state, node1, refusing).changes).toEqual([]);
    expect(apply(step.state, node1, live(echo, node1, 0)).refusals).toMatchObject([{ refusal: { code: 'REPLAYED' } }]);
  });
});
