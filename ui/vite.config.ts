/// <reference types="vitest/config" />
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

import { mockServerPlugin } from './src/testing/mock-vite-plugin.ts';

// `npm run dev` talks to a real server when DRIFTLESS_URL is set, and to the test double otherwise.
const server = process.env.DRIFTLESS_URL;
const proxied = { target: server, changeOrigin: true, secure: false };

export default defineConfig(({ command }) => ({
  // Asset addresses are relative so that the server can move the whole app with <base href>.
  base: command === 'build' ? './' : '/',
  plugins: [react(), ...(server ? [] : [mockServerPlugin()])],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: {
    host: '127.0.0.1',
    port: 5173,
    proxy: server ? { '/api': proxied, '/auth': proxied, '/healthz': proxied } : undefined,
  },
  preview: { host: '127.0.0.1', port: 4173 },
  build: {
    target: 'es2022',
    cssCodeSplit: true,
    // Inlined data: addresses would need a wider content security policy.
    assetsInlineLimit: 0,
    // The polyfill is an inline-free module, but every supported browser has native preload.
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
    rolldownOptions: {
      output: {
        // A few files instead of dozens of tiny ones; what only some pages need (React Flow, YAML, diff) stays apart.
        codeSplitting: {
          groups: [
            { name: 'vendor', test: /node_modules\/(react|react-dom|scheduler|@tanstack|@radix-ui|radix-ui|i18next|react-i18next|@floating-ui|aria-hidden|react-remove-scroll|react-style-singleton|use-sidecar|use-callback-ref|tslib|clsx|lucide-react|use-sync-external-store)\// },
            { name: 'shared', test: /src\/(components|lib)\/(?!.*(manifest|diff|code|yaml|ko\.json))/ },
          ],
        },
      },
    },
  },
  test: {
    // A browser's world is made only for the files that ask for it: @vitest-environment jsdom.
    environment: 'node',
    pool: 'threads',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/testing/setup.ts'],
    css: false,
    restoreMocks: true,
    testTimeout: 60_000,
    maxWorkers: 2,
  },
}));
