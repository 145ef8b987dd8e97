import { expect, it } from 'vitest';
import { createNarrator } from '../../../src/cli/dev/narrate.ts';
import type { AgentId, NodeId } from '../../../src/names.ts';

const message = {
  nodeId: 'node-1' as NodeId,
  id: 'm',
  sender: 'default/a' as AgentId,
  receiver: 'default/b' as AgentId,
  performative: 'inform',
} as const;

it('an agent’s words cannot move the cursor, colour the line or begin another', () => {
  const lines: string[] = [];
  const narrator = createNarrator(
    (line) => void lines.push(line),
    true,
    () => 0,
  );
  const hostile = '\u001b[2J\u202egnol\r\nnode-2 all is well';
  narrator.event({
    type: 'message.delivered',
    ...message,
    protocol: hostile,
    conversationId: '',
    from: 'node-2' as NodeId,
    preview: hostile,
  });
  narrator.event({ type: 'message.refused', ...message, refusal: { code: 'UNAUTHORIZED', reasons: [hostile] } });
  const shown = '\\u001b[2J\\u202egnol\\u000d\\u000anode-2 all is well';
  expect(lines).toHaveLength(2);
  for (const line of lines) {
    expect(line).toContain(shown);
    for (const hidden of ['\u001b[2J', '\u202e', '\r']) expect(line).not.toContain(hidden);
  }
});
