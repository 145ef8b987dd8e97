import { defineConfig } from 'vitest/config';

/** The comparisons with programs of others; `npm run test:oracles` installs those first. */
export default defineConfig({
  test: { include: ['test/oracles/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 60_000 },
});
