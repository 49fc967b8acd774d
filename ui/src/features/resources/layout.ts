/** Places a tree from left to right: one column per depth, leaves one below the other, parents beside the middle of theirs. */

export interface LayoutInput {
  id: string;
  parent: string | undefined;
}

export interface LayoutOptions {
  width: number;
  height: number;
  gapX: number;
  gapY: number;
}

export interface Place {
  x: number;
  y: number;
  depth: number;
}

export const NODE: LayoutOptions = { width: 232, height: 54, gapX: 56, gapY: 12 };

/** Children keep the order of the input. What has no parent in the input starts a tree of its own. Linear in the nodes. */
export function layoutTree(nodes: readonly LayoutInput[], options: LayoutOptions = NODE): Map<string, Place> {
  const known = new Set(nodes.map((node) => node.id));
  const children = new Map<string, string[]>();
  const roots: string[] = [];
  for (const { id, parent } of nodes) {
    if (parent === undefined || !known.has(parent) || parent === id) roots.push(id);
    else children.set(parent, [...(children.get(parent) ?? []), id]);
  }
  const places = new Map<string, Place>();
  const stepX = options.width + options.gapX;
  const stepY = options.height + options.gapY;
  let next = 0;
  const place = (id: string, depth: number): number => {
    const reserved: Place = { x: depth * stepX, y: 0, depth };
    places.set(id, reserved);
    const below = (children.get(id) ?? []).filter((child) => !places.has(child)).map((child) => place(child, depth + 1));
    const first = below[0];
    const last = below.at(-1);
    if (first === undefined || last === undefined) {
      reserved.y = next;
      next += stepY;
    } else reserved.y = (first + last) / 2;
    return reserved.y;
  };
  for (const root of roots) place(root, 0);
  return places;
}

export type Direction = 'ArrowUp' | 'ArrowDown' | 'ArrowLeft' | 'ArrowRight';

/** The node one gets to with an arrow key: parent, nearest child, or the neighbour in the same column. */
export function neighbour(nodes: readonly LayoutInput[], places: ReadonlyMap<string, Place>, from: string, direction: Direction): string | undefined {
  const here = places.get(from);
  if (!here) return nodes[0]?.id;
  if (direction === 'ArrowLeft') return nodes.find((node) => node.id === from)?.parent;
  const nearest = (candidates: readonly LayoutInput[]) =>
    candidates
      .map(({ id }) => ({ id, distance: Math.abs((places.get(id)?.y ?? 0) - here.y) }))
      .sort((a, b) => a.distance - b.distance)[0]?.id;
  if (direction === 'ArrowRight') return nearest(nodes.filter((node) => node.parent === from));
  const sign = direction === 'ArrowDown' ? 1 : -1;
  return nearest(nodes.filter(({ id }) => {
    const place = places.get(id);
    return place?.depth === here.depth && sign * (place.y - here.y) > 0;
  }));
}
