import { CaxtonError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { shown } from '../../protocols/json/text.ts';
import type { Ref } from './ref.ts';
import { SendToTarget } from './xstate-bridge.ts';

/** What JSON has no form for and a chart may hold all the same: objects with this one key. */
const refKey = '$ref';
const errorKey = '$error';
/** Refused by the reader. */
const forbiddenKeys: readonly string[] = ['__proto__', 'constructor', 'prototype', refKey, errorKey];

/**
 * A value as it goes into JSON and comes out of it unchanged: an address of an actor becomes its path, an error its
 * name and message, and fields that are `undefined` are left out. Throws MALFORMED for everything else that JSON would
 * lose or change (functions, symbols, big integers, `NaN`, maps, dates and other instances of classes), and
 * LIMIT_EXCEEDED past `limits.snapshotDepthMax` levels, so also for one that holds itself.
 */
export function packed(value: unknown): unknown {
  return pack(value, []);
}

function pack(value: unknown, path: readonly string[]): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : lost(path, String(value));
  if (typeof value !== 'object') return lost(path, typeof value);
  if (path.length >= limits.snapshotDepthMax - 1)
    throw new CaxtonError('LIMIT_EXCEEDED', `The chart is nested deeper than ${limits.snapshotDepthMax} levels.`);
  if (value instanceof SendToTarget) return { [refKey]: (value as unknown as Ref<never>).path };
  if (value instanceof Error) return { [errorKey]: { name: value.name, message: value.message } };
  if (Array.isArray(value)) return value.map((item, at) => pack(item, [...path, String(at)]));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return lost(path, 'an instance of a class');
  const fields: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    if (field === undefined) continue;
    if (forbiddenKeys.includes(key)) return lost([...path, key], 'a field of a reserved name');
    fields[key] = pack(field, [...path, key]);
  }
  return fields;
}

function lost(path: readonly string[], what: string): never {
  throw new CaxtonError('MALFORMED', `${shown(path.join('.'))} is ${what}, which cannot be saved as JSON.`);
}

/** The reverse, on a value that `parseJson` has read. */
export function unpacked(value: unknown, refOf: (path: string) => Ref<never>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => unpacked(item, refOf));
  const { [refKey]: path, [errorKey]: error } = value as Record<string, unknown>;
  if (typeof path === 'string') return refOf(path);
  if (error !== undefined) return errorFrom(error);
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, unpacked(field, refOf)]));
}

function errorFrom(fields: unknown): Error {
  const { name, message } = (fields ?? {}) as { readonly name?: unknown; readonly message?: unknown };
  const error = new Error(typeof message === 'string' ? message : '');
  // Not to be seen as a field of its own, as it is with every other error.
  if (typeof name === 'string') Object.defineProperty(error, 'name', { value: name, configurable: true });
  return error;
}
