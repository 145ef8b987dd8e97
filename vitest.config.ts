import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Rooms whose code keeps nothing between two calls: their tests share what was loaded, which is two fifths of their time. */
const rules = ['test/protocols/**/*.test.ts', 'test/crypto/**/*.test.ts', 'test/config/**/*.test.ts'];

// Oracles need Debian packages, browser tests a browser: each has its own npm script.
const elsewhere = ['test/oracles/**', 'test/browser/**', 'node_modules/**'];

export default defineConfig({
  test: {
    // Vitest leaves one core free, which is half of a small machine: on two cores that took 238 s and this 136 s.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'rules', include: rules, exclude: elsewhere, isolate: false } },
      { extends: true, test: { name: 'world', include: ['test/**/*.test.ts'], exclude: [...rules, ...elsewhere] } },
    ],
  },
});
