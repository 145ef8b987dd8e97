import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of this process that are still referred to: objects and buffers, what is garbage already left out. */
export function heldBytes(): number {
  // A collection that finishes a marking which had begun before spares what has died since, so only a second one counts:
  // seen as 12 MB of buffers too many, one run of six.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
