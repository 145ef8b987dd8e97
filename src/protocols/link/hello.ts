import type { Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isNodeId, isTrustDomain, type NodeId, type TrustDomain } from '../../names.ts';
import type { Unverified } from '../../unverified.ts';
import { MalformedBytes, Reader } from '../msgpack/reader.ts';
import { strictly } from '../msgpack/strictly.ts';
import { type Utf8, Writer } from '../msgpack/writer.ts';
import { type NoticeMark, readMarks, writeMarks } from './notice-frame.ts';

/** Versions of the link protocol that this code speaks, best first. */
export const linkVersions: readonly number[] = [1];

/** What each side of a link says about itself first. Nothing in it is believed that the certificate does not say too. */
export interface Hello {
  /** Link protocol versions offered, best first. */
  readonly versions: readonly number[];
  readonly nodeId: NodeId;
  readonly trustDomain: TrustDomain;
  readonly clusterId: string;
  readonly bootEpoch: number;
  /**
   * Counts the dials of this node within its boot, from 1; 0 from the acceptor. It orders links that one side dialled,
   * in the same way at both ends.
   */
  readonly dial: number;
  readonly features: readonly string[];
  /** Where the node can be dialled. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  /** The negotiated key-exchange group, which only the dialer can read; empty from the acceptor. */
  readonly group: string;
  /** The newest cluster documents that the node holds. */
  readonly notices: readonly NoticeMark[];
}

export interface Ready {
  readonly version: number;
  /** How often this side sends a heartbeat on an idle link. */
  readonly heartbeatMs: number;
}

const textBytesMax = 255;
const listMax = 16;
/** A DNS name, or an IPv4 or IPv6 address with its zone. */
const hostForm = /^[A-Za-z0-9.:%_-]{1,255}$/;
const epochMax = 0xffff_ffff;

/** A MessagePack array in the order of the interface. What is not in the bounds that `decodeHello` keeps is refused there. */
export function encodeHello(utf8: Utf8, hello: Hello): Uint8Array {
  const writer = new Writer(utf8).array(10);
  writer.array(hello.versions.length);
  for (const version of hello.versions) writer.uint(version);
  writer.str(hello.nodeId).str(hello.trustDomain).str(hello.clusterId).uint(hello.bootEpoch).uint(hello.dial);
  writer.array(hello.features.length);
  for (const feature of hello.features) writer.str(feature);
  writer.array(hello.addresses.length);
  for (const { host, port } of hello.addresses) writer.array(2).str(host).uint(port);
  return writeMarks(writer.str(hello.group), hello.notices).finish();
}

/** Strict; MALFORMED. */
export function decodeHello(utf8: Utf8, bytes: Uint8Array): Result<Unverified<Hello>> {
  return strictly('hello', () => {
    const reader = new Reader(utf8, bytes);
    reader.arrayOf(10);
    const versions = listOf(reader, () => reader.uint(0xffff));
    const nodeId = reader.str(textBytesMax);
    if (!isNodeId(nodeId)) throw new MalformedBytes('not a node id');
    const trustDomain = reader.str(textBytesMax);
    if (!isTrustDomain(trustDomain)) throw new MalformedBytes('not a trust domain');
    const hello: Hello = {
      versions,
      nodeId,
      trustDomain,
      clusterId: reader.str(textBytesMax),
      bootEpoch: reader.uint(epochMax),
      dial: reader.uint(),
      features: listOf(reader, () => reader.str(textBytesMax)),
      addresses: listOf(reader, () => addressFrom(reader), limits.addressesMax),
      group: reader.str(textBytesMax),
      notices: readMarks(reader),
    };
    reader.end();
    return hello;
  });
}

function listOf<T>(reader: Reader, read: () => T, countMax = listMax): T[] {
  const items: T[] = [];
  for (let left = reader.array(countMax); left > 0; left--) items.push(read());
  return items;
}

/** What it gives will be dialled, so it must be something that can be. */
function addressFrom(reader: Reader): { readonly host: string; readonly port: number } {
  reader.arrayOf(2);
  const host = reader.str(textBytesMax);
  const port = reader.uint(0xffff);
  if (!hostForm.test(host) || port === 0) throw new MalformedBytes('not an address');
  return { host, port };
}

export const encodeReady = (utf8: Utf8, ready: Ready): Uint8Array =>
  new Writer(utf8, 16).array(2).uint(ready.version).uint(ready.heartbeatMs).finish();

/** Strict; MALFORMED. */
export function decodeReady(utf8: Utf8, bytes: Uint8Array): Result<Unverified<Ready>> {
  return strictly('ready', () => {
    const reader = new Reader(utf8, bytes);
    reader.arrayOf(2);
    const ready = { version: reader.uint(0xffff), heartbeatMs: reader.uint(limits.linkSilenceMsMax) };
    reader.end();
    return ready;
  });
}
