/** The little of SVG that the layers over a film need. */

const SVG = "http://www.w3.org/2000/svg";
export const LABEL_HEIGHT = 18;

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

/** Words on a ground of their own, so that they read on any gray. */
export function makeLabel(words: string, kind: string): SVGGElement {
  const label = make("g", { class: `label ${kind}` });
  const text = make("text", { x: 6, y: 13 });
  text.textContent = words;
  label.append(make("rect", { width: Math.round(words.length * 7.7) + 12, height: LABEL_HEIGHT, rx: 3 }), text);
  return label;
}
