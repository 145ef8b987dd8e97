import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { WatchedCluster } from './watched-cluster.ts';

/** What serf is installed here; undefined when none is. */
export function serfVersion(): string | undefined {
  try {
    return execFileSync('serf', ['version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0];
  } catch {
    return undefined;
  }
}

/** serf’s own agents on loopback: LAN profile, encrypted. What they see is read from their logs as they write them. */
export class SerfProcesses extends WatchedCluster {
  readonly #key = execFileSync('serf', ['keygen'], { encoding: 'utf8' }).trim();
  readonly #firstPort: number;

  constructor(names: readonly string[], firstPort: number) {
    super(names);
    this.#firstPort = firstPort;
  }

  protected spawn(name: string): ChildProcess {
    const at = (index: number) => `127.0.0.1:${this.#firstPort + index}`;
    const index = this.names.indexOf(name);
    const others = this.names.flatMap((_, other) => (other === index ? [] : [`-retry-join=${at(other)}`]));
    const child = spawn(
      'serf',
      [
        'agent',
        `-node=${name}`,
        `-bind=${at(index)}`,
        `-rpc-addr=${at(index + this.names.length)}`,
        '-profile=lan',
        `-encrypt=${this.#key}`,
        '-retry-interval=1s',
        ...others.slice(0, 3),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const [, event, subject] = /serf: EventMember(Join|Failed|Leave|Reap|Update): (\S+)/.exec(line) ?? [];
      if (event && subject && event !== 'Update') this.saw(name, subject, event !== 'Join', event);
    });
    return child;
  }
}
