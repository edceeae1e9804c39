// What aiohttp-admin's bundle shares with its js_module (window.React and the rest), under names that can be imported.
const { React, ReactAdmin, ReactDOM, ReactDOMClient, ReactRouterDOM } = window;

export const h = React.createElement;
export { React };
export const { Fragment, useCallback, useEffect, useId, useMemo, useRef, useState } = React;
export const { createPortal } = ReactDOM;
export const { createRoot } = ReactDOMClient;
export const { Link, Route, useLocation, useNavigate, useParams } = ReactRouterDOM;
export const RA = ReactAdmin;
export const { HttpError, useNotify, useRecordContext, useRefresh } = ReactAdmin;
