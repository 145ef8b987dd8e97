import type { Check } from './check.ts';

/** What a node may do with a place of this one. What is not named it may not do. */
export interface Exposure {
  /** What a message to it must be; absent: it takes none from there. */
  readonly tells?: Check | undefined;
  /** What a question to it must be, less its `replyTo`; absent: it is not asked from there. */
  readonly asks?: Check | undefined;
  /** Whether the end of a life there may be watched. */
  readonly monitors?: boolean | undefined;
  /** Whether lives may be linked to it, so that their ends end it: a right to stop the actor. */
  readonly links?: boolean | undefined;
}

/** Zero trust: a place is open to a node as far as this says, and `undefined` is not at all. */
export type Exposed = (path: string, node: string) => Exposure | undefined;
