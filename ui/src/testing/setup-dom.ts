import '@testing-library/jest-dom/vitest';
import { cleanup, configure } from '@testing-library/react';
import { afterEach, vi } from 'vitest';

// Long: the machine may be busy, and a test that fails is slow anyway.
configure({ asyncUtilTimeout: 20_000 });

// What jsdom lacks: sizes, so that virtualised lists have room to draw in, and observers of them.
class NoObserver {
  observe = () => undefined;
  unobserve = () => undefined;
  disconnect = () => undefined;
}
vi.stubGlobal('ResizeObserver', NoObserver);
vi.stubGlobal('IntersectionObserver', NoObserver);
for (const [property, size] of Object.entries({ offsetHeight: 800, clientHeight: 800, offsetWidth: 1200, clientWidth: 1200 })) {
  Object.defineProperty(HTMLElement.prototype, property, { configurable: true, get: () => size });
}
Element.prototype.scrollTo = () => undefined;
Element.prototype.scrollIntoView = () => undefined;
Element.prototype.hasPointerCapture = () => false;
window.scrollTo = () => undefined;

// As in index.html.
document.head.append(Object.assign(document.createElement('base'), { href: '/' }));

afterEach(() => {
  cleanup();
  localStorage.clear();
});
