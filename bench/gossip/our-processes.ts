import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { developmentCluster } from '../../src/development/development-cluster.ts';
import { type ClusterLayout, clusterLayout } from '../../src/development/layout.ts';
import type { NodeId } from '../../src/names.ts';
import { cloneProgram } from '../start/processes.ts';
import { WatchedCluster } from './watched-cluster.ts';

interface Said {
  readonly event?: { readonly type: string; readonly member?: { readonly nodeId: string; readonly status: string } };
}

/** Whole nodes, started as `caxton server start` starts them and watched the way the launcher watches its nodes. */
export class OurProcesses extends WatchedCluster {
  readonly #layout: ClusterLayout;

  private constructor(names: readonly string[], layout: ClusterLayout) {
    super(names);
    this.#layout = layout;
  }

  /** Makes keys, certificates and configurations in a folder; starts nothing yet. */
  static async make(folder: string, names: readonly string[], profile: 'local' | 'lan'): Promise<OurProcesses> {
    await developmentCluster({ folder, nodes: names });
    const made = new OurProcesses(names, clusterLayout(folder));
    for (const name of names) made.configure(name, { profile });
    return made;
  }

  /** Keys below `cluster` in a node’s configuration, for its next start. */
  configure(name: string, keys: Readonly<Record<string, unknown>>): void {
    const file = this.#layout.node(name as NodeId).config;
    const document = parseDocument(readFileSync(file, 'utf8'));
    for (const [key, value] of Object.entries(keys)) document.setIn(['cluster', key], document.createNode(value));
    writeFileSync(file, document.toString());
  }

  /** Where a node listens, as its configuration says. */
  port(name: string): number {
    const document = parseDocument(readFileSync(this.#layout.node(name as NodeId).config, 'utf8'));
    return Number(
      String(document.getIn(['cluster', 'bind']))
        .split(':')
        .at(-1),
    );
  }

  protected spawn(name: string): ChildProcess {
    const { config } = this.#layout.node(name as NodeId);
    const child = spawn(process.execPath, [cloneProgram, 'server', 'start', '--config', config], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    child.on('message', ({ event }: Said) => {
      if (event?.type !== 'member.changed' || !event.member) return;
      const { nodeId, status } = event.member;
      // Accused is not gone: it is still written to.
      if (status !== 'suspect') this.saw(name, nodeId, status !== 'alive', status);
    });
    return child;
  }
}
