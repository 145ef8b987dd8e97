import { ok, type Result, refuse } from '../../errors.ts';

/**
 * The tunables of the gossip. Times are in milliseconds. Where hashicorp/memberlist has the same knob, the name is
 * its own in camelCase with the unit last, so that experience with it carries over.
 */
export interface SwimConfig {
  /** One member is probed each interval. Shorter finds failures sooner and costs a ping and an ack more often. */
  readonly probeIntervalMs: number;
  /** How long a direct ack may take before others are asked. Choose above the 99th percentile of the round trip. */
  readonly probeTimeoutMs: number;
  /** How many members are asked to probe for us. */
  readonly indirectChecks: number;
  /** A claim is sent `retransmitMult · ⌈log10(N+1)⌉` times by each member. */
  readonly retransmitMult: number;
  /** The shortest suspicion lasts `suspicionMult · max(1, log10 N) · probeIntervalMs`. */
  readonly suspicionMult: number;
  /** The longest suspicion lasts this many times the shortest. */
  readonly suspicionMaxMult: number;
  /** The shortest suspicion when the link was lost too and enough accusers have signed. */
  readonly suspicionFloorMs: number;
  /** How often queued claims go out on their own, beside what rides on probes. */
  readonly gossipIntervalMs: number;
  /** To how many members each time. */
  readonly gossipNodes: number;
  /** The dead still get gossip for this long, so that a member declared dead by mistake can refute. */
  readonly gossipToTheDeadMs: number;
  /**
   * How long after its death a member is contacted again, so that two halves of a cluster find each other. The time
   * doubles with each contact.
   */
  readonly deadProbeIntervalMs: number;
  /** Up to this long: no dead member is left alone for longer, however long it has been dead. */
  readonly deadProbeIntervalMaxMs: number;
  /** How often everything known is exchanged with one member over a link. Stretched above 32 members. */
  readonly pushPullIntervalMs: number;
  /** Where the local health score saturates (Lifeguard’s S). Probes slow down by at most this plus one; 0 is off. */
  readonly awarenessMax: number;
}

/** When the middleman of an indirect probe reports “no answer yet”, as a part of the probe timeout (Lifeguard). */
export const nackPart = 0.8;

/** One machine or one rack: loopback round trips, failures shown within three seconds. */
const local: SwimConfig = {
  probeIntervalMs: 500,
  probeTimeoutMs: 200,
  indirectChecks: 3,
  retransmitMult: 4,
  suspicionMult: 4,
  suspicionMaxMult: 6,
  suspicionFloorMs: 1_000,
  gossipIntervalMs: 100,
  gossipNodes: 3,
  gossipToTheDeadMs: 30_000,
  deadProbeIntervalMs: 5_000,
  deadProbeIntervalMaxMs: 60_000,
  pushPullIntervalMs: 15_000,
  awarenessMax: 8,
};

/**
 * One data centre: memberlist’s LAN defaults, but with half its shortest suspicion. A death needs the signatures of three
 * here, which makes a hasty one rarer than memberlist’s patience does (`npm run bench:gossip`).
 */
const lan: SwimConfig = {
  ...local,
  probeIntervalMs: 1_000,
  probeTimeoutMs: 500,
  suspicionMult: 2,
  gossipIntervalMs: 200,
  deadProbeIntervalMs: 10_000,
  deadProbeIntervalMaxMs: 300_000,
  pushPullIntervalMs: 30_000,
};

/**
 * Between data centres: memberlist’s WAN defaults, but with a probe timeout of 2.5 s instead of 3 s. At 3 s a
 * middleman’s report would arrive after the five-second interval has ended, and healthy nodes would blame themselves.
 */
const wan: SwimConfig = {
  ...local,
  probeIntervalMs: 5_000,
  probeTimeoutMs: 2_500,
  suspicionMult: 6,
  suspicionFloorMs: 5_000,
  gossipIntervalMs: 500,
  gossipNodes: 4,
  gossipToTheDeadMs: 60_000,
  deadProbeIntervalMs: 30_000,
  deadProbeIntervalMaxMs: 600_000,
  pushPullIntervalMs: 60_000,
};

/** Ready sets of tunables by where the members are. */
export const swimProfiles: Readonly<Record<'local' | 'lan' | 'wan', SwimConfig>> = { local, lan, wan };

const timeMsMax = 3_600_000;
const countMax = 64;

/**
 * Checks ranges and the relations between tunables.
 *
 * @returns the same config, or CONFIG_INVALID with every broken relation as a reason
 */
export function checkSwimConfig(config: SwimConfig): Result<SwimConfig> {
  const reasons: string[] = [];
  for (const [name, value] of Object.entries(config)) {
    const most = name.endsWith('Ms') ? timeMsMax : countMax;
    const least = name === 'awarenessMax' ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least || value > most) {
      reasons.push(`${name} must be a whole number from ${least} to ${most}, but is ${value}.`);
    }
  }
  if (config.probeTimeoutMs >= config.probeIntervalMs) {
    reasons.push('probeTimeoutMs must be less than probeIntervalMs, or every probe ends before its answer.');
  } else if (config.probeTimeoutMs * (1 + nackPart) >= config.probeIntervalMs) {
    reasons.push('1.8 times probeTimeoutMs must be less than probeIntervalMs, or indirect reports come too late.');
  }
  if (config.gossipIntervalMs > config.probeIntervalMs) {
    reasons.push('gossipIntervalMs must not exceed probeIntervalMs, or a refutation loses the race to the verdict.');
  }
  if (config.suspicionFloorMs <= config.probeTimeoutMs) {
    reasons.push('suspicionFloorMs must exceed probeTimeoutMs, or the accused has no time to refute.');
  }
  if (config.deadProbeIntervalMaxMs < config.deadProbeIntervalMs) {
    reasons.push('deadProbeIntervalMaxMs must not be less than deadProbeIntervalMs, for the time only grows.');
  }
  const [first, ...rest] = reasons;
  return first === undefined ? ok(config) : refuse('CONFIG_INVALID', first, ...rest);
}
