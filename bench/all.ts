/**
 * Runs the benches and writes bench/RESULTS.md. `all.ts link local` runs some and prints them; `--quick` proves within
 * a minute that all still run, and writes nothing.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { audit } from './audit/bench.ts';
import { identity } from './identity/bench.ts';
import { kernel } from './kernel/bench.ts';
import { link } from './link/bench.ts';
import { local } from './local/bench.ts';
import { machine } from './runner/machine.ts';
import { type Report, reportText } from './runner/report.ts';
import { start } from './start/bench.ts';

const benches = { start, link, local, kernel, audit, identity } as const;

const words = process.argv.slice(2);
const quick = words.includes('--quick');
const named = words.filter((word) => word !== '--quick');
const unknown = named.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`no such bench: ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')} and --quick`);
  process.exit(2);
}

const head = machine();
const began = performance.now();
const reports: Report[] = [];
for (const [name, run] of Object.entries(benches)) {
  if (named.length > 0 && !named.includes(name)) continue;
  const report = await run({ quick });
  reports.push(report);
  console.log(reportText(report));
}
const seconds = Math.round((performance.now() - began) / 1_000);

const results = `# What Caxton’s numbers stand beside

Written by \`npm run bench\`: no figure here was typed. Contenders take turns within one run (A, B, C, A, B, C …) after
warm-up rounds; a ratio is the median of the ratios round by round, with the least and the greatest behind it.

${head.map((line) => `- ${line}`).join('\n')}
- The run took ${seconds} s

${reports.map(reportText).join('\n')}`;
if (!quick && named.length === 0) writeFileSync(join(import.meta.dirname, 'RESULTS.md'), results);
console.log(`${reports.length} benches in ${seconds} s`);
