// Tests of pure code run without a browser's world.
if (typeof document !== 'undefined') await import('./setup-dom');

export {};
