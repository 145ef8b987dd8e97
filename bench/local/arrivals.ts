import type { CallsPlan } from '../runner/calls.ts';

export type LocalPlan =
  | { readonly kind: 'tell'; readonly messages: number; readonly ms: number }
  | ({ readonly kind: 'ask' } & CallsPlan);

/** Counts what arrives, and tells the sender when its batch is complete. */
export function arrivals(): { readonly counted: () => void; readonly expect: (messages: number) => Promise<void> } {
  let missing = 0;
  let complete: () => void = () => {};
  return {
    counted: () => {
      missing -= 1;
      if (missing === 0) complete();
    },
    expect: (messages) =>
      new Promise((resolve) => {
        missing = messages;
        complete = resolve;
      }),
  };
}
