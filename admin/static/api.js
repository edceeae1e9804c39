// Calls to the gateway: in the name of whoever is signed in, with problems (RFC 9457) as errors in words.

import { known, said, t } from "./i18n.js";
import { HttpError } from "./kit/lib.js";

const BASE = "/admin";
const IDENTITY = "identity"; // aiohttp-admin's key

/** The event after which the panel starts anew: for another person, or in another language. */
export const FRESH = "mailing:fresh";

export function identity() {
  try {
    return JSON.parse(localStorage.getItem(IDENTITY));
  } catch {
    return null;
  }
}

/** Whether the person may do what the permission says: "clients.edit". Only buttons depend on it: the engine decides. */
export function may(permission) {
  const granted = identity()?.permissions ?? {};
  const [resource, action] = permission.split(".");
  return [`admin.${resource}.${action}`, `admin.${resource}.*`, `admin.${action}`, "admin.*"].some(
    (each) => each in granted,
  );
}

/** Whether the person must set up two-step sign-in before the engine lets them do anything else. */
export const mustSetUpFirst = () => identity()?.setUpFirst === true;

/** Note that it is done; the session is the same. */
export const setUpIsDone = () => noteSetUp(false);

const noteSetUp = (setUpFirst) => localStorage.setItem(IDENTITY, JSON.stringify({ ...identity(), setUpFirst }));

export const isAdmin = () => identity()?.role === "admin";

function headers(more = {}) {
  return { Accept: "application/json", Authorization: localStorage.getItem(IDENTITY) ?? "", ...more };
}

/**
 * What an answer from 400 up says: HttpError with `body.errors` by field, for react-admin's forms; `errors` are those of
 * the problem, each with its `pointer`, `fault` is what it says as a whole, and `retrySeconds` is when it may work, or null.
 * @param {Response} response
 * @returns {Promise<HttpError & {errors: (import("./i18n.js").Fault & {pointer: string})[], fault: import("./i18n.js").Fault, retrySeconds: number | null}>}
 */
async function problemOf(response) {
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // No JSON: whatever stands between us and the gateway has answered.
  }
  const seconds = Number(response.headers.get("Retry-After"));
  const bad = problem.errors ?? [];
  const error = new HttpError(
    wordsOf(response.status, problem, seconds),
    response.status,
    bad.length ? { errors: byField(bad) } : undefined,
  );
  error.errors = bad;
  error.retrySeconds = seconds || null;
  error.fault = { ...problem, message: problem.detail ?? error.message };
  if (problem.code === "TOTP_SETUP_REQUIRED" && identity() && !mustSetUpFirst()) {
    noteSetUp(true); // since the engine was started anew, or an admin has reset it
    dispatchEvent(new Event(FRESH));
  }
  return error;
}

function wordsOf(status, problem, seconds) {
  if (status === 401) return t("error.signed_out");
  if (status === 403) return t("error.forbidden");
  if (status === 404) return t("error.not_found");
  if (status === 429) return t("error.too_many", { seconds: seconds || 1 });
  if (status === 502 || status === 503) return t("error.engine_away");
  if (status === 504) return t("error.engine_slow");
  const lines = (problem.errors ?? []).map(lineOf);
  if (lines.length) return lines.join("\n");
  return sentence({ ...problem, message: problem.detail ?? t("error.unknown", { status }) });
}

function lineOf(error) {
  const name = fieldName(error.pointer);
  return name ? `${name}: ${said(error)}` : sentence(error);
}

/**
 * An error in the person's language, as a sentence.
 * @param {import("./i18n.js").Fault} error
 */
export const sentence = (error) =>
  said(error)
    .replace(/^\p{Ll}/u, (first) => first.toUpperCase())
    .replace(/[^.!?…]$/u, "$&.");

function fieldName(pointer) {
  const name = pointer.split("/")[1] ?? "";
  return known(`field.${name}`) ?? name;
}

/** JSON pointers as react-hook-form's names: an error of /filter/tags/3 stands at "filter". */
function byField(errors) {
  const found = {};
  for (const error of errors) {
    const name = error.pointer.split("/")[1];
    if (name) found[name] = found[name] ? `${found[name]} ${sentence(error)}` : sentence(error);
  }
  return found;
}

/** Whether it was nobody there who could answer: the gateway or the engine is away. */
export const isAway = (error) => [0, 502, 503, 504].includes(error.status);

/** One request below /admin; resolves to the answer, and rejects with HttpError. */
async function ask(path, options) {
  let response;
  try {
    response = await fetch(new URL(BASE + path, location.origin), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new HttpError(t("error.gateway_away"), 0);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** One request below /admin; resolves to the answer's JSON, and rejects with HttpError. A `body` that is no Blob goes as JSON. */
export async function call(path, { method = "GET", body, query, signal, headers: more } = {}) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null)
      search.set(key, typeof value === "object" ? JSON.stringify(value) : value);
  }
  const isPlain = body === undefined || body instanceof Blob;
  const options = {
    method,
    signal,
    headers: headers(isPlain ? more : { "Content-Type": "application/json", ...more }),
    body: isPlain ? body : JSON.stringify(body),
  };
  const response = await ask(query ? `${path}?${search}` : path, options);
  return response.status === 204 ? null : response.json();
}

/** A page of a resource's records, as {data, total}; the newest first. */
export const list = (resource, { page = 1, perPage, order = "DESC", filter = {}, signal }) =>
  call(`/${resource}/list`, { query: { pagination: { page, perPage }, sort: { field: "id", order }, filter }, signal });

/** One record of a resource. */
export const one = (resource, id, signal) =>
  call(`/${resource}/one`, { query: { id }, signal }).then(({ data }) => data);

/** The engine's REST API below the panel's session: rest("/mailings/preview", {method: "POST", body}). */
export const rest = (path, options) => call(`/api/v1${path}`, options);

/**
 * Save what a path answers as a file; a stream of any size goes to the browser's own store. `made`: what makes the file of
 * the answer.
 */
export async function download(path, name, { accept = "text/csv", made = (response) => response.blob() } = {}) {
  const response = await ask(path, { headers: headers({ Accept: accept }) });
  saveAs(await made(response), name);
}

/** 128 random bits; crypto.randomUUID is there over HTTPS only. */
export const randomKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export function saveAs(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Send a file; `onProgress(share)` hears how much of it is taken. Resolves to the answer's JSON. */
export function upload(path, file, { type = "text/csv", onProgress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch says nothing of an upload's progress
    request.open("POST", BASE + path);
    for (const [name, value] of Object.entries(headers({ "Content-Type": type })))
      request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => reject(new HttpError(t("error.gateway_away"), 0));
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    request.onload = async () => {
      const answer = new Response(request.response, {
        status: request.status,
        headers: { "Retry-After": request.getResponseHeader("Retry-After") ?? "" },
      });
      if (request.status >= 400) reject(await problemOf(answer));
      else resolve(await answer.json());
    };
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

// -- for react-admin ------------------------------------------------------------------------------

const listQuery = ({ pagination, sort, filter }) => ({ pagination, sort, filter });
const write = (resource, path, method, body) => call(`/${resource}${path}`, { method, body });

export const dataProvider = {
  getList: (resource, params) => call(`/${resource}/list`, { query: listQuery(params) }),
  getOne: (resource, { id }) => call(`/${resource}/one`, { query: { id } }),
  getMany: (resource, { ids }) => call(`/${resource}`, { query: { ids: JSON.stringify(ids.map(String)) } }),
  getManyReference: (resource, { target, id, ...params }) =>
    call(`/${resource}/list`, { query: listQuery({ ...params, filter: { ...params.filter, [target]: id } }) }),
  create: (resource, { data }) => write(resource, "", "POST", { data }),
  update: (resource, { id, data, previousData }) => write(resource, "/update", "PUT", { id, data, previousData }),
  updateMany: (resource, { ids, data }) => write(resource, "/update_many", "PUT", { ids, data }),
  delete: (resource, { id, meta }) => write(resource, "/one", "DELETE", { id, meta }),
  deleteMany: (resource, { ids }) => write(resource, "", "DELETE", { ids }),
};

const WRONG = "WRONG_NAME_OR_PASSWORD";

/** Sign in; `code`: the second step, if there is one. Rejects with HttpError in words; its fault's code says what is missing. */
export const signIn = (username, password, code) =>
  begin("/token", { username, password, one_time_code: code || undefined }, (error) => {
    if (error.status === 401) error.message = error.fault.code === WRONG ? t("sign_in.wrong") : sentence(error.fault);
  });

/** Whose accounts may be used beside a password, by name, or null. */
export const oidcName = () => call("/oidc").then(({ name }) => name);

/** Begin to sign in with such an account: resolves to the address where that is done. */
export const beginOidc = (again) => call("/oidc/begin", { method: "POST", body: { again } }).then(({ url }) => url);

/** Sign in with what the person has brought back; rejects with HttpError in words. */
export const finishOidc = (answer) =>
  begin("/oidc/session", answer, (error) => {
    if (error.status === 401 || error.status === 403) error.message = sentence(error.fault);
  });

/** Begin a session; `told(error)` words what is said otherwise than elsewhere. */
async function begin(path, body, told) {
  let response;
  try {
    response = await ask(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch (error) {
    told(error);
    throw error;
  }
  await response.arrayBuffer(); // to its end: what follows loads the page anew, and would cut it off
  localStorage.setItem(IDENTITY, response.headers.get("X-Token"));
}

export async function signOut() {
  const signedIn = identity() !== null;
  const options = { method: "DELETE", headers: headers() };
  localStorage.removeItem(IDENTITY);
  if (signedIn)
    await fetch(`${BASE}/logout`, options).then(
      (answer) => answer.arrayBuffer(),
      () => {},
    ); // the engine away: the page is signed out all the same
}

export const authProvider = {
  login: ({ username, password }) => signIn(username, password),
  logout: () => signOut(),
  checkAuth: () => (identity() ? Promise.resolve() : Promise.reject({ message: false })),
  checkError: (error) => (error.status === 401 ? Promise.reject() : Promise.resolve()),
  getIdentity: () => Promise.resolve({ id: identity()?.fullName ?? "", fullName: identity()?.fullName ?? "" }),
  getPermissions: () => Promise.resolve(identity()?.permissions ?? {}),
};
