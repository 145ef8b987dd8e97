import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Oracles need Debian packages, browser tests a browser: each has its own npm script.
    exclude: ['test/oracles/**', 'test/browser/**', 'node_modules/**'],
    // Vitest leaves one core free, which is half of a small machine: on two cores that took 238 s and this 136 s.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
