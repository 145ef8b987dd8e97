import { ok, type Result } from '../../errors.ts';
import { boolean, integer, malformed, object, oneOf, readShape } from '../json/shape.ts';
import { parseJson } from '../json/text.ts';

/** How far a node has the records of another one, told to that one. */
export interface Acknowledgement {
  /** Everything up to this number was taken. */
  readonly upTo: number;
  /** The newest listing that it was given a part of, or asks for; 0: none yet. */
  readonly pass: number;
  /** How far it has this listing, from 0 without a gap. */
  readonly listed: number;
  /** Whether it has it to the end. */
  readonly done: boolean;
  /** Something that came could not be taken, so that it has to be told again from here on. */
  readonly missing: boolean;
}

const textCharsMax = 256;
const positions = integer(0, Number.MAX_SAFE_INTEGER);
const shape = object({
  v: oneOf(1),
  upTo: positions,
  pass: positions,
  listed: positions,
  done: boolean,
  missing: boolean,
});

/** The acknowledgement as JSON text, for a link. */
export const acknowledgementText = ({ upTo, pass, listed, done, missing }: Acknowledgement): string =>
  JSON.stringify({ v: 1, upTo, pass, listed, done, missing });

/** Reads what `acknowledgementText` wrote; MALFORMED, LIMIT_EXCEEDED. */
export function readAcknowledgement(payload: string): Result<Acknowledgement> {
  const json = parseJson(payload, { charsMax: textCharsMax, depthMax: 1 });
  if (!json.ok) return json;
  const read = readShape(shape, json.value, malformed('The acknowledgement'));
  if (!read.ok) return read;
  const { upTo, pass, listed, done, missing } = read.value;
  return ok({ upTo, pass, listed, done, missing });
}
