// The encoding of a file, where its bytes do not tell it for sure.
import { t } from "../../i18n.js";
import { Select } from "../../kit/fields.js";
import { h } from "../../kit/lib.js";

/** Those that tables of clients come in, by the names that the server takes as charset. */
export const ENCODINGS = {
  "utf-8": "UTF-8",
  "windows-1251": "Windows-1251",
  "koi8-r": "KOI8-R",
  cp866: "CP866 (DOS)",
  "mac-cyrillic": "Mac Cyrillic",
  "iso-8859-5": "ISO-8859-5",
  "windows-1252": "Windows-1252 (Müller, Zoé)",
  "utf-16": "UTF-16",
  "utf-16-le": "UTF-16",
  "utf-16-be": "UTF-16",
};
const OFFERED = Object.keys(ENCODINGS).slice(0, -2); // of UTF-16 one: its mark tells which

/** `charset`: the one that was chosen; empty: told from the bytes. `shown`: how the file reads can be seen below. */
export const EncodingChoice = ({ charset, shown, onChange }) =>
  h(Select, {
    label: t("import.encoding"),
    hint: shown && t(charset ? "import.encoding.chosen" : "import.encoding.doubt"),
    className: "import-encoding",
    value: charset,
    onChange,
    options: [
      { value: "", label: t("import.encoding.told") },
      ...OFFERED.map((each) => ({ value: each, label: ENCODINGS[each] })),
    ],
  });
