/** `90` → `1m 30s`; short units are the same in both languages. Whole parts only, the two largest. */
export function lengthText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [[Math.floor(whole / 86_400), 'd'], [Math.floor((whole % 86_400) / 3_600), 'h'], [Math.floor((whole % 3_600) / 60), 'm'], [whole % 60, 's']] as const;
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return '0s';
  return parts.slice(first, first + 2).filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount}${unit}`).join(' ');
}
