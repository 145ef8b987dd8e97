import { swimProfiles } from '../../src/protocols/swim/config.ts';
import type { BenchOptions, Report } from '../runner/report.ts';
import { quantile, spreadOf } from '../runner/statistics.ts';
import { shortNumber, type Table, verdict } from '../runner/table.ts';
import { memberCount, type Outcome, ours, published, type Rules, runAnomalies } from './anomalies.ts';
import { runSpread } from './spread.ts';
import { runWireFault, wireFaults } from './wires.ts';

export interface GossipBenchOptions extends BenchOptions {
  /** Every cell of the paper’s grid, ten times: days of processor time. */
  readonly full?: boolean;
}

interface Grid {
  readonly members: readonly number[];
  readonly durations: readonly number[];
  readonly intervals: readonly number[];
  readonly seeds: number;
}

const durations = [128, 512, 2_048, 8_192, 16_384, 32_768];
/** The paper’s C and D; its I as far as we know it. */
const fullGrid: Grid = {
  members: [1, 4, 8, 12, 16, 20, 24, 28, 32],
  durations,
  intervals: [1, 4, 16, 64, 256, 1_024, 4_096, 16_384],
  seeds: 10,
};
const chosen: Grid = { members: [8, 24], durations, intervals: [4, 1_024], seeds: 1 };
const quickGrid: Grid = { members: [8], durations: [32_768], intervals: [64], seeds: 1 };

/** Runs behind the paper’s totals: C, D, I and ten repetitions. */
const publishedRuns = 9 * 6 * 8 * 10;
const publishedTotals = {
  SWIM: { falsePositives: 339_002, atHealthy: 1_326, datagrams: 435e6, median: 12.44, p99: 16.96 },
  Lifeguard: { falsePositives: 5_193, atHealthy: 25, datagrams: 481e6, median: 12.45, p99: 17.9 },
} as const;

/** The gossip’s rules in simulation: how soon they see a failure, and how rarely one that is none. */
export async function gossip({ quick, full = false }: GossipBenchOptions): Promise<Report> {
  return {
    title: 'bench/gossip: failures seen, and seen where there are none',
    about,
    tables: [
      anomalyTable(quick ? quickGrid : full ? fullGrid : chosen, full),
      wireTable(quick ? 100 : 1_000),
      spreadTable(quick ? [200] : [1_000, 10_000], quick ? 2 : 10),
    ],
  };
}

const about = [
  'The rules alone in one process on virtual time (`test/simulate`), without sockets and seals, and with signatures that ' +
    'are checked but no secret: every claim is judged as in a node, and checkers look at every step. Profile `lan` unless a ' +
    'row says otherwise: a probe each second, timeout 500 ms.',
];

interface Row {
  readonly rules: Rules;
  readonly runs: readonly Outcome[];
  readonly detections: readonly number[];
}

function measure(rules: Rules, grid: Grid): Row {
  const runs: Outcome[] = [];
  const detections: number[] = [];
  for (let seed = 1; seed <= grid.seeds; seed++) {
    for (const members of grid.members) {
      for (const durationMs of grid.durations) {
        for (const intervalMs of grid.intervals) {
          runs.push(runAnomalies(rules, { members, durationMs, intervalMs }, seed));
        }
      }
      const longest = Math.max(...grid.durations);
      const once = { members, durationMs: longest, intervalMs: undefined };
      detections.push(...runAnomalies(rules, once, seed).detections);
    }
  }
  return { rules, runs, detections: detections.map((ms) => ms / 1_000).sort((a, b) => a - b) };
}

const meanOf = (runs: readonly Outcome[], quantity: 'falsePositives' | 'atHealthy' | 'certified' | 'datagrams') =>
  runs.reduce((sum, run) => sum + run[quantity], 0) / runs.length;

function anomalyTable(grid: Grid, full: boolean): Table {
  const rows = [...published, ...ours].map((rules) => measure(rules, grid));
  const total = ({ runs }: Row, quantity: Parameters<typeof meanOf>[1]) => meanOf(runs, quantity) * publishedRuns;
  const paper = Object.entries(publishedTotals).map(([name, figures]) => [
    `${name}, as published`,
    figures.falsePositives.toLocaleString('en'),
    figures.atHealthy.toLocaleString('en'),
    '',
    figures.median.toFixed(2),
    figures.p99.toFixed(2),
    shortNumber(figures.datagrams / publishedRuns),
  ]);
  const cells = rows.map((row) => [
    row.rules.name,
    shortNumber(total(row, 'falsePositives')),
    shortNumber(total(row, 'atHealthy')),
    shortNumber(total(row, 'certified')),
    quantile(row.detections, 0.5).toFixed(2),
    quantile(row.detections, 0.99).toFixed(2),
    shortNumber(meanOf(row.runs, 'datagrams')),
  ]);
  const count = rows[0]!.runs.length;
  return {
    title: `Lifeguard’s experiment, ${memberCount} members`,
    head: ['', 'false positives', 'at healthy', 'certified', 'first detection s', '99 %', 'datagrams a run'],
    rows: [...paper, ...cells],
    after: [
      `${full ? 'The whole grid' : 'A part of the grid'}: C ∈ {${grid.members}}, D ∈ {${grid.durations}} ms, ` +
        `I ∈ {${grid.intervals}} ms, ${grid.seeds} × each: ${count} runs a row. The counts are the mean of these runs times ` +
        `${publishedRuns.toLocaleString('en')}, the runs that we take to be behind the paper’s totals (9·6·8 cells, ten ` +
        'times: our reading, which its datagrams a run bear out to within a half). A false positive is a verdict, dead or ' +
        'unreachable, about a member with no anomaly, at whichever observer; “certified” are those that carry three ' +
        'signatures, or the one that SWIM’s own belief asks for. First detection: one anomaly of ' +
        `${Math.max(...grid.durations)} ms, at an observer without one.`,
      'A member with an anomaly stops just before it sends and just after it receives, as the paper’s agents did: its ' +
        'loops stop there, the deadlines of its suspicions run on. Freed, each loop first goes on where it stood; what has ' +
        'arrived is read beside them, at 50 µs a packet (our assumption). The last two rows are other faults, beside which ' +
        'no published figure stands. “Its process stands still”: all of it, which is what blocks a program without ' +
        'threads; a node leaves that time out (`AwakeTime`). “Its network is held”: everything goes on but what is sent ' +
        'and received, so a member comes to the finding that the others are unreachable, which to it they are.',
      ...verdicts(rows, total),
    ],
  };
}

function verdicts(rows: readonly Row[], total: (row: Row, quantity: Parameters<typeof meanOf>[1]) => number): string[] {
  const named = (name: string) => rows.find(({ rules }) => rules.name === name)!;
  const falsePositives = (name: string) => total(named(name), 'falsePositives');
  const median = (name: string) => quantile(named(name).detections, 0.5);
  const swim = falsePositives('SWIM');
  const half = publishedTotals.Lifeguard.falsePositives / 2;
  const parts = ['LHA-Probe', 'LHA-Suspicion', 'Buddy System'].map(falsePositives);
  const shown = (name: string) => `${shortNumber(falsePositives(name))} and ${median(name).toFixed(2)} s`;
  const messages = meanOf(named(lan).runs, 'datagrams') / meanOf(named('Lifeguard').runs, 'datagrams');
  return [
    verdict(
      'SWIM within ten times of its published row, each part fewer, all together the fewest',
      swim > 33_900 && swim < 3_390_020 && parts.every((part) => part <= swim && part >= falsePositives('Lifeguard')),
      [swim, ...parts, falsePositives('Lifeguard')].map(shortNumber).join(', '),
    ),
    verdict(
      'α=5 β=6: at most half of Lifeguard’s published row, first detection ≤ 13 s',
      falsePositives(fiveSix) <= half && median(fiveSix) <= 13,
      shown(fiveSix),
    ),
    verdict(
      `our default (α=${swimProfiles.lan.suspicionMult} β=${swimProfiles.lan.suspicionMaxMult}): first detection ≤ 6.5 s with at most 5,193`,
      falsePositives(lan) <= publishedTotals.Lifeguard.falsePositives && median(lan) <= 6.5,
      shown(lan),
    ),
    verdict(
      'our default: nobody who ran is found failed by one whose process stood still',
      total(named('Caxton, profile lan, its process stands still'), 'falsePositives') === 0,
      shortNumber(falsePositives('Caxton, profile lan, its process stands still')),
    ),
    verdict('our default: at most 1.1 times Lifeguard’s datagrams here', messages <= 1.1, messages.toFixed(2)),
  ];
}

const fiveSix = 'Caxton, α=5 β=6';
const lan = 'Caxton, profile lan';

/** 80 s: two times on and off. */
const settledLooks = 8;

function wireTable(size: number): Table {
  const percent = (part: number) => (100 * part).toFixed(0);
  const outcomes = wireFaults.map((fault) => ({ fault, outcome: runWireFault(fault, size, 1) }));
  const settled = (removed: readonly number[]) => Math.min(...removed.slice(settledLooks));
  return {
    title: `Rapid’s faults at 1 % of ${size.toLocaleString('en')} members`,
    head: ['', 'views in which the faulty are removed, every 20 s, %', 'healthy ones removed'],
    rows: outcomes.map(({ fault, outcome }) => [
      fault.name,
      outcome.removed
        .filter((_, index) => index % 2 === 1)
        .map(percent)
        .join(' '),
      String(outcome.wronged),
    ]),
    after: [
      'A member that fails for the first time comes back as soon as it shows itself; one that fails again has to behave ' +
        'for half a minute first. So a wire that comes and goes is taken back once.',
      verdict(
        'the faulty are removed from 95 % of all views and stay so from 80 s on, and nobody else is',
        outcomes.every(({ outcome }) => outcome.wronged === 0 && settled(outcome.removed) >= 0.95),
        outcomes.map(({ outcome }) => `${percent(settled(outcome.removed))} % at least`).join(', '),
      ),
    ],
  };
}

function spreadTable(sizes: readonly number[], seeds: number): Table {
  const goalsMs = new Map([
    [1_000, 2_200],
    [10_000, 2_600],
  ]);
  const rows = sizes.map((size) => {
    const runs = Array.from({ length: seeds }, (_, index) => runSpread(size, index + 1));
    const allMs = spreadOf(runs.map((run) => run.allMs));
    const stepsPerSecond = spreadOf(runs.map(({ steps, seconds }) => steps / seconds)).median;
    return { size, allMs, nearlyMs: spreadOf(runs.map((run) => run.nearlyAllMs)), stepsPerSecond };
  });
  return {
    title: 'One change known to everybody',
    head: ['members', '99.99 % s', 'all s', 'steps a second on one core'],
    rows: rows.map(({ size, allMs, nearlyMs, stepsPerSecond }) => [
      size.toLocaleString('en'),
      (nearlyMs.median / 1_000).toFixed(2),
      `${(allMs.median / 1_000).toFixed(2)} (${(allMs.min / 1_000).toFixed(2)} to ${(allMs.max / 1_000).toFixed(2)})`,
      shortNumber(stepsPerSecond),
    ]),
    after: [
      `By gossip and probes alone, no push/pull; median of ${seeds} seeds. Steps: of the rules, with the simulator and its ` +
        'checkers, by processor time.',
      ...rows
        .filter(({ size }) => goalsMs.has(size))
        .map(({ size, allMs }) =>
          verdict(
            `all of ${size.toLocaleString('en')} within ${goalsMs.get(size)! / 1_000} s`,
            allMs.median <= goalsMs.get(size)!,
            `${(allMs.median / 1_000).toFixed(2)} s`,
          ),
        ),
    ],
  };
}
