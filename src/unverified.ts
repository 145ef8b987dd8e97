/**
 * Bytes from outside decode to `Unverified<T>`. The content sits behind a property of an ugly name, so that reading
 * it before verification is visible in review; only a `verify…` function turns it into the `T` that the rest accepts.
 */
export interface Unverified<T> {
  readonly unverified: T;
}

/** Marks a decoded value as not yet verified. */
export const unverified = <T>(value: T): Unverified<T> => ({ unverified: value });
