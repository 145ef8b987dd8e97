import type { Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Unverified } from '../../unverified.ts';
import { MalformedBytes, Reader } from '../msgpack/reader.ts';
import { strictly } from '../msgpack/strictly.ts';
import { type Utf8, Writer } from '../msgpack/writer.ts';

/** What a newcomer must know to be a member, and what only members may know: told over mutual TLS alone. */
export interface JoinFacts {
  /** The text of the ring of gossip keys. */
  readonly gossipKeys: string;
  /** The texts of the authority keys that the teller believes. */
  readonly authorities: readonly string[];
  readonly trustNotice: string;
  readonly expectedSize: number;
  readonly profile: string;
  /** Link addresses of members, `host:port`. */
  readonly members: readonly string[];
  /** The latest boot of a node of the newcomer’s id that is known, 0 for none: its own boots count on from there. */
  readonly lastBoot: number;
}

const formatVersion = 2;
const bootMax = 0xffff_fffe;
const textBytesMax = 300;
const noBytes = new Uint8Array(0);

interface JoinFrame {
  readonly header: Uint8Array;
  readonly content: Uint8Array;
}

/** Header `[version]`; the content is a MessagePack array in the order of the interface. */
export function encodeJoinFacts(utf8: Utf8, facts: JoinFacts): JoinFrame {
  const writer = new Writer(utf8).array(7).str(facts.gossipKeys).array(facts.authorities.length);
  for (const key of facts.authorities) writer.str(key);
  writer.str(facts.trustNotice).uint(facts.expectedSize).str(facts.profile).array(facts.members.length);
  for (const address of facts.members) writer.str(address);
  writer.uint(facts.lastBoot);
  return { header: new Writer(utf8, 8).array(1).uint(formatVersion).finish(), content: writer.finish() };
}

/** Strict; MALFORMED. */
export function decodeJoinFacts(utf8: Utf8, { header, content }: JoinFrame): Result<Unverified<JoinFacts>> {
  return strictly('answer to a newcomer', () => {
    const head = new Reader(utf8, header);
    head.arrayOf(1);
    if (head.uint() !== formatVersion) throw new MalformedBytes('unknown version');
    head.end();
    const reader = new Reader(utf8, content);
    reader.arrayOf(7);
    const facts: JoinFacts = {
      gossipKeys: reader.str(limits.pemBytesMax),
      authorities: texts(reader, 16),
      trustNotice: reader.str(limits.noticeBytesMax),
      expectedSize: reader.uint(limits.membersMax),
      profile: reader.str(16),
      members: texts(reader, limits.joinFactsMembersMax),
      lastBoot: reader.uint(bootMax),
    };
    reader.end();
    return facts;
  });
}

function texts(reader: Reader, countMax: number): readonly string[] {
  const list: string[] = [];
  for (let left = reader.array(countMax); left > 0; left--) list.push(reader.str(textBytesMax));
  return list;
}

/** A newcomer’s question has neither header nor content: who asks says the certificate. */
export const joinQuestion: JoinFrame = { header: noBytes, content: noBytes };
