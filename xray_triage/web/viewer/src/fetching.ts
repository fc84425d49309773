/** A film from the station's DICOMweb: its header and its pixels as they were stored. Knows no screen. */

import { addressOf, type Film } from "./film";
import type { Header } from "./header";

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
  return header;
}

function fetchFrame(film: Film, onProgress: (share: number) => void): Promise<Frame> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // it tells its progress without copying
    request.open("GET", `${addressOf(film)}/frames/1`);
    request.setRequestHeader("Accept", 'multipart/related; type="application/octet-stream"; transfer-syntax=*');
    request.responseType = "arraybuffer";
    request.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => reject(new Error("frame: no connection"));
    request.onload = () => {
      if (request.status !== 200) return reject(new Error(`frame: HTTP ${request.status}`));
      try {
        resolve(firstPart(request.response as ArrayBuffer, request.getResponseHeader("Content-Type") ?? ""));
      } catch (error) {
        reject(error);
      }
    };
    request.send();
  });
}

/** The first part of a multipart/related body (RFC 2387), without copying it. */
function firstPart(body: ArrayBuffer, contentType: string): Frame {
  const boundary = /boundary="?([^";]+)/i.exec(contentType)?.[1];
  const start = indexOf(new Uint8Array(body), "\r\n\r\n", 0) + 4;
  if (!boundary || start < 4) throw new Error("frame: not multipart");
  const head = new TextDecoder().decode(new Uint8Array(body, 0, start));
  const tail = Math.max(start, body.byteLength - boundary.length - 64);
  const end = indexOf(new Uint8Array(body), `\r\n--${boundary}`, tail);
  if (end < start) throw new Error("frame: cut off");
  return {
    bytes: new Uint8Array(body, start, end - start),
    transferSyntaxUid: /transfer-syntax="?([\d.]+)/i.exec(head)?.[1] ?? "1.2.840.10008.1.2.1",
  };
}

function indexOf(bytes: Uint8Array, sought: string, from: number): number {
  const codes = Array.from(sought, (letter) => letter.charCodeAt(0));
  for (let at = from; at <= bytes.length - codes.length; at++) {
    if (codes.every((code, offset) => bytes[at + offset] === code)) return at;
  }
  return -1;
}
