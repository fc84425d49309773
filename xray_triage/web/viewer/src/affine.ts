/** Where a film's pixels lie on the screen: x' = a x + c y + e, y' = b x + d y + f. */

export type Point = readonly [number, number];

export interface Affine {
  a: number;
  b: number;
  c: number;
  d: number;
  e: number;
  f: number;
}

/** The map that sends a film's corners, `columns` and `rows` apart, to three points of the screen. */
export function affineOf(origin: Point, right: Point, below: Point, columns: number, rows: number): Affine {
  return {
    a: (right[0] - origin[0]) / columns,
    b: (right[1] - origin[1]) / columns,
    c: (below[0] - origin[0]) / rows,
    d: (below[1] - origin[1]) / rows,
    e: origin[0],
    f: origin[1],
  };
}

export function onScreen({ a, b, c, d, e, f }: Affine, [x, y]: Point): Point {
  return [a * x + c * y + e, b * x + d * y + f];
}

export function onFilm({ a, b, c, d, e, f }: Affine, [x, y]: Point): Point {
  const [across, down, size] = [x - e, y - f, a * d - b * c];
  return [(d * across - c * down) / size, (a * down - b * across) / size];
}

export function apart(one: Point, other: Point): number {
  return Math.hypot(one[0] - other[0], one[1] - other[1]);
}
