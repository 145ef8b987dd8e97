import { swimProfiles } from '../../src/protocols/swim/config.ts';
import { SwimCluster } from './swim-cluster.ts';

export interface Idling {
  readonly members: number;
  readonly minutes: number;
  /** The part of the datagrams that is lost, as on an ordinary network. */
  readonly loss: number;
  readonly seed: number;
}

/** What a cluster in which nothing happens says of its members. */
export interface Idled {
  readonly suspicions: number;
  /** Members found dead or unreachable, by whomever: all of them wrongly. */
  readonly wronged: number;
  readonly datagrams: number;
}

/** Lets a cluster in the profile `lan` idle. */
export function runIdle({ members, minutes, loss, seed }: Idling): Idled {
  let [suspicions, wronged] = [0, 0];
  const cluster = new SwimCluster({
    size: members,
    seed,
    loss,
    founded: true,
    config: swimProfiles.lan,
    onMember: (_observer, { status }) => {
      if (status === 'suspect') suspicions++;
      else if (status !== 'alive') wronged++;
    },
  });
  cluster.run(minutes * 60_000);
  return { suspicions, wronged, datagrams: cluster.packets };
}
