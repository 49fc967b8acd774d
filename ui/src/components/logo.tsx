/** The mark: a drifting line above the straight one that holds. */
export function Logo({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden>
      <rect width="32" height="32" rx="8" fill="#0f766e" />
      <path d="M7 12.5c3 0 3-2.5 6-2.5s3 2.5 6 2.5 3-2.5 6-2.5" fill="none" stroke="#99f6e4" strokeWidth="2.4" strokeLinecap="round" />
      <path d="M7 17.5h18" stroke="#fff" strokeWidth="2.4" strokeLinecap="round" />
      <path d="M7 22.5h18" stroke="#fff" strokeOpacity=".55" strokeWidth="2.4" strokeLinecap="round" />
    </svg>
  );
}
