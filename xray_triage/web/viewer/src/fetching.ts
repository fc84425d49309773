/** A film from the station's DICOMweb: its header and its pixels as they were stored. Knows no screen. */

import { addressOf, type Film } from "./film";
import type { Element, Header } from "./header";

const OVERLAY_DATA = /^60[01][02468ACE]3000$/i;

/** One frame as it was stored: still compressed where the film is. */
export interface Frame {
  bytes: Uint8Array;
  transferSyntaxUid: string;
}

/** What arrives for one film. Both promises reject with an Error when the station does not give it. */
export interface Delivery {
  header: Promise<Header>;
  frame: Promise<Frame>;
}

/** Ask for the header and the frame at once; `onProgress` hears the share 0..1 of the frame that has come. */
export function fetchFilm(film: Film, onProgress: (share: number) => void): Delivery {
  const delivery = { header: fetchHeader(film), frame: fetchFrame(film, onProgress) };
  for (const promise of Object.values(delivery)) promise.catch(() => undefined); // told again to whoever awaits it
  return delivery;
}

async function fetchHeader(film: Film): Promise<Header> {
  const answer = await fetch(`${addressOf(film)}/metadata`, { headers: { Accept: "application/dicom+json" } });
  if (!answer.ok) throw new Error(`metadata: HTTP ${answer.status}`);
  const [header] = (await answer.json()) as Header[];
  if (!header) throw new Error("metadata: empty");
  await Promise.all(Object.entries(header).map(([tag, element]) => OVERLAY_DATA.test(tag) && element && fetchBulk(element)));
  return header;
}

/** Overlay planes are too large to come within a header. */
async function fetchBulk(element: Element): Promise<void> {
  if (!element.BulkDataURI) return;
  const answer = await fetch(new URL(element.BulkDataURI).pathname, { headers: { Accept: "application/octet-stream" } });
  if (answer.ok) element.bytes = new Uint8Array(await answer.arrayBuffer());
}

function fetchFrame(film: Film, onProgress: (share: number) => void): Promise<Frame> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // it tells its progress without copying
    request.open("GET", `${addressOf(film)}/frames/1`);
    request.setRequestHeader("Accept", "application/octet-stream; transfer-syntax=*"); // one part, so that nothing is copied
    request.responseType = "arraybuffer";
    request.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => reject(new Error("frame: no connection"));
    request.onload = () => {
      if (request.status !== 200) return reject(new Error(`frame: HTTP ${request.status}`));
      const syntax = /transfer-syntax=([\d.]+)/.exec(request.getResponseHeader("Content-Type") ?? "");
      resolve({ bytes: new Uint8Array(request.response as ArrayBuffer), transferSyntaxUid: syntax?.[1] ?? "1.2.840.10008.1.2.1" });
    };
    request.send();
  });
}
