/** What only a browser can tell of how a page looks. These run in the page, so they stand alone. */

/** How much wider than the window the page is, and which of its parts can be scrolled sideways. */
export function tooWide(): { page: number; wide: string[] } {
  const wide = [...document.querySelectorAll<HTMLElement>('[role=tabpanel], [role=tabpanel] *')].filter((each) => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX === 'auto');
  return { page: document.documentElement.scrollWidth - window.innerWidth, wide: wide.map((each) => each.className) };
}

/** Texts of the panel whose contrast is below 4.5, by the WCAG formula. */
export function lowContrast(): string[] {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  if (!canvas) return ['no canvas'];
  const paint = (colours: string[]): number => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
    }
    const [r = 0, g = 0, b = 0] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = new Set<string>();
  for (const element of document.querySelectorAll<HTMLElement | SVGTextElement>('[role=tabpanel] *')) {
    const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent?.trim()).join('');
    if (!own || element.closest('.sr-only, [disabled], [aria-hidden]')) continue;
    const behind: string[] = [];
    for (let at: Element | null = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
    const style = getComputedStyle(element);
    const back = paint(behind);
    const front = paint([...behind, style.color]);
    const ratio = (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
    if (ratio < 4.5) found.add(`${own.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return [...found];
}
