import type { NodeId } from '../../../names.ts';
import type { SwimConfig } from '../../../protocols/swim/config.ts';
import type { Member } from '../../../protocols/swim/member.ts';
import type { PartitionMode } from '../../../protocols/swim/partition.ts';
import type { Defer } from '../../kernel/event-loop.ts';
import type { Address, Clock, Metrics, Network, Store } from '../../kernel/ports.ts';
import type { Directory } from '../directory.ts';
import type { NodeIdentity } from '../identity/node-identity.ts';
import type { Links, PeerLink } from '../links/links.ts';
import type { PairSeals } from './pair-seals.ts';

/** What the gossip of a node works with, and whom it tells. */
export interface GossipOptions {
  readonly identity: NodeIdentity;
  readonly directory: Directory;
  readonly links: Links;
  readonly seals: PairSeals;
  readonly network: Network;
  readonly clock: Clock;
  /** Runs what it is given after the sockets had a turn; default Node’s event loop. */
  readonly later?: Defer;
  readonly metrics: Metrics;
  readonly store: Store;
  readonly bind: Address;
  /** What other members are told to send to. */
  readonly advertise: Address;
  readonly seeds: readonly Address[];
  readonly swim: {
    readonly bootEpoch: number;
    readonly boxKey: Uint8Array;
    readonly config: SwimConfig;
    readonly seed: number;
    readonly expectedSize: number;
  };
  readonly onMember: (member: Member) => void;
  /** Nodes that are revoked now: they are no members. */
  readonly revoked?: () => readonly NodeId[];
  /** An exchange with this peer is due: the time to compare other things with it too. */
  readonly onPushPull?: (link: PeerLink) => void;
  readonly onPartition: (mode: PartitionMode) => void;
  /** The first push/pull with somebody is done. */
  readonly onJoined: () => void;
  /** Others know a later boot of this node than it has: its counter was lost. */
  readonly onEpochStale: (known: number) => void;
  /** The members could not be read from the store, or not be written to it. */
  readonly onTrouble: (what: string, error: unknown) => void;
  /** The leave claim was spread as often as it should be. */
  readonly onLeft: () => void;
}
