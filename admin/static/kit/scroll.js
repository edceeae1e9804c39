// What may be wider than the page.
import { h, useEffect, useRef, useState } from "./lib.js";

/** `label`: what it is; the keyboard scrolls it when it is wider. */
export function Scroll({ children, label }) {
  const ref = useRef(null);
  const [wide, setWide] = useState(false);
  useEffect(() => {
    const frame = ref.current;
    const observer = new ResizeObserver(() => setWide(frame.scrollWidth > frame.clientWidth));
    observer.observe(frame);
    observer.observe(frame.firstElementChild);
    return () => observer.disconnect();
  }, []);
  const reach = wide ? { tabIndex: 0, role: "group", "aria-label": label } : {};
  return h("div", { ref, className: "table-scroll", ...reach }, children);
}
