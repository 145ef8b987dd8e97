import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signDeployment } from '../../src/actors/agents/deployer.ts';
import { type Client, createClient } from '../../src/client.ts';
import { privateKeyFromPem } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { initialiseCluster } from '../../src/development/initialise.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import { anyPorts, claimPorts } from '../../src/development/ports.ts';
import { unwrap } from '../../src/errors.ts';
import type { AgentId, NodeId } from '../../src/names.ts';

const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');
const id = 'node-1' as NodeId;

/** A node as `caxton server start` runs it: a process of its own, with agents whose code lies in its agents folder. */
export class StandaloneLab {
  readonly #folder = mkdtempSync(join(tmpdir(), 'caxton-standalone-'));
  readonly #layout = clusterLayout(join(this.#folder, 'cluster'));
  readonly #modules = join(this.#folder, 'agents');
  #child: ChildProcess | undefined;
  #client: Client | undefined;
  #said = '';
  #signalled = 0;

  /** Code of agents by name, each as the text of a module that exports `handler`. */
  async prepare(agents: Readonly<Record<string, string>>): Promise<void> {
    mkdirSync(this.#modules);
    for (const [name, code] of Object.entries(agents)) writeFileSync(join(this.#modules, `${name}.mjs`), code);
    const ports = await claimPorts(this.#layout.root, [id], anyPorts);
    const receivers = Object.keys(agents).map(
      (name) =>
        `  - { receiver: default/${name}, allowed_senders: [default/*], permitted_operations: [{ performatives: [request] }] }\n`,
    );
    await initialiseCluster({
      root: this.#layout.root,
      now: Date.now(),
      nodes: [id],
      ports: ports.list,
      modulesPath: this.#modules,
      policy: `policies:\n${receivers.join('')}`,
    });
    const profile = JSON.parse(await readFile(this.#layout.profile, 'utf8')) as { nodes: { api: string }[] };
    this.#client = createClient({
      address: profile.nodes[0]!.api,
      caPem: await readFile(this.#layout.caCert, 'utf8'),
      apiKey: (await readFile(this.#layout.apiKey, 'utf8')).trim(),
    });
  }

  get client(): Client {
    return this.#client!;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  get running(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** The log of the process that was started last. */
  get said(): string {
    return this.#said;
  }

  /** Starts the process; resolves when its API answers. */
  async start(): Promise<void> {
    // After a test that failed.
    this.#child?.kill('SIGKILL');
    const child = spawn(process.execPath, [program, 'server', 'start', '--config', this.#layout.node(id).config], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#said = '';
    // Nobody reads what its agents print.
    child.stdout.destroy();
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
    await this.until('the node is up', () => {
      if (!this.running) throw new Error(`The node did not start: ${this.#said}`);
      return this.#said.includes('the node is up');
    });
  }

  async deploy(name: string): Promise<void> {
    const isConsole = name === `console-${id}`;
    const file = `${name}.mjs`;
    const digest = isConsole
      ? ''
      : createHash('sha256')
          .update(await readFile(join(this.#modules, file)))
          .digest('hex');
    const { manifest, capability } = signDeployment(
      unwrap(privateKeyFromPem(await readFile(this.#layout.deployerKey, 'utf8'))),
      {
        agentId: `default/${name}` as AgentId,
        kind: isConsole ? 'console' : 'handler',
        code: isConsole ? null : { module: file, digest: `sha256:${digest}` },
        services: [],
        actions: isConsole ? ['* agent:default/*'] : [],
        agentKey: osCrypto.generateKeyPair('ed25519').publicKey,
        nodes: [id],
        generation: 1,
        now: Date.now(),
        validForMs: 86_400_000,
      },
      osCrypto,
    );
    await this.client.deploy({ manifest, capability });
  }

  /** Sends as the console; nobody waits for an answer unless `timeoutMs` says so. */
  send(name: string, content: string, timeoutMs = 0) {
    return this.client.send({ to: `default/${name}` as AgentId, performative: 'request', content, timeoutMs });
  }

  signal(name: NodeJS.Signals): void {
    this.#signalled = performance.now();
    this.#child!.kill(name);
  }

  /** Waits for the end of the process. */
  async ended(ms = 60_000): Promise<{ readonly code: number | null; readonly afterMs: number }> {
    const child = this.#child!;
    await this.until('the process has ended', () => child.exitCode !== null || child.signalCode !== null, ms);
    return { code: child.exitCode, afterMs: performance.now() - this.#signalled };
  }

  async until(what: string, holds: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
    const deadline = performance.now() + ms;
    while (!(await holds())) {
      if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}\n${this.#said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  dispose(): void {
    this.#child?.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
