import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AnyStateMachine } from 'xstate';
import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Manifest } from '../../protocols/deployment/manifest.ts';
import { describe } from '../kernel/occupant.ts';
import type { Clock, Disk } from '../kernel/ports.ts';
import { outsideTurns } from '../kernel/turn.ts';
import type { AgentHandler, Behaviour } from './behaviour.ts';

/** Why code does not run. */
export interface ModuleRefusal extends Refusal {
  /** `changed`: the file is another one than the deployer signed. */
  readonly why?: 'changed';
}

/**
 * Loads trusted agent code from the node’s own agents folder. The API never carries code: a deployer signs the digest
 * of a file that the operator put there, and a file that differs by one bit does not run.
 */
export async function loadAgentModule(
  { disk, clock }: { readonly disk: Disk; readonly clock: Clock },
  folder: string | undefined,
  manifest: Manifest,
): Promise<Result<Behaviour, ModuleRefusal>> {
  const { kind, code } = manifest;
  if (kind === 'console') return ok({ kind });
  if (kind !== 'handler' && kind !== 'chart')
    return refuse('NOT_SUPPORTED', `Agents of kind ${kind} cannot run yet: there is no sandbox for them.`);
  if (code === null || code === 'embedded')
    return refuse(
      'DEPLOYMENT_REFUSED',
      `${manifest.agentId} names no module; embedded agents are deployed by their host.`,
    );
  if (folder === undefined)
    return refuse('DEPLOYMENT_REFUSED', 'This node has no agents folder (agents.modules_path), so it runs no modules.');
  const path = join(folder, code.module);
  let bytes: Uint8Array | undefined;
  try {
    bytes = await disk.readFile(path);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return refuse('DEPLOYMENT_REFUSED', `The module ${code.module} cannot be read: ${why}.`);
  }
  if (!bytes) return refuse('DEPLOYMENT_REFUSED', `The agents folder of this node has no module ${code.module}.`);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (digest !== code.digest) {
    const reason = `The module ${code.module} has ${digest}, but the manifest was signed for ${code.digest}.`;
    return { ok: false, refusal: { code: 'DEPLOYMENT_REFUSED', reasons: [reason], why: 'changed' } };
  }
  try {
    // The digest in the query keeps a changed file from being served from the module cache, and gives each agent
    // that runs the same module state of its own; a new generation of an agent begins anew.
    const own = `agent=${encodeURIComponent(manifest.agentId)}&generation=${manifest.generation}`;
    const url = `${pathToFileURL(path).href}?${own}&${digest}`;
    const exported = await inTime(clock, () => import(url));
    if (exported === undefined)
      return refuse(
        'DEPLOYMENT_REFUSED',
        `The module ${code.module} had not loaded after ${limits.agentLoadMsMax} ms: something that it awaits never comes.`,
      );
    return behaviourOf(kind, code.module, exported);
  } catch (error) {
    const reason = describe({ reason: 'crash', error });
    return refuse('DEPLOYMENT_REFUSED', `The module ${code.module} cannot be loaded: ${reason}`);
  }
}

/**
 * Outside of whoever asked for it, such as the management API: what a module leaves behind is not theirs. One that waits
 * for ever would keep the node from starting again.
 */
async function inTime(clock: Clock, load: () => Promise<unknown>): Promise<Record<string, unknown> | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = clock.setTimeout(() => resolve(undefined), limits.agentLoadMsMax);
  try {
    return (await Promise.race([outsideTurns(load), late])) as Record<string, unknown> | undefined;
  } finally {
    clock.clearTimeout(timer);
  }
}

function behaviourOf(kind: 'handler' | 'chart', module: string, exported: Record<string, unknown>): Result<Behaviour> {
  const { handler, onRefused, chart } = exported;
  if (kind === 'handler') {
    if (typeof handler !== 'function')
      return refuse('DEPLOYMENT_REFUSED', `The module ${module} exports no function named “handler”.`);
    const refused = typeof onRefused === 'function' ? { onRefused: onRefused as never } : {};
    return ok({ kind, handler: handler as AgentHandler, ...refused });
  }
  if (typeof chart !== 'object' || chart === null || !('transition' in chart))
    return refuse('DEPLOYMENT_REFUSED', `The module ${module} exports no XState machine named “chart”.`);
  return ok({ kind, chart: chart as AnyStateMachine });
}
