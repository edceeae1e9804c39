// The stop list: numbers that get no text, whatever matches.
import { StopList } from "./stop_list/list.js";

export default () => ({ name: "suppressions", list: StopList });
