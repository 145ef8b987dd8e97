import { expect, test } from 'vitest';
import type { PeerLink } from '../../../src/actors/cluster/links/links.ts';
import { Announcements } from '../../../src/actors/messaging/announcements.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId, NodeId } from '../../../src/names.ts';
import { PersistentMap } from '../../../src/protocols/persistent-map.ts';
import type { RegistryRecord } from '../../../src/protocols/registry/record.ts';
import type { RegistryState } from '../../../src/protocols/registry/registry.ts';

const node = 'node-1' as NodeId;
const text = 'm'.repeat(limits.pushPullBytesMax / 100);

test('a link that takes one part is told one, and the texts of the rest are not made for it', () => {
  let made = 0;
  let live: PersistentMap<AgentId, never> = PersistentMap.empty();
  const announcements = new Announcements({
    nodeId: node,
    state: () =>
      ({ nodes: PersistentMap.empty().with(node, { epoch: 1, live, gone: PersistentMap.empty() }) }) as RegistryState,
    links: () => [],
  });
  for (let n = 0; n < 1_000; n += 1) {
    const agentId = `default/a${n}` as AgentId;
    const plain = { agentId, node, version: announcements.next(), state: 'live', capability: '' };
    const record = Object.defineProperty(plain, 'manifest', {
      get: () => {
        made += 1;
        return text;
      },
    }) as unknown as RegistryRecord;
    live = live.with(agentId, { record, manifest: { agentId } } as never);
  }
  let sent = 0;
  const link = {
    get congested() {
      return sent > 0;
    },
    send: () => {
      sent += 1;
      return { ok: true };
    },
    whenFlowing: () => {},
  } as unknown as PeerLink;
  announcements.linkReady(link);
  expect(sent).toBe(1);
  // A part holds a hundred at most: looked at once to see that one frame is too small, once for its size, once written.
  expect(made).toBeLessThan(500);
});
