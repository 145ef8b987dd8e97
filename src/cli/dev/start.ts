import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { defaultPorts, developmentNodes, initialiseCluster, spareNode } from '../../development/initialise.ts';
import { clusterLayout } from '../../development/layout.ts';
import { claimPorts } from '../../development/ports.ts';
import { policyYaml } from '../../development/templates.ts';
import { placeOf } from '../../development/whole-folder.ts';
import { limits } from '../../limits.ts';
import { hasColours } from '../style.ts';
import { clientsOf } from './clients.ts';
import { converse } from './conversation.ts';
import { deployDemoAgents } from './deploy.ts';
import { agentModulesFolder } from './deployments.ts';
import { takeLock } from './lock.ts';
import { createNarrator, type Narrator } from './narrate.ts';
import { type NodeProcess, startAgainCommand, startNodeProcess } from './node-process.ts';

const startMsMax = 20_000;
/** A node cuts what does not end; one that has not ended a moment later hangs. */
const stopMsMax = limits.stopMsMax + 1_000;
/** A terminal’s Ctrl-C can arrive twice within a millisecond: what comes this soon is the same one. */
const sameSignalMs = 1_000;

/** `caxton dev start`: the main job, its arguments already checked. Returns the exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { once: { type: 'boolean' }, dir: { type: 'string' } },
  });
  const root = await placeOf(values.dir ?? '.caxton');
  const began = performance.now();
  const narrator = createNarrator(
    (line) => process.stdout.write(`${line}\n`),
    hasColours(process.stdout.isTTY === true, process.env),
    () => performance.now() - began,
  );
  const lock = await takeLock(`${root}.lock`);
  const launcher = new Launcher(root, narrator);
  const signals = listenForSignals(narrator, () => launcher.abort());
  let code: number;
  try {
    code = await launcher.run(values.once === true, signals.stopped);
  } finally {
    await launcher.stop();
    signals.dispose();
    await lock.release();
  }
  narrator.line(code === 0 ? 'all nodes stopped' : 'stopped after a failure');
  return code;
}

class Launcher {
  readonly #root: string;
  readonly #narrator: Narrator;
  readonly #nodes = new Map<string, NodeProcess>();
  #stopping = false;

  constructor(root: string, narrator: Narrator) {
    this.#root = root;
    this.#narrator = narrator;
  }

  async run(once: boolean, stopped: Promise<void>): Promise<number> {
    const layout = clusterLayout(this.#root);
    const fresh = !existsSync(layout.profile);
    const ports = await claimPorts(this.#root, developmentNodes, defaultPorts);
    const made = await initialiseCluster({
      root: this.#root,
      now: nodeClock.now(),
      nodes: developmentNodes,
      ports: ports.list,
      spare: [spareNode],
      modulesPath: agentModulesFolder,
      policy: policyYaml(),
      asDocuments: true,
    });
    if (made)
      this.#narrator.line(
        `made a development cluster in ${relative(process.cwd(), this.#root) || '.'}: CA, certificates, keys`,
      );
    else await ports.writeBack();
    if (!fresh && ports.changed.length > 0)
      this.#narrator.line(`ports were taken; written back to node.yaml: ${ports.changed.join(', ')}`);
    const starts = developmentNodes.map((id) => this.#startNode(id));
    const up = await Promise.race([Promise.all(starts), stopped.then(() => undefined)]);
    if (up === undefined) return 0;
    if (!up.every(Boolean)) return 1;
    const clients = await clientsOf(layout, developmentNodes);
    const conversation = deployDemoAgents(layout, clients, this.#narrator).then(() =>
      converse(clients, this.#narrator),
    );
    const good = await Promise.race([conversation, stopped.then(() => undefined)]);
    if (good === undefined) return 0;
    if (once) return good ? 0 : 1;
    this.#invite();
    await stopped;
    return 0;
  }

  /** Starts one node and watches it: one that dies by itself is not restarted, but the way to do it is printed. */
  async #startNode(id: (typeof developmentNodes)[number]): Promise<boolean> {
    const config = relative(process.cwd(), clusterLayout(this.#root).node(id).config);
    const node = startNodeProcess(id, config, (event) => this.#narrator.event(event));
    this.#nodes.set(id, node);
    void node.ended.then(({ code, signal }) => {
      if (this.#stopping) return;
      this.#narrator.line(
        `${id} ended (${signal ?? `exit ${code}`}). Start it again with:  ${startAgainCommand(config)}`,
      );
      const words = node.lastWords();
      if (words) this.#narrator.line(`${id} said: ${words}`);
    });
    const timer = setTimeout(() => {
      this.#narrator.line(`${id} did not come up within ${startMsMax / 1000} s`);
      node.kill();
    }, startMsMax);
    const up = await node.up;
    clearTimeout(timer);
    return up;
  }

  #invite(): void {
    const say = (text: string) => this.#narrator.line(text);
    say('The cluster runs until Ctrl-C. From another terminal, in this folder:');
    say("  npx caxton message send --to default/echo --content 'hello'");
    say('  npx caxton cluster members      npx caxton agent list');
    say('  npx caxton audit tail           npx caxton audit verify');
  }

  /** A second signal: no more waiting. */
  abort(): void {
    for (const node of this.#nodes.values()) node.kill();
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const nodes = [...this.#nodes.values()];
    for (const node of nodes) node.stop();
    const timer = setTimeout(() => this.abort(), stopMsMax);
    await Promise.all(nodes.map((node) => node.ended));
    clearTimeout(timer);
  }
}

function listenForSignals(narrator: Narrator, force: () => void) {
  let first: number | undefined;
  let resolveStopped: () => void = () => {};
  const stopped = new Promise<void>((done) => {
    resolveStopped = done;
  });
  const onSignal = () => {
    const now = performance.now();
    if (first === undefined) {
      first = now;
      narrator.line('stopping: agents drain, nodes leave the cluster (a second Ctrl-C cuts it short)');
      resolveStopped();
    } else if (now - first > sameSignalMs) force();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
  return {
    stopped,
    dispose: () => {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, onSignal);
    },
  };
}
