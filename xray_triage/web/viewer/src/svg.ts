/** The little of SVG that the layers over a film need. */

const SVG = "http://www.w3.org/2000/svg";
export const LABEL_HEIGHT = 18;
const LABEL_FAMILY = 'system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
const LABEL_FONT = { "font-family": LABEL_FAMILY, "font-size": "12.5px", "font-weight": 600 };

type Attributes = Record<string, string | number>;

export function make<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
): SVGElementTagNameMap[Name] {
  const element = document.createElementNS(SVG, name);
  write(element, attributes);
  return element;
}

export function write(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
}

/** The shapes, each over a darker and wider one of itself, so that they are seen on bright film too. */
export function withHalo(shapes: SVGElement[]): SVGElement[] {
  const halos = shapes.map((shape) => shape.cloneNode() as SVGElement);
  for (const halo of halos) write(halo, { class: "halo" });
  return [...halos, ...shapes];
}

/** Words on a ground of their own, so that they read on any gray. */
export function makeLabel(words: string, kind: string): SVGGElement {
  const label = make("g", { class: `label ${kind}` });
  const text = make("text", { x: 6, y: 13, ...LABEL_FONT });
  text.textContent = words;
  label.append(make("rect", { width: Math.ceil(widthOf(words)) + 12, height: LABEL_HEIGHT, rx: 3 }), text);
  return label;
}

/** Pixels, before the words stand anywhere. */
function widthOf(words: string): number {
  const ruler = document.createElement("canvas").getContext("2d");
  if (!ruler) return words.length * 8;
  ruler.font = `${LABEL_FONT["font-weight"]} ${LABEL_FONT["font-size"]} ${LABEL_FAMILY}`;
  return ruler.measureText(words).width;
}
