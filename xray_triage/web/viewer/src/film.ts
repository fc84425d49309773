/** What the page says of a film, and where the station serves it. Knows no pixels and no screen. */

/** A finding's outline: x, y, width, height in pixels of the film. */
export interface Outline {
  name: string;
  box: [number, number, number, number];
}

/** One entry of `data-films` (web/pages/films.py). `lines` are x1, y1, x2, y2 in pixels of the film. */
export interface Film {
  sop_instance_uid: string;
  study_instance_uid: string;
  series_instance_uid: string;
  label: string;
  negative: boolean; // against what its header says
  heat: string | null;
  boxes: Outline[];
  lines: [number, number, number, number][];
}

/** The films in a `data-` attribute of the page; none when it is absent. */
export function filmsIn(told: string | undefined): Film[] {
  return told ? (JSON.parse(told) as Film[]) : [];
}

/** The film's WADO-RS instance, PS3.18 10.4. */
export function addressOf(film: Film): string {
  const { study_instance_uid: study, series_instance_uid: series, sop_instance_uid: instance } = film;
  return `/dicom-web/studies/${study}/series/${series}/instances/${instance}`;
}
