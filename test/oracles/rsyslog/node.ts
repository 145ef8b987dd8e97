import { readFile } from 'node:fs/promises';
import { createNode } from '../../../src/actors/node.ts';
import { loadConfig } from '../../../src/config.ts';
import { privateKeyFromPem } from '../../../src/crypto/keys.ts';
import { unwrap } from '../../../src/errors.ts';

/**
 * A node as a process that its parent can kill. `node.ts <node.yaml> <deployer.key>`; it is told `deploy <n>`, `report`
 * and `stop` over the channel to its parent.
 */
const [file = '', deployerPath = ''] = process.argv.slice(2);
const config = unwrap(loadConfig(await readFile(file, 'utf8'), { file }));
const deployer = unwrap(privateKeyFromPem(await readFile(deployerPath, 'utf8')));
const node = await createNode(config, { deployer });
const boot = node.control.status().bootEpoch;
let made = 0;

process.on('message', async (message: { readonly type: string; readonly count?: number }) => {
  if (message.type === 'deploy') {
    for (let left = message.count ?? 0; left > 0; left -= 1) {
      made += 1;
      await node.deploy(`default/agent-${boot}-${made}`, () => undefined);
    }
    process.send?.({ type: 'deployed' });
  }
  if (message.type === 'report') {
    const all: unknown[] = [];
    for (;;) {
      const page = unwrap(await node.control.auditTail({ limit: 1_000, from: all.length + 1 }));
      if (page.length === 0) break;
      all.push(...page);
    }
    process.send?.({ type: 'report', records: all, siem: node.control.status().siem });
  }
  if (message.type === 'stop') {
    await node.stop();
    process.exit(0);
  }
});
process.send?.({ type: 'up' });
