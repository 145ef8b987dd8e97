/**
 * `npm run bench:gossip` runs the experiments with the gossip’s rules, about twenty minutes of one core, and writes
 * bench/RESULTS-GOSSIP.md. `--full`: the paper’s whole grid, ten times, which takes days. `--quick` proves that it runs.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machine } from '../runner/machine.ts';
import { reportText } from '../runner/report.ts';
import { gossip } from './bench.ts';

const words = process.argv.slice(2);
const unknown = words.filter((word) => word !== '--quick' && word !== '--full');
if (unknown.length > 0) {
  console.error(`not understood: ${unknown.join(' ')}; there are --quick and --full`);
  process.exit(2);
}
const quick = words.includes('--quick');
const before = process.cpuUsage();
const head = machine();
const report = reportText(await gossip({ quick, full: words.includes('--full') }));
const { user, system } = process.cpuUsage(before);
const results = `# What the gossip’s rules do in simulation

Written by \`npm run bench:gossip\`: no figure here was typed. Virtual time from seeds, so the same commit gives the same
figures on any machine, but for the steps a second.

${head.map((line) => `- ${line}`).join('\n')}
- The run took ${Math.round((user + system) / 1e6)} s of processor time

${report}`;
console.log(report);
if (!quick) writeFileSync(join(import.meta.dirname, '..', 'RESULTS-GOSSIP.md'), results);
