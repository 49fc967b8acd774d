import { defineConfig } from 'vitest/config';

// System tests: a real Chromium against a running server, see e2e/stage.ts.
export default defineConfig({
  test: {
    environment: 'node',
    include: ['e2e/**/*.e2e.ts'],
    fileParallelism: false,
    // Each test goes on where the one before it stopped.
    bail: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
