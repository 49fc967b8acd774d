let version = 1000;

/** Resource versions of the test double: growing, over all objects. */
export function nextVersion(): string {
  version += 1;
  return String(version);
}
