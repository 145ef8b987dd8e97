import { ok, type Refusal, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Child } from './child.ts';
import { instanceRefusal, keptSpec, specRefusal } from './child-spec.ts';
import type { ChildCounts, Children, ChildView } from './children.ts';
import { describe, type Exit } from './occupant.ts';
import type { Message, Ref } from './ref.ts';
import type { ChildSpec, InstanceSpec, SupervisorSpec } from './spec.ts';

/** Why a supervisor refuses what is asked of its children; OTP’s answers by name, and our own after the gap. */
export type ChildAnswer =
  /** Its spec is there and it lives (`startChild`). */
  | 'already-started'
  /** Its spec is there and it is down or being restarted (`startChild`). */
  | 'already-present'
  /** It lives (`restartChild`, `deleteChild`). */
  | 'running'
  /** Its restart is to be tried again (`restartChild`, `deleteChild`). */
  | 'restarting'
  | 'not-found'
  /** Instances of a template have no specs that could be restarted, deleted, or stopped by the template’s id. */
  | 'simple-one-for-one'
  /** The spec is wrong: the reasons name the fields. */
  | 'invalid-spec'
  /** It could not start: the reason says why. */
  | 'start-failed'
  //
  /** It has `limits.childrenMax` children already. */
  | 'too-many-children'
  /** The supervisor is stopping. */
  | 'stopping'
  /** No supervisor runs at that path. */
  | 'no-supervisor';

/** A refusal by a supervisor. */
export interface ChildRefusal extends Refusal {
  readonly answer: ChildAnswer;
}

const codes = {
  'already-started': 'ALREADY_EXISTS',
  'already-present': 'ALREADY_EXISTS',
  running: 'ALREADY_EXISTS',
  restarting: 'ALREADY_EXISTS',
  'not-found': 'NOT_FOUND',
  'simple-one-for-one': 'NOT_SUPPORTED',
  'invalid-spec': 'SUPERVISION',
  'start-failed': 'SUPERVISION',
  'too-many-children': 'LIMIT_EXCEEDED',
  stopping: 'STOPPED',
  'no-supervisor': 'STOPPED',
} as const satisfies Record<ChildAnswer, Refusal['code']>;

/** Makes the refusing half of an answer. */
export function refuseChild(
  answer: ChildAnswer,
  reason: string,
): { readonly ok: false; readonly refusal: ChildRefusal } {
  return { ok: false, refusal: { code: codes[answer], answer, reasons: [reason] } };
}

type Answer<T> = Result<T, ChildRefusal>;

/** What the requests need of the supervisor that they are made to. */
export interface House {
  readonly path: string;
  readonly spec: SupervisorSpec;
  readonly children: Children;
  /** Whether it is about to end. */
  readonly closing: boolean;
  /** Runs a job for a child when what was begun before for it is done. */
  job<T>(id: string, work: () => Promise<T>): Promise<T>;
  ref(child: Child): Ref<Message>;
}

/**
 * OTP’s `start_child`, `terminate_child`, `restart_child`, `delete_child`, `which_children` and `count_children` for
 * one life of a supervisor. What comes while a start or a restart is under way waits for it.
 */
export class ChildRequests {
  readonly #house: House;
  #instances = 0;

  constructor(house: House) {
    this.#house = house;
  }

  /** Adds a child to the right of the others and starts it; one that cannot start leaves nothing behind. */
  start(asked: ChildSpec | InstanceSpec): Promise<Answer<Ref<Message>>> {
    const spec = this.#specOf(asked);
    if ('code' in spec) {
      return Promise.resolve({ ok: false, refusal: { ...spec, answer: 'invalid-spec' } });
    }
    const { children, path } = this.#house;
    return this.#job(spec.id, async () => {
      const known = children.get(spec.id);
      if (known !== undefined) {
        const lives = known.occupant !== undefined;
        return refuseChild(lives ? 'already-started' : 'already-present', `${known.place.path} exists already.`);
      }
      if (children.size >= limits.childrenMax)
        return refuseChild('too-many-children', `${path} has ${limits.childrenMax} children already.`);
      const child = children.adopt(spec);
      return await this.#begin(child, () => children.forget(child));
    });
  }

  /** Stops a child in order and keeps its spec, unless it is temporary or an instance of a template. */
  terminate(id: string): Promise<Answer<void>> {
    const { children, spec, path } = this.#house;
    return this.#job(id, async () => {
      const child = children.get(id);
      if (child === undefined && this.#simple) {
        // As in OTP, where one that has ended already can be terminated once more.
        return spec.children[0]?.id === id ? notForInstances(path) : ok(undefined);
      }
      if (child === undefined) return notFound(path, id);
      await this.#down(child);
      if (this.#simple || child.spec.restart === 'temporary') children.forget(child);
      else child.leave();
      return ok(undefined);
    });
  }

  /** Starts a child that is down. One that cannot start stays down. */
  restart(id: string): Promise<Answer<Ref<Message>>> {
    return this.#ofOneDown(id, (child) => this.#begin(child, () => child.leave()));
  }

  /** Drops the spec of a child that is down. */
  delete(id: string): Promise<Answer<void>> {
    return this.#ofOneDown(id, async (child) => {
      this.#house.children.forget(child);
      return ok(undefined);
    });
  }

  /** Stops a child in order and drops its spec, whatever it is doing; an unknown one is fine. */
  remove(id: string): Promise<void> {
    const { children } = this.#house;
    return this.#house.job(id, async () => {
      const child = children.get(id);
      if (child === undefined) return;
      await this.#down(child);
      children.forget(child);
    });
  }

  /** Everybody with a spec, in start order; the instances of a template. */
  which(): readonly ChildView[] {
    return this.#house.children.views();
  }

  count(): ChildCounts {
    return this.#house.children.counts(this.#simple ? 1 : undefined);
  }

  get #simple(): boolean {
    return this.#house.spec.strategy === 'simple-one-for-one';
  }

  #specOf(asked: ChildSpec | InstanceSpec): ChildSpec | Refusal {
    const { path, spec } = this.#house;
    const template = spec.children[0];
    if (!this.#simple || template === undefined) {
      return specRefusal(asked as ChildSpec, path, spec.autoShutdown) ?? keptSpec(asked as ChildSpec);
    }
    const wrong = instanceRefusal(asked, `${path}/${template.id}`);
    if (wrong !== undefined) return wrong;
    const { id = this.#freeId(template.id), input } = asked as InstanceSpec;
    const instance =
      template.kind === 'worker' && input !== undefined ? { ...template, id, input } : { ...template, id };
    return specRefusal(instance, path, spec.autoShutdown) ?? instance;
  }

  /** Of the template’s id and a number that was never given before. */
  #freeId(of: string): string {
    for (;;) {
      this.#instances += 1;
      const id = `${of}-${this.#instances}`;
      if (this.#house.children.get(id) === undefined) return id;
    }
  }

  async #begin(child: Child, undo: () => void): Promise<Answer<Ref<Message>>> {
    const failure: Exit | undefined = await child.start();
    if (this.#house.closing) return stopping(this.#house.path);
    if (failure === undefined) return ok(this.#house.ref(child));
    undo();
    return refuseChild('start-failed', `${child.place.path} could not start: ${describe(failure)}`);
  }

  /** Stops a child. Siblings that wait for its restart wait no longer: nobody will start them with it. */
  async #down(child: Child): Promise<void> {
    const wasRestarting = child.restarting;
    await child.stop();
    if (!wasRestarting) return;
    for (const other of this.#house.children) if (other.status === 'down') other.leave();
  }

  #ofOneDown<T>(id: string, work: (child: Child) => Promise<Answer<T>>): Promise<Answer<T>> {
    const { children, path } = this.#house;
    if (this.#simple) return Promise.resolve(notForInstances(path));
    return this.#job(id, async () => {
      const child = children.get(id);
      if (child === undefined) return notFound(path, id);
      if (child.restarting) return refuseChild('restarting', `${child.place.path} is being restarted.`);
      if (child.occupant !== undefined) return refuseChild('running', `${child.place.path} is running.`);
      return await work(child);
    });
  }

  #job<T>(id: string, work: () => Promise<Answer<T>>): Promise<Answer<T>> {
    return this.#house.job(id, async () => (this.#house.closing ? stopping(this.#house.path) : await work()));
  }
}

const stopping = (path: string) => refuseChild('stopping', `${path} is stopping.`);
/** An id from plain JavaScript may be no text, and must not be able to harm the supervisor. */
const notFound = (path: string, id: unknown) =>
  refuseChild('not-found', typeof id === 'string' ? `${path} has no child ${id}.` : `An id of a child is a text.`);
const notForInstances = (path: string) =>
  refuseChild('simple-one-for-one', `${path} is simple-one-for-one: its children are instances of one template.`);
