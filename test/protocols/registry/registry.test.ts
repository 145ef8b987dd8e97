import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { refuse } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import { type AgentId, type NodeId, tenantOf } from '../../../src/names.ts';
import { applyDelta, type VerifyDocuments } from '../../../src/protocols/registry/delta-step.ts';
import {
  askedAgain,
  judgedAgain,
  nodeBooted,
  nodeRevoked,
  nodeStanding,
} from '../../../src/protocols/registry/node-step.ts';
import { readRegistryDelta, registryDeltaText } from '../../../src/protocols/registry/record.ts';
import {
  byNode,
  byService,
  lookup,
  positionIn,
  type RegistryState,
  rivalsOf,
  runsBoot,
} from '../../../src/protocols/registry/registry.ts';
import { capability } from '../authorization/fixtures.ts';
import { manifest, node1, node2, node3 } from '../deployment/fixtures.ts';
import { apply, boot, booted, codes, everywhere, gone, host, live, state, tell, types, verify } from './fixtures.ts';

const echo = 'default/echo' as AgentId;
const time = 'default/time' as AgentId;
const agentsOf = (before: RegistryState, node: NodeId) => byNode(before, node).map((claim) => claim.manifest.agentId);

describe('a node’s records', () => {
  it('say what it hosts', () => {
    const step = apply(booted(node1), node1, live(echo, node1, 1), live(time, node1, 2, '1 node-1 time'));
    expect(types(step)).toEqual(['added', 'added']);
    expect(host(step.state, echo)).toBe(node1);
    expect(agentsOf(step.state, node1)).toEqual([echo, time]);
  });

  it('leave the state that was handed in as it was', () => {
    const before = booted(node1);
    apply(before, node1, live(echo, node1, 1));
    expect(lookup(before, echo)).toBeUndefined();
  });

  it('cost no signature check when they are known already', () => {
    const before = apply(booted(node1), node1, live(echo, node1, 1)).state;
    const again = { pass: 1, above: 0, upTo: 1, newest: 1, records: [live(echo, node1, 1)] };
    const step = applyDelta(before, node1, again, () => {
      throw new Error('verified again');
    });
    expect([step.changes, step.refusals, lookup(step.state, echo)]).toEqual([[], [], lookup(before, echo)]);
  });

  const known = apply(booted(node1, node2), node1, live(echo, node1, 5, '3 node-1')).state;
  it.each([
    ['about another node', node2, live(time, node1, 9), 'UNAUTHORIZED'],
    ['of an older generation', node1, live(echo, node1, 6, '2 node-1'), 'REPLAYED'],
    ['outside the placement', node2, live(echo, node2, 1, '9 node-1,node-3'), 'DEPLOYMENT_REFUSED'],
    ['with a bad signature', node1, live(echo, node1, 6, ''), 'DEPLOYMENT_REFUSED'],
    ['of a node that never booted', node3, live(echo, node3, 1, '9 node-3'), 'PROTOCOL_VIOLATION'],
  ])('are refused when %s', (_, from, record, code) => {
    const step = apply(known, from, record);
    expect(codes(step)).toEqual([code]);
    expect(step.changes).toEqual([]);
    expect(lookup(step.state, echo)).toBe(lookup(known, echo));
  });

  it.each([
    ['of one version with other content', live(echo, node1, 5, '4 node-1')],
    ['of one version, gone and not gone', gone(echo, node1, 5)],
  ])('are refused when a listing has one %s', (_, record) => {
    const step = tell(known, node1, { pass: 1, records: [record] });
    expect(codes(step)).toEqual(['PROTOCOL_VIOLATION']);
  });

  it.each([
    ['the manifest', { manifest: { ...manifest, agentId: time } }],
    ['the capability', { capability: { ...capability, subject: time } }],
  ])('are refused when %s is about another agent', (_, other) => {
    const genuine = { manifest, capability: { ...capability, subject: echo } };
    const delta = { pass: 0, above: 0, upTo: 1, newest: 1, records: [live(echo, node1, 1)] };
    const step = applyDelta(booted(node1), node1, delta, () => ({ ok: true, value: { ...genuine, ...other } }));
    expect(codes(step)).toEqual(['DEPLOYMENT_REFUSED']);
  });

  it('may carry no capability: such an agent only answers', () => {
    const bare = { manifest: { ...manifest, placement: { nodes: [node1] } }, capability: undefined };
    const delta = { pass: 0, above: 0, upTo: 1, newest: 1, records: [{ ...live(echo, node1, 1), capability: '' }] };
    const step = applyDelta(booted(node1), node1, delta, () => ({ ok: true, value: bare }));
    expect(step.refusals).toEqual([]);
    expect(lookup(step.state, echo)?.capability).toBeUndefined();
  });

  it('stand alone: a refused one does not hold up the others', () => {
    const step = apply(booted(node1), node1, live(echo, node1, 1, ''), live(time, node1, 2));
    expect(codes(step)).toEqual(['DEPLOYMENT_REFUSED']);
    expect(host(step.state, time)).toBe(node1);
  });

  it('can take an agent away, and no older record brings it back', () => {
    const one = apply(booted(node1), node1, live(echo, node1, 1, '2 node-1'));
    const two = apply(one.state, node1, gone(echo, node1, 2));
    expect(types(two)).toEqual(['removed']);
    expect(lookup(two.state, echo)).toBeUndefined();
    for (const pass of [0, 1])
      expect(
        host(tell(two.state, node1, { pass, records: [live(echo, node1, 1, '2 node-1')], newest: 1 }).state, echo),
      ).toBe(undefined);
    expect(types(apply(two.state, node1, live(echo, node1, 3, '2 node-1')))).toEqual(['added']);
  });

  it('keep nothing of an agent that is gone but their number', () => {
    const one = apply(booted(node1), node1, live(echo, node1, 1), live(time, node1, 2), gone(echo, node1, 3));
    expect([...one.state.nodes.get(node1)!.live.keys()]).toEqual([time]);
    expect([...one.state.claims.keys()]).toEqual([time]);
    expect(positionIn(one.state, node1).upTo).toBe(3);
    expect(codes(apply(one.state, node1, gone('default/never' as AgentId, node1, 9)))).toEqual([]);
  });

  it('are not more than a node may host, and what is over the bound is asked for when trust changes', () => {
    const { agentsMax } = limits;
    let before = booted(node1);
    const names = Array.from({ length: agentsMax + 1 }, (_, i) => `default/a${i}` as AgentId);
    const step = apply(before, node1, ...names.map((name, i) => live(name, node1, i + 1, '1 node-1')));
    before = step.state;
    expect([codes(step), before.nodes.get(node1)!.live.size]).toEqual([['LIMIT_EXCEEDED'], agentsMax]);
    expect(positionIn(askedAgain(before, node1)!, node1)).toMatchObject({ pass: 1, done: false });
  });
});

describe('a suspension', () => {
  const one = apply(booted(node1), node1, live(echo, node1, 1), live(time, node1, 2)).state;

  it('is told without the documents, which are not verified again', () => {
    const two = apply(one, node1, state(echo, node1, 3, 1, 'suspended'));
    expect([types(two), two.refusals]).toEqual([['updated'], []]);
    expect(lookup(two.state, echo)).toMatchObject({ suspended: true, version: 3, documents: 1 });
    const three = apply(two.state, node1, state(echo, node1, 4, 1, 'live'));
    expect(lookup(three.state, echo)).toMatchObject({ suspended: false, manifest: lookup(one, echo)!.manifest });
  });

  it('of documents that were refused says nothing about those that were not', () => {
    const two = apply(one, node1, live(echo, node1, 3, ''));
    const three = apply(two.state, node1, state(echo, node1, 4, 3, 'suspended'));
    expect(lookup(three.state, echo)).toMatchObject({ suspended: false, version: 1 });
    expect(codes(apply(one, node1, state('default/never' as AgentId, node1, 3, 1, 'suspended')))).toEqual([]);
  });

  it('comes with the documents for who has none of them', () => {
    const record = { ...live(echo, node1, 7), documents: 1, state: 'suspended' as const };
    const step = tell(booted(node1), node1, { pass: 1, records: [record] });
    expect(lookup(step.state, echo)).toMatchObject({ suspended: true, version: 7, documents: 1 });
  });
});

describe('a delta', () => {
  const one = apply(booted(node1), node1, live(echo, node1, 1), live(time, node1, 2)).state;

  it('that begins beyond what is known is not taken', () => {
    const step = tell(one, node1, { above: 5, records: [live('default/late' as AgentId, node1, 6)] });
    expect(step).toEqual({ state: one, changes: [], refusals: [], missing: true });
    expect(tell(one, node1, { pass: 1, above: 1, upTo: 9 })).toMatchObject({ missing: true, state: one });
  });

  it('that ends before what is known changes nothing, and one that reaches beyond only that', () => {
    expect(tell(one, node1, { upTo: 1, newest: 5, records: [live(time, node1, 1)] })).toMatchObject({ state: one });
    const step = tell(one, node1, { records: [live(time, node1, 1), gone(time, node1, 3)] });
    expect([types(step), positionIn(step.state, node1).upTo]).toEqual([['removed'], 3]);
  });

  it('that lists everything takes away what it does not name, at its end', () => {
    const first = tell(one, node1, { pass: 1, upTo: 1, newest: 4, records: [] });
    expect([first.changes, host(first.state, echo)]).toEqual([[], node1]);
    const last = tell(first.state, node1, { pass: 1, above: 1, records: [live(time, node1, 4, '2 node-1')] });
    expect(types(last).sort()).toEqual(['removed', 'updated']);
    expect(agentsOf(last.state, node1)).toEqual([time]);
    expect(positionIn(last.state, node1)).toEqual({ upTo: 4, pass: 1, listed: 4, done: true });
  });

  it('that lists everything begins anew with a higher number; what still comes of the one before says nothing', () => {
    const first = tell(one, node1, { pass: 1, upTo: 1, newest: 4, records: [] });
    const second = tell(first.state, node1, { pass: 2, upTo: 1, newest: 4, records: [live(echo, node1, 1)] });
    const late = tell(second.state, node1, { pass: 1, above: 1, upTo: 4, records: [] });
    expect(late.state).toBe(second.state);
    const last = tell(second.state, node1, { pass: 2, above: 1, upTo: 4, records: [live(time, node1, 2)] });
    expect(agentsOf(last.state, node1)).toEqual([echo, time]);
  });

  it('that lists everything does not bring back what was removed meanwhile', () => {
    const first = tell(booted(node1), node1, { pass: 1, upTo: 2, newest: 4, records: [live(echo, node1, 1)] });
    const second = tell(first.state, node1, { pass: 1, above: 2, upTo: 5, newest: 6, records: [gone(echo, node1, 5)] });
    const late = tell(second.state, node1, { pass: 1, upTo: 2, newest: 4, records: [live(echo, node1, 1)] });
    expect(host(late.state, echo)).toBeUndefined();
  });

  it('that lists everything of one node says nothing about another', () => {
    const both = boot(one, node2, 1).state;
    expect(host(tell(both, node2, { pass: 1, upTo: 0 }).state, echo)).toBe(node1);
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

  const contested = (): RegistryState => {
    const one = apply(booted(node1, node2), node1, live(echo, node1, 1, '9 node-1'));
    return apply(one.state, node2, live(echo, node2, 1, '1 node-2')).state;
  };

  it('leave it to the one that is there, whatever the generation, until the other is back', () => {
    const dead = nodeStanding(contested(), node1, 1, true);
    expect([types(dead), host(dead.state, echo), rivalsOf(dead.state, echo)]).toEqual([['moved'], node2, []]);
    const back = nodeStanding(dead.state, node1, 1, false);
    expect(types(back)).toEqual(['moved', 'conflict']);
    expect([host(back.state, echo), rivalsOf(back.state, echo)]).toEqual([node1, [node1, node2]]);
  });

  it('are told apart as ever when neither is there: whoever asks learns where it was last', () => {
    const both = nodeStanding(nodeStanding(contested(), node1, 1, true).state, node2, 1, true).state;
    expect([host(both, echo), rivalsOf(both, echo)]).toEqual([node1, []]);
  });

  it('count anew with a new boot, and the end of an old one is no news about it', () => {
    const dead = nodeStanding(contested(), node1, 1, true).state;
    const again = apply(boot(dead, node1, 2).state, node1, live(echo, node1, 1, '9 node-1')).state;
    expect(host(again, echo)).toBe(node1);
    expect(nodeStanding(again, node1, 1, true).state).toBe(again);
    expect(nodeStanding(again, node3, 1, true).state).toBe(again);
  });

  it('end in the same answer in whatever order their news arrive', () => {
    const news = fc.shuffledSubarray(
      [
        live(echo, node1, 1, `2 ${everywhere}`),
        live(echo, node2, 1, `3 ${everywhere}`),
        live(echo, node3, 1, `3 ${everywhere}`),
        live(time, node3, 2, '1 node-3'),
        live(time, node1, 2, '1 node-1'),
        node2,
      ],
      { minLength: 6 },
    );
    fc.assert(
      fc.property(news, (acts) => {
        let before = booted(node1, node2, node3);
        const told = new Map<NodeId, number>();
        for (const act of acts) {
          if (typeof act === 'string') {
            before = nodeStanding(before, act, 1, true).state;
            continue;
          }
          // Each in a number of its own, whichever comes first.
          const version = (told.get(act.node) ?? 0) + 1;
          told.set(act.node, version);
          before = apply(before, act.node, { ...act, version, documents: version }).state;
        }
        expect([host(before, echo), host(before, time)]).toEqual([node3, node1]);
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
    const before = apply(booted(node1), node1, live(echo, node1, 1)).state;
    expect(boot(before, node1, 1).state).toBe(before);
  });

  it('is in the boot that was announced last, and in no other', () => {
    const before = boot(booted(node1), node1, 5).state;
    expect([4, 5, 6].map((epoch) => runsBoot(before, node1, epoch))).toEqual([false, true, false]);
    expect(runsBoot(before, node2, 1)).toBe(false);
  });

  it('is not believed with an older epoch', () => {
    const refused = nodeBooted(boot(booted(node1), node1, 5).state, node1, 4);
    expect(refused.ok ? 'ok' : refused.refusal.code).toBe('REPLAYED');
  });
});

describe('asking for a service', () => {
  const other = 'other/time' as AgentId;
  const before = apply(
    booted(node1),
    node1,
    live(time, node1, 1, '1 node-1 clock'),
    live(echo, node1, 2, '1 node-1 clock'),
    live(other, node1, 3, '1 node-1 clock'),
  ).state;
  const found = (service: string) => byService(before, service).map((claim) => claim.manifest.agentId);

  it('finds who offers it within the tenant, in a stable order', () => {
    expect(found('default/clock')).toEqual([echo, time]);
    expect(found('other/clock')).toEqual([other]);
    for (const none of ['nobody/clock', 'default/clo', 'clock', '', '/', 'default/']) expect(found(none)).toEqual([]);
  });

  it('answers as a walk over all agents of all nodes would, and so does asking for an agent, whatever was told before', () => {
    const nodes = [node1, node2, node3];
    const agents = [echo, time, other];
    const news = fc.array(
      fc.record({
        node: fc.constantFrom(...nodes),
        agent: fc.constantFrom(...agents),
        service: fc.constantFrom('clock', 'echo', ''),
        generation: fc.integer({ min: 1, max: 3 }),
        act: fc.constantFrom('live', 'live', 'live', 'gone', 'full', 'boot', 'revoked', 'judged', 'dead', 'alive'),
      }),
      { maxLength: 40 },
    );
    const walk = (now: RegistryState, agent: AgentId) => {
      const claims = [...now.nodes.entries()].flatMap(([node, { live: all, absent }]) => {
        const claim = all.get(agent);
        return claim ? [{ node, claim, absent, generation: claim.manifest.generation }] : [];
      });
      return claims.sort(
        (a, b) => Number(a.absent) - Number(b.absent) || b.generation - a.generation || (a.node < b.node ? -1 : 1),
      )[0]?.claim;
    };
    fc.assert(
      fc.property(news, (acts) => {
        let now = booted(...nodes);
        for (const [index, { node, agent, service, generation, act }] of acts.entries()) {
          const version = index + 1;
          const record = live(agent, node, version, `${generation} ${everywhere} ${service}`);
          if (act === 'live') now = apply(now, node, record).state;
          else if (act === 'gone') now = apply(now, node, gone(agent, node, version)).state;
          else if (act === 'full') now = tell(now, node, { pass: version, records: [record] }).state;
          else if (act === 'boot') now = boot(now, node, version + 1).state;
          else if (act === 'revoked') now = boot(nodeRevoked(now, node).state, node, version + 1).state;
          else if (act === 'dead' || act === 'alive') now = nodeStanding(now, node, 1_000, act === 'dead').state;
          else
            now = judgedAgain(now, node, (documents) =>
              documents.manifest.startsWith(agent) ? refuse('REVOKED', 'It is.') : verify(documents),
            ).state;
          for (const id of agents) expect(lookup(now, id)).toBe(walk(now, id));
          for (const [tenant, name] of [
            ['default', 'clock'],
            ['default', 'echo'],
            ['other', 'clock'],
            ['other', 'echo'],
          ] as const) {
            const walked = agents
              .filter((id) => tenantOf(id) === tenant && walk(now, id)?.manifest.services.includes(name))
              .sort();
            expect(byService(now, `${tenant}/${name}`).map((claim) => claim.manifest.agentId)).toEqual(walked);
          }
        }
      }),
    );
  });
});

describe('a delta on its way', () => {
  const delta = {
    pass: 1,
    above: 0,
    upTo: 5,
    newest: 9,
    records: [live(echo, node1, 1, 'line\nbreak'), gone(time, node1, 2)],
  };

  it('arrives as it was sent', () => {
    expect(readRegistryDelta(registryDeltaText(delta))).toEqual({ ok: true, value: delta });
  });

  it.each([
    ['no list', '{"v":2,"pass":0,"above":0,"upTo":1,"newest":1}', 'MALFORMED'],
    ['the form of before', '{"v":1,"full":true,"records":[]}', 'MALFORMED'],
    [
      'a made-up state',
      registryDeltaText({ ...delta, records: [{ ...live(echo, node1, 1), state: 'x' as 'live' }] }),
      'MALFORMED',
    ],
    ['version 0', registryDeltaText({ ...delta, records: [live(echo, node1, 0)] }), 'MALFORMED'],
    ['a version beyond its end', registryDeltaText({ ...delta, records: [live(echo, node1, 6)] }), 'MALFORMED'],
    [
      'a version before its beginning',
      registryDeltaText({ ...delta, above: 1, records: [live(echo, node1, 1)] }),
      'MALFORMED',
    ],
    [
      'one version twice',
      registryDeltaText({ ...delta, records: [live(echo, node1, 1), live(time, node1, 1)] }),
      'MALFORMED',
    ],
    ['an end before its beginning', registryDeltaText({ ...delta, above: 6, records: [] }), 'MALFORMED'],
    ['an end beyond the newest', registryDeltaText({ ...delta, upTo: 10 }), 'MALFORMED'],
    ['a number that no counter reaches', registryDeltaText({ ...delta, newest: 2 ** 53 }), 'MALFORMED'],
    [
      'later documents',
      registryDeltaText({ ...delta, records: [{ ...live(echo, node1, 1), documents: 2 }] }),
      'MALFORMED',
    ],
    [
      'documents of nobody',
      registryDeltaText({ ...delta, records: [{ ...gone(echo, node1, 1), manifest: 'x' }] }),
      'MALFORMED',
    ],
    [
      'a capability alone',
      registryDeltaText({ ...delta, records: [{ ...live(echo, node1, 1), manifest: '' }] }),
      'MALFORMED',
    ],
    [
      'an agent that is not one',
      registryDeltaText({ ...delta, records: [live('x' as AgentId, node1, 1)] }),
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
    const before = apply(booted(node1, node2), node1, live(echo, node1, 1), live(time, node1, 2)).state;
    return apply(before, node2, live(echo, node2, 1, '2 node-1,node-2 echo')).state;
  };

  it('forgets a revoked node with all that it hosts, and takes nothing more from it', () => {
    const step = nodeRevoked(both(), node2);
    expect(step.changes).toMatchObject([{ type: 'moved', agentId: echo, now: { node: node1 } }]);
    expect(host(step.state, echo)).toBe(node1);
    expect(codes(apply(step.state, node2, live(time, node2, 9)))).toEqual(['PROTOCOL_VIOLATION']);
    expect(nodeRevoked(step.state, node3)).toEqual({ state: step.state, changes: [], refusals: [] });
  });

  it('drops the agents whose documents do not pass any more, and no older record brings them back', () => {
    const refusing: VerifyDocuments = (documents) =>
      documents.manifest.startsWith(echo) ? refuse('REVOKED', 'The deployment was revoked.') : verify(documents);
    const step = judgedAgain(both(), node1, refusing);
    expect(agentsOf(step.state, node1)).toEqual([time]);
    expect(judgedAgain(step.state, node1, refusing).changes).toEqual([]);
    expect(tell(step.state, node1, { upTo: 1, records: [live(echo, node1, 1)] }).state).toBe(step.state);
  });

  it('asks for a listing of whom it refused, and takes from it what passes now', () => {
    const refused = apply(
      booted(node1),
      node1,
      live(time, node1, 1),
      live(echo, node1, 2, ''),
      gone(time, node1, 3),
    ).state;
    expect(askedAgain(booted(node1), node1)).toBeUndefined();
    const asking = askedAgain(refused, node1)!;
    expect(positionIn(asking, node1)).toEqual({ upTo: 3, pass: 1, listed: 0, done: false });
    expect(askedAgain(asking, node1)).toBeUndefined();
    const step = tell(asking, node1, { pass: 1, upTo: 3, records: [live(echo, node1, 2)] });
    expect(agentsOf(step.state, node1)).toEqual([echo]);
  });
});
