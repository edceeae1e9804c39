// The parts that pages are made of. Plain elements with classes of panel.css: react-admin's bundle shares no MUI.

import { isAway } from "../api.js";
import { clock, dateTime, fromNow, number, t } from "../i18n.js";
import { icon } from "./icons.js";
import { createPortal, h, Link, useEffect, useId, useLocation, useRef, useState } from "./lib.js";
import { Scroll } from "./scroll.js";

const TITLE = "react-admin-title"; // the id of the bundle's TitlePortal

/** The browser's tab is called as the page is in the bar, whether the page is ours or react-admin's. */
export function useTabTitle() {
  useEffect(() => {
    const bar = document.getElementById(TITLE);
    const name = () => {
      document.title = bar.textContent ? `${bar.textContent} · ${t("app.name")}` : t("app.name");
    };
    const observer = new MutationObserver(name);
    observer.observe(bar, { childList: true, characterData: true, subtree: true });
    name();
    return () => observer.disconnect();
  }, []);
}

/** A page's title, in the bar at the top. */
export function PageTitle({ children }) {
  const [bar, setBar] = useState(null);
  useEffect(() => {
    setBar(document.getElementById(TITLE));
  }, []);
  return bar && createPortal(h("span", null, children), bar);
}

/** A framed part of a page. */
export function Card({ title, actions, children, className = "" }) {
  const id = useId();
  return h(
    "section",
    { className: `card ${className}`, "aria-labelledby": title ? id : undefined },
    (title || actions) &&
      h(
        "header",
        { className: "card-head" },
        title && h("h2", { id }, title),
        actions && h("div", { className: "card-actions" }, actions),
      ),
    children,
  );
}

/** A number that matters, and what it is. */
export const Stat = ({ label, value, hint, tone = "" }) =>
  h(
    "div",
    { className: `stat ${tone}` },
    h("div", { className: "stat-label" }, label),
    h("div", { className: "stat-value" }, value),
    hint && h("div", { className: "stat-hint" }, hint),
  );

/**
 * Names and values, one below the other: rows [{key, label, value, hint?, bar?, tone?}], of which falsy ones are left out;
 * `bar`: a share, 0 to 1. `wide`: side by side.
 */
export function Facts({ rows, label, wide = false }) {
  const shown = rows.filter(Boolean);
  return (
    shown.length > 0 &&
    h(
      "dl",
      { className: `facts ${wide ? "wide" : ""}`, "aria-label": label },
      shown.map(({ key, label: name, value, hint, bar, tone }) =>
        h(
          "div",
          { key, className: tone },
          h("dt", null, name),
          h(
            "dd",
            null,
            value,
            hint && " ",
            hint && h("span", { className: "muted" }, hint),
            bar !== undefined && h(Meter, { share: bar }),
          ),
        ),
      ),
    )
  );
}

const Meter = ({ share }) =>
  h(
    "span",
    { className: "share-bar", "aria-hidden": true },
    h("i", { className: "fill-busy", style: { width: `${100 * Math.min(1, share)}%` } }),
  );

/** A switch between a few views: options [{value, label}]. */
export const Segments = ({ label, value, options, onChange }) =>
  h(
    "div",
    { className: "segmented small", role: "group", "aria-label": label },
    options.map((each) =>
      h(
        "button",
        { key: each.value, type: "button", "aria-pressed": each.value === value, onClick: () => onChange(each.value) },
        each.label,
      ),
    ),
  );

/** What to say where there is nothing yet; `children`: what to begin with. */
export const Empty = ({ icon: name, title, words, children }) =>
  h(
    "div",
    { className: "empty" },
    name && h(icon(name)),
    title && h("h2", null, title),
    h("p", { className: "muted" }, words),
    h("div", { className: "row" }, children),
  );

/** A word in a coloured pill; `tone`: good, warn, bad, busy or quiet. */
export const Chip = ({ tone = "quiet", children, title }) => h("span", { className: `chip ${tone}`, title }, children);

const STATE_TONES = { scheduled: "quiet", active: "busy", paused: "warn", cancelled: "bad", ended: "good" };
const STATUS_TONES = { pending: "busy", sent: "good", not_sent: "bad" };
const DELIVERY_TONES = { delivered: "good", undelivered: "bad" };
export const StateChip = ({ state }) => h(Chip, { tone: STATE_TONES[state] }, t(`state.${state}`));
export const StatusChip = ({ status }) => h(Chip, { tone: STATUS_TONES[status] }, t(`status.${status}`));
/** What a receipt says: `delivered` or `undelivered`. */
export const DeliveryChip = ({ status }) => h(Chip, { tone: DELIVERY_TONES[status] }, t(`delivery.${status}`));

/** A moment, with how far it is from now on hover. */
export const Time = ({ value, ...options }) =>
  value
    ? h("time", { dateTime: value, title: fromNow(value) }, dateTime(value, options))
    : h("span", { className: "muted" }, "—");

/** What a person has to know; `tone`: info, good, warn or bad. */
export const Notice = ({ tone = "info", title, children, action }) =>
  h(
    "div",
    { className: `notice ${tone}`, role: tone === "bad" || tone === "warn" ? "alert" : "status" },
    h("div", { className: "notice-words" }, title && h("strong", null, title), children && h("div", null, children)),
    action,
  );

/** To the sign-in and from there back to this page; `aside`: in another tab, for pages that hold what somebody has written. */
function SignInLink({ aside = false }) {
  const { pathname, search } = useLocation();
  const state = { nextPathname: pathname, nextSearch: search };
  return h(
    Link,
    { className: "button", to: "/login", state, target: aside ? "_blank" : undefined },
    t("sign_in.submit"),
  );
}

/**
 * What went wrong, in words, and the way on: signing in when the session has ended, else `reload` where that may help.
 * `since`: the moment that what is shown meanwhile is from. `aside`: see SignInLink.
 */
export function Trouble({ error, reload, since, aside }) {
  if (!error) return null;
  const retry = reload && h(Button, { onClick: reload }, t("action.retry"));
  const isOut = error.status === 401;
  const action = isOut ? h(SignInLink, { aside }) : retry;
  if (!since) return h(Notice, { tone: "bad", action }, isOut && aside ? t("error.signed_out_aside") : error.message);
  const words = [t("trouble.as_of", { time: clock(since, true) }), isAway(error) && t("trouble.away_do")];
  return h(Notice, { tone: "bad", title: error.message, action }, words.filter(Boolean).join(" "));
}

/** What was true a while ago is shown greyed. */
export const Stale = ({ stale, className = "", children }) =>
  h("div", { className: `fresh ${stale ? "stale" : ""} ${className}`, "aria-busy": stale || undefined }, children);

export const Loading = () => h("div", { className: "loading", role: "status" }, t("loading"));

const DOUBLE_CLICK_MS = 500;

/** Whether a click is the second of a double click whose first one has brought what is clicked now: nobody means it. */
const isStray = (event, since) => event.detail > 1 && performance.now() - since < DOUBLE_CLICK_MS;

/**
 * A button; `kind`: plain, primary or danger; `busy`: its work is under way, and it does nothing, but keeps the focus, which a
 * disabled one would lose: a dialog that opens meanwhile gives it back to where it was.
 */
export function Button({
  kind = "plain",
  busy = false,
  disabled,
  type = "button",
  className = "",
  onClick,
  children,
  ...rest
}) {
  const since = useRef(null);
  since.current ??= performance.now();
  const click = (event) => (busy || isStray(event, since.current) ? event.preventDefault() : onClick?.(event));
  const state = { disabled, "aria-disabled": busy || undefined, "aria-busy": busy || undefined };
  return h("button", { ...rest, ...state, type, className: `button ${kind} ${className}`, onClick: click }, children);
}

/** A button of the bar at the top: a picture, whose words are its name and its hint. */
export function BarButton({ icon, label, onClick }) {
  return h("button", { type: "button", className: "bar-button", "aria-label": label, title: label, onClick }, h(icon));
}

/**
 * A dialog over the page; Escape and the backdrop close it, and focus goes back to where it was.
 * `stays`: only its buttons close it, for what is shown once.
 */
export function Dialog({ title, children, actions, onClose, wide = false, stays = false }) {
  const ref = useRef(null);
  const since = useRef(performance.now());
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    ref.current.showModal(); // puts the focus on the first thing that can have it
    ref.current.querySelector("[data-focus]")?.focus();
    ref.current.scrollTop = 0; // what it asks is read first, though the focus is in a field further down
    return () => before?.focus?.();
  }, []);
  return createPortal(
    h(
      "dialog",
      {
        ref,
        className: `dialog ${wide ? "wide" : ""}`,
        "aria-labelledby": id,
        onCancel: (event) => {
          event.preventDefault();
          if (!stays) onClose();
        },
        onClose: () => stays && ref.current?.showModal(), // a second Escape can't be prevented
        onClick: (event) => event.target === ref.current && !stays && !isStray(event, since.current) && onClose(),
      },
      h(
        "div",
        { className: "dialog-body" },
        h("h2", { id }, title),
        children,
        h("div", { className: "dialog-actions" }, actions),
      ),
    ),
    document.body,
  );
}

/**
 * A button that asks before it acts: `question` is the dialog's title, `children` what will happen, in numbers.
 * `onConfirm` may return a promise; what it rejects with is shown in the dialog, which stays open. `closeLabel`: what
 * the other button says, where "Cancel" would be a word too many. `instead`: {label, act}, something better to do, which is
 * offered first.
 */
export function ConfirmButton({
  label,
  question,
  children,
  confirmLabel,
  closeLabel,
  onConfirm,
  instead,
  kind = "plain",
  disabled,
}) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const close = () => {
    if (busy) return;
    setOpen(false);
    setError(null);
  };
  const confirm = async (act) => {
    setBusy(true);
    setError(null);
    try {
      await act();
      setOpen(false);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return h(
    "span",
    null,
    h(Button, { kind, disabled, onClick: () => setOpen(true) }, label),
    open &&
      h(
        Dialog,
        {
          title: question,
          onClose: close,
          actions: [
            instead &&
              h(Button, { key: "instead", kind: "primary", busy, onClick: () => confirm(instead.act) }, instead.label),
            h(Button, { key: "no", onClick: close, disabled: busy }, closeLabel ?? t("action.cancel")),
            h(
              Button,
              { key: "yes", kind: kind === "danger" ? "danger" : "primary", busy, onClick: () => confirm(onConfirm) },
              confirmLabel ?? label,
            ),
          ],
        },
        children,
        h(Trouble, { error, aside: true }),
      ),
  );
}

/** A text to copy, such as a secret. */
export function Copyable({ text, label }) {
  const [copied, setCopied] = useState(false);
  const field = useRef(null);
  const copy = async () => {
    field.current.select();
    // Without HTTPS there is no clipboard but on localhost; the text stays selected.
    await navigator.clipboard?.writeText(text).then(
      () => setCopied(true),
      () => {},
    );
  };
  return h(
    "div",
    { className: "copyable" },
    h("input", {
      ref: field,
      readOnly: true,
      value: text,
      "aria-label": label,
      onFocus: (event) => event.target.select(),
    }),
    h(Button, { onClick: copy }, copied ? t("action.copied") : t("action.copy")),
  );
}

/**
 * Rows as a plain table: `columns` is [{key, label, render?, numeric?, whole?}]; `whole`: its words are not broken.
 * `label`: of what, where there is no caption.
 */
export const Table = ({ columns, rows, empty, caption, label }) =>
  h(
    Scroll,
    { label: caption ?? label ?? t("plot.table") },
    h(
      "table",
      { className: "table" },
      caption && h("caption", null, caption),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          columns.map((column) =>
            h("th", { key: column.key, scope: "col", className: column.numeric ? "numeric" : "" }, column.label),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        rows.length === 0 &&
          h("tr", null, h("td", { colSpan: columns.length, className: "muted" }, empty ?? t("plot.empty"))),
        rows.map((row, index) =>
          h(
            "tr",
            { key: row.id ?? index },
            columns.map((column) => h("td", { key: column.key, className: classOf(column) }, cell(column, row))),
          ),
        ),
      ),
    ),
  );

const classOf = ({ numeric, whole }) => (numeric ? "numeric" : whole ? "whole" : "");

function cell(column, row) {
  if (column.render) return column.render(row);
  const value = row[column.key];
  return typeof value === "number" ? number(value) : value;
}
