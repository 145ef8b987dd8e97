import { refuse, unwrap } from '../../../src/errors.ts';
import type { AgentId } from '../../../src/names.ts';
import {
  type Acknowledgement,
  acknowledgementText,
  readAcknowledgement,
} from '../../../src/protocols/registry/acknowledgement.ts';
import { applyDelta, type VerifyDocuments } from '../../../src/protocols/registry/delta-step.ts';
import { askedAgain, judgedAgain, nodeBooted, nodeRevoked } from '../../../src/protocols/registry/node-step.ts';
import {
  type RegistryDelta,
  type RegistryRecord,
  readRegistryDelta,
  registryDeltaText,
} from '../../../src/protocols/registry/record.ts';
import { emptyRegistry, positionIn, type RegistryState } from '../../../src/protocols/registry/registry.ts';
import { needsDocuments, Telling } from '../../../src/protocols/registry/telling.ts';
import { WriteLog } from '../../../src/protocols/registry/write-log.ts';
import { node1 } from '../deployment/fixtures.ts';
import { gone, live, verify } from './fixtures.ts';

/** What the writer truly hosts: the twin has no numbers to forget, no listings, no positions. */
export interface Truth {
  readonly generation: number;
  readonly suspended: boolean;
  readonly version: number;
  readonly documents: number;
}

interface Link {
  readonly toReader: string[];
  readonly toWriter: string[];
}

/** A writer in one boot after the other, and readers that it tells, over links that are slow, replaced and lost. */
export class TellingLab {
  readonly #goneMax: number;
  readonly #generations = new Map<AgentId, number>();
  readonly readers: Reader[];
  epoch = 1;
  log: WriteLog;
  truth = new Map<AgentId, Truth>();
  /** The newest number about each agent, gone ones included: what the twin remembers for ever. */
  newest = new Map<AgentId, number>();

  constructor(readers: number, goneMax: number) {
    this.#goneMax = goneMax;
    this.log = new WriteLog(goneMax);
    this.readers = Array.from({ length: readers }, () => new Reader(this));
  }

  deploy(agent: AgentId): void {
    const before = this.truth.get(agent);
    const version = this.log.next();
    // An honest host keeps it on its disk: what it hosts again is not older.
    const generation = (this.#generations.get(agent) ?? 0) + (before ? 1 : 0);
    this.#generations.set(agent, Math.max(1, generation));
    this.truth.set(agent, { generation: Math.max(1, generation), suspended: false, version, documents: version });
    this.log.live(agent, version, before?.version);
    this.newest.set(agent, version);
  }

  suspend(agent: AgentId): void {
    const before = this.truth.get(agent);
    if (!before) return;
    const version = this.log.next();
    this.truth.set(agent, { ...before, suspended: !before.suspended, version });
    this.log.changed(agent, version, before.version);
    this.newest.set(agent, version);
  }

  remove(agent: AgentId): void {
    const before = this.truth.get(agent);
    if (!before) return;
    const version = this.log.next();
    this.truth.delete(agent);
    this.log.removed(agent, version, before.version);
    this.newest.set(agent, version);
  }

  /** What a disk keeps in truth. */
  forgetGenerations(): void {
    this.#generations.clear();
  }

  /** A number is used up by a record that the writer itself refuses. */
  waste(): void {
    this.log.next();
  }

  reboot(): void {
    this.epoch += 1;
    this.log = new WriteLog(this.#goneMax);
    this.truth = new Map();
    this.newest = new Map();
    for (const reader of this.readers) reader.writerRebooted();
  }

  forgetGone(): void {
    const floors = this.readers.flatMap(({ telling }) => telling?.floor ?? []);
    this.log.forgetGone(Math.min(this.log.newest, ...floors));
  }

  recordOf(agent: AgentId, version: number, withDocuments: boolean): RegistryRecord {
    const { generation, suspended, documents } = this.truth.get(agent)!;
    const record = { ...live(agent, node1, version, `${generation} node-1`), documents };
    const state = suspended ? 'suspended' : 'live';
    return withDocuments ? { ...record, state } : { ...record, state, manifest: '', capability: '' };
  }
}

export class Reader {
  readonly #lab: TellingLab;
  registry: RegistryState = unwrap(nodeBooted(emptyRegistry, node1, 1)).state;
  telling: Telling | undefined;
  readonly links: Link[] = [];
  #wish: Acknowledgement | undefined;
  #missing = false;
  trusts = true;

  constructor(lab: TellingLab) {
    this.#lab = lab;
  }

  get held() {
    return this.registry.nodes.get(node1)!;
  }

  readonly verify: VerifyDocuments = (documents) =>
    !this.trusts && documents.manifest.startsWith('other/')
      ? refuse('DEPLOYMENT_REFUSED', 'Whose key?')
      : verify(documents);

  /** A new link; what is under way on the older ones may still arrive. */
  connect(): void {
    this.telling ??= new Telling(this.#lab.log);
    this.links.push({ toReader: [], toWriter: [] });
    this.telling.resume();
    this.#wish = undefined;
    this.registry = unwrap(nodeBooted(this.registry, node1, this.#lab.epoch)).state;
    this.acknowledge();
  }

  lose(index: number): void {
    this.links.splice(index, 1);
  }

  /** The writer tells so many parts of so many records, on the newest link. */
  flush(parts: number, size: number): void {
    const link = this.links.at(-1);
    if (!link || !this.telling) return;
    const { log } = this.#lab;
    for (let count = 0; count < parts; count += 1) {
      const part = this.telling.next(log);
      if (!part) return;
      const records: RegistryRecord[] = [];
      let upTo = log.newest;
      for (const write of part.writes) {
        if (records.length === size) {
          upTo = records.at(-1)!.version;
          break;
        }
        const { agentId, version } = write;
        records.push(
          write.gone
            ? gone(agentId, node1, version)
            : this.#lab.recordOf(agentId, version, needsDocuments(part, write)),
        );
      }
      const delta: RegistryDelta = { pass: part.pass, above: part.above, upTo, newest: log.newest, records };
      link.toReader.push(registryDeltaText(delta));
      this.telling.told(log, upTo);
    }
  }

  /** The next delta of a link arrives; `heard`: whether there is patience for it. */
  deliver(index: number, heard = true): void {
    const text = this.links[index]?.toReader.shift();
    if (text === undefined) return;
    if (!heard) {
      this.#missing = true;
      return;
    }
    const step = applyDelta(this.registry, node1, unwrap(readRegistryDelta(text)), this.verify);
    this.registry = step.state;
    this.#missing = step.missing;
  }

  acknowledge(): void {
    this.links
      .at(-1)
      ?.toWriter.push(acknowledgementText({ ...positionIn(this.registry, node1), missing: this.#missing }));
  }

  /** The next acknowledgement of a link arrives at the writer. */
  hear(index: number): void {
    const text = this.links[index]?.toWriter.shift();
    if (text === undefined || !this.telling) return;
    const acknowledgement = unwrap(readAcknowledgement(text));
    const wish = unwrap(this.telling.acknowledged(this.#lab.log, acknowledgement));
    this.#wish = wish === 'again' ? acknowledgement : undefined;
  }

  repeat(): void {
    if (this.#wish && this.links.length > 0) this.telling?.repeat(this.#lab.log, this.#wish);
    this.#wish = undefined;
  }

  trust(all: boolean): void {
    this.trusts = all;
    const asked = askedAgain(this.registry, node1) ?? this.registry;
    this.registry = judgedAgain(asked, node1, this.verify).state;
    this.acknowledge();
  }

  /** The reader revokes the writer, and takes that back. */
  revoke(): void {
    this.links.length = 0;
    this.registry = unwrap(nodeBooted(nodeRevoked(this.registry, node1).state, node1, this.#lab.epoch)).state;
  }

  /** The reader is another process now. */
  reboot(): void {
    this.links.length = 0;
    this.telling = undefined;
    this.registry = unwrap(nodeBooted(emptyRegistry, node1, this.#lab.epoch)).state;
  }

  /** The writer takes it for dead. */
  forgotten(): void {
    this.links.length = 0;
    this.telling = undefined;
  }

  /** The process at the other end of these links is over. */
  writerRebooted(): void {
    this.links.length = 0;
    this.telling = undefined;
    this.#wish = undefined;
  }
}

export const names: readonly AgentId[] = ['default/a', 'default/b', 'other/c', 'other/d', 'default/e'] as AgentId[];
