import type { Crypto } from '../../crypto/port.ts';
import { CaxtonError, ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { AgentId } from '../../names.ts';
import { type Capability, capabilityPayload } from '../../protocols/authorization/capability.ts';
import {
  isRenewalDue,
  nextRenewalUrgencyAt,
  renewalDueAt,
  renewalUrgency,
  renewedCapability,
} from '../../protocols/authorization/renewal.ts';
import { retryInMs, urgencies } from '../../protocols/issuance/renewal-time.ts';
import type { Registration } from '../../protocols/registry/registry.ts';
import { nodeLoop } from '../kernel/event-loop.ts';
import type { Clock } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';
import type { Trust } from '../messaging/trust.ts';
import type { CapabilityRenewals } from './capability-renewer.ts';
import { backdatedMs, newNonce } from './deployer.ts';
import { DeploymentLine } from './deployment-line.ts';
import type { Deployments } from './deployments.ts';
import type { DocumentSigner } from './document-signer.ts';

/** Capabilities near their end that nobody here renews, or whose issuer fails. */
export interface Expiring {
  /** The one that ends first, and in how many milliseconds; 0 or less when it has. */
  readonly agentId: AgentId;
  readonly leftMs: number;
  /** How many there are, this one included. */
  readonly agents: number;
  /** Why it is not renewed. */
  readonly reason: string;
}

export interface CapabilityRenewalOptions {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly trust: Trust;
  /** The issuers that this node holds. */
  readonly issuers: readonly DocumentSigner[];
  readonly deployments: Pick<Deployments, 'renew'>;
  /** The agents of this node, as they are announced. */
  readonly own: () => Iterable<Registration>;
  /** Whether it runs here, nobody has suspended it, and its name is this node’s. */
  readonly isActive: (agent: AgentId) => boolean;
  /** In [0, 1): how much of a pause is left out. */
  readonly jitter: () => number;
  /** An issuer does not sign, or what it signed cannot be recorded or kept: told once for each attempt. */
  readonly failed: (registration: Registration, refusal: Refusal, attempt: number) => void;
  /** Told at half and at a tenth of the time, and at the end. */
  readonly expiring: (news: Expiring) => void;
  /** Something is due before what was waited for. */
  readonly sooner: () => void;
}

/** An issuer that failed of late. */
interface Failing {
  attempt: number;
  /** Milliseconds since 1970. */
  retryAt: number;
}

/** Within this part of a life after the first of them is due, others are renewed with it. */
const togetherPart = 1 / 100;

/**
 * Renews the capabilities of running agents, from the issuers that this node holds, while their deployments stand. What is
 * due is read off the tokens themselves: nothing is kept for an agent, and one timer serves all (`capabilityRenewer`).
 */
export class CapabilityRenewal implements CapabilityRenewals {
  readonly #options: CapabilityRenewalOptions;
  readonly #issuers: ReadonlyMap<string, DocumentSigner>;
  readonly #failing = new Map<string, Failing>();
  readonly #line = new DeploymentLine();
  /** Issuers that signed in the batch that is under way. */
  readonly #succeeded = new Set<string>();
  #underWay: Promise<void> | undefined;
  /** When something falls due, as far as is known: milliseconds since 1970. */
  #next = 0;
  /** The clock at the last look: whoever comes under a threshold since then is told of. */
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: CapabilityRenewalOptions) {
    this.#options = options;
    this.#issuers = new Map(options.issuers.map((issuer) => [issuer.keyId, issuer]));
  }

  get backingOff(): boolean {
    return this.#failing.size > 0;
  }

  /** Whether a capability is renewed here: this node holds who signed it. One that narrows another is its holder’s. */
  renews(capability: Capability): boolean {
    return this.#issuerOf(capability) !== undefined;
  }

  nextInMs(): number {
    const wait = this.#next - this.#options.clock.now();
    return Math.min(Math.max(limits.renewalPauseMsMin, wait), limits.renewalPauseMsMax);
  }

  /** An agent was deployed, or goes on after it was suspended, with this capability. */
  noticed(capability: Capability): void {
    const { clock, sooner } = this.#options;
    const dueAt = renewalDueAt(capability);
    // What is looked for in a moment is not put off by whoever comes.
    if (dueAt >= this.#next || this.#next <= clock.now() + limits.renewalPauseMsMin) return;
    if (!this.renews(capability)) return;
    this.#next = dueAt;
    sooner();
  }

  /** The node stops: nothing is begun any more. */
  close(): void {
    this.#line.close();
  }

  /** A chart that is restarted finds what the last one began. */
  renewDue(signal: AbortSignal): Promise<void> {
    this.#underWay ??= this.#look(signal).finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { clock, own, isActive, expiring } = this.#options;
    const now = clock.now();
    const due: Due[] = [];
    const soon = new ExpiringSoon(this.#lookedAt, now);
    let seen = 0;
    this.#next = Number.POSITIVE_INFINITY;
    for (const registration of own()) {
      seen += 1;
      if (seen % limits.renewalLooksPerRoundMax === 0) await new Promise<void>((resolve) => nodeLoop.later(resolve));
      if (signal.aborted) return;
      const { capability, manifest } = registration;
      if (!capability) continue;
      const issuer = this.#issuerOf(capability);
      if (!issuer) this.#warn(soon, manifest.agentId, capability, 'absent');
      else if (!this.#isDue(capability, issuer, now, manifest.agentId, soon)) continue;
      else if (isActive(manifest.agentId)) due.push({ registration, capability, issuer });
    }
    this.#lookedAt = now;
    for (const news of soon.news()) expiring(news);
    await this.#renewAll(due, now);
  }

  #isDue(capability: Capability, issuer: DocumentSigner, now: number, agentId: AgentId, soon: ExpiringSoon): boolean {
    const failing = this.#failing.get(issuer.keyId);
    if (!failing) {
      const lifeMs = capability.expires - capability.notBefore;
      if (isRenewalDue(capability, now + lifeMs * togetherPart)) return true;
      this.#next = Math.min(this.#next, renewalDueAt(capability));
      return false;
    }
    // The first attempt failed after what it was about had been looked at.
    this.#warn(soon, agentId, capability, 'fails', failing.attempt === 1);
    if (!isRenewalDue(capability, now)) this.#next = Math.min(this.#next, renewalDueAt(capability));
    return now >= failing.retryAt && isRenewalDue(capability, now);
  }

  #warn(soon: ExpiringSoon, agentId: AgentId, capability: Capability, why: 'absent' | 'fails', isNew = false): void {
    soon.look(agentId, capability, why, isNew);
    this.#next = Math.min(this.#next, nextRenewalUrgencyAt(capability, soon.now));
  }

  /** Who ends first comes first. */
  async #renewAll(due: Due[], now: number): Promise<void> {
    due.sort((a, b) => a.capability.expires - b.capability.expires);
    this.#succeeded.clear();
    await Promise.all(due.map((one) => this.#line.run(() => this.#renew(one))));
    // It has signed again, or there is nobody left for whom it should.
    for (const [issuer, { retryAt }] of this.#failing)
      if (retryAt <= now) this.#failing.delete(issuer);
      else this.#next = Math.min(this.#next, retryAt);
  }

  #issuerOf({ issuer, parent }: Capability): DocumentSigner | undefined {
    return parent === undefined ? this.#issuers.get(issuer) : undefined;
  }

  async #renew(due: Due): Promise<Result<void>> {
    const { clock, trust, deployments, isActive } = this.#options;
    const { issuer, registration } = due;
    const { agentId } = registration.manifest;
    const { capability: before } = registration.signed;
    // It failed in this very batch: who comes behind waits for the next attempt with the others.
    if ((this.#failing.get(issuer.keyId)?.retryAt ?? 0) > clock.now()) return ok(undefined);
    const present = trust.capability(before);
    if (!present.ok) return this.#fail(due, present.refusal);
    if (!isActive(agentId)) return ok(undefined);
    const after = await this.#signed(issuer, present.value);
    if (!after.ok) return this.#fail(due, after.refusal);
    // It may have lost its trust meanwhile: then nobody takes what it signs, and this node does not use it.
    const judged = trust.capability(after.value);
    if (!judged.ok) return this.#fail(due, judged.refusal);
    if (!isActive(agentId)) return ok(undefined);
    const renewed = await deployments.renew(agentId, before, after.value).catch(unkept);
    if (renewed.ok) this.#succeeded.add(issuer.keyId);
    else if (ofTheNode.has(renewed.refusal.code)) return this.#fail(due, renewed.refusal);
    return renewed;
  }

  async #signed(issuer: DocumentSigner, present: Capability): Promise<Result<string>> {
    const { clock, crypto, trust } = this.#options;
    try {
      const renewed = renewedCapability(present, { now: clock.now(), backdatedMs, nonce: newNonce(crypto) });
      const payload = utf8.encode(capabilityPayload(renewed));
      if (issuer.privateKey) return ok(trust.sign('capability', issuer.privateKey, payload));
      const text = await issuer.sign('capability', payload);
      if (text.ok) trust.noteVerified(text.value, { kind: 'capability', payload, keyId: issuer.keyId });
      return text;
    } catch (error) {
      if (error instanceof CaxtonError) return refuse(error.code, error.message);
      throw error;
    }
  }

  #fail({ issuer, registration, capability }: Due, refusal: Refusal): Result<void> {
    const refused = { ok: false, refusal } as const;
    // Whoever is revoked is stopped, and that is all there is to say.
    if (refusal.code === 'REVOKED') return refused;
    const { clock, jitter, failed } = this.#options;
    const now = clock.now();
    const failing = this.#failing.get(issuer.keyId) ?? { attempt: 0, retryAt: Number.NEGATIVE_INFINITY };
    // Of a batch whose signatures were asked for together, all fail: that is one attempt.
    if (failing.retryAt > now) return refused;
    // One that signs now and then is asked again soon.
    failing.attempt = this.#succeeded.has(issuer.keyId) ? 1 : failing.attempt + 1;
    failing.retryAt = now + retryInMs(failing.attempt, capability.expires - now, jitter());
    this.#failing.set(issuer.keyId, failing);
    failed(registration, refusal, failing.attempt);
    return refused;
  }
}

interface Due {
  readonly registration: Registration;
  readonly capability: Capability;
  readonly issuer: DocumentSigner;
}

/** What the next agent would meet as well. */
const ofTheNode: ReadonlySet<string> = new Set(['AUDIT_BLOCKED', 'UNREACHABLE']);

const unkept = (error: unknown): Result<void> =>
  refuse(
    'UNREACHABLE',
    `The renewed capability could not be kept: ${error instanceof Error ? error.message : 'no reason'}`,
  );

/** Gathers those that have come under a threshold between two looks; nothing is remembered of each. */
class ExpiringSoon {
  readonly #before: number;
  readonly now: number;
  readonly #found = new Map<'absent' | 'fails', { agentId: AgentId; leftMs: number; agents: number }>();

  constructor(before: number, now: number) {
    this.#before = before;
    this.now = now;
  }

  /** `isNew`: nobody was told of it before, however urgent it is. */
  look(agentId: AgentId, capability: Capability, why: 'absent' | 'fails', isNew: boolean): void {
    const level = (at: number) => urgencies.indexOf(renewalUrgency(capability, at));
    if (level(this.now) <= (isNew ? 0 : level(this.#before))) return;
    const leftMs = capability.expires - this.now;
    const known = this.#found.get(why);
    if (!known) this.#found.set(why, { agentId, leftMs, agents: 1 });
    else if (leftMs < known.leftMs) this.#found.set(why, { agentId, leftMs, agents: known.agents + 1 });
    else known.agents += 1;
  }

  *news(): Iterable<Expiring> {
    for (const [why, found] of this.#found) yield { ...found, reason: reasons[why] };
  }
}

const reasons = {
  absent: 'This node does not hold the issuer that signed it, so it does not renew it.',
  fails: 'Its issuer does not renew it.',
} as const;
