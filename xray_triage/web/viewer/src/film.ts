/** What the page says of a film, and where the station serves it. Knows no pixels and no screen. */

/** A measured width with its words: x1, y1, x2, y2 in pixels of the film. */
export interface Width {
  label: string;
  ends: [number, number, number, number];
}

/** What is drawn for one finding. The box is x, y, width, height in pixels of the film; `shown` from the beginning. */
export interface Mark {
  finding: string;
  label: string;
  colour: string;
  box: [number, number, number, number] | null;
  lines: Width[];
  shown: boolean;
}

/** One entry of `data-films` (web/pages/films.py). */
export interface Film {
  sop_instance_uid: string;
  study_instance_uid: string;
  series_instance_uid: string;
  label: string;
  negative: boolean; // against what its header says
  heat: string | null;
  marks: Mark[];
}

/** The films in a `data-` attribute of the page; none when it is absent. */
export function filmsIn(told: string | undefined): Film[] {
  return told ? (JSON.parse(told) as Film[]) : [];
}

/** The film with which the page of `root` (_viewer.html) begins. */
export function firstOf(root: HTMLElement): Film | undefined {
  const films = filmsIn(root.dataset.films);
  return films.find((film) => film.sop_instance_uid === root.dataset.start) ?? films[0];
}

/** The film's WADO-RS instance, PS3.18 10.4. */
export function addressOf(film: Film): string {
  const { study_instance_uid: study, series_instance_uid: series, sop_instance_uid: instance } = film;
  return `/dicom-web/studies/${study}/series/${series}/instances/${instance}`;
}
