/** In place of dcmjs (1 MB), whose parser and dictionary Cornerstone's modules take hold of, and this viewer never asks. */

import log from "loglevel";

class Absent {}

const word = { tag: "(0000,0000)", vr: "UN", vm: "1" };

/** Has every keyword (they begin with a capital), all under no tag, for rules that are compiled as they are loaded. */
const words = new Proxy<Record<string, typeof word>>(
  {},
  {
    get: () => word,
    getOwnPropertyDescriptor: (_, name) =>
      /^[A-Z]/.test(String(name)) ? { value: word, configurable: true, enumerable: true } : undefined,
  },
);

export { log };
export const constants = {};
export default {
  async: { AsyncDicomReader: Absent },
  data: { DicomMetaDictionary: { dictionary: words, nameMap: words } },
  utilities: { DicomMetadataListener: Absent },
};
