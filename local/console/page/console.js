// The console page: asks the server for the overview and one dashboard, and draws them again while it is live.
import { drawWidgets } from "/page/widgets.js";
import { drawAlarms, drawEndpoints, drawRefusals } from "/page/tables.js";

const RANGES = [
  ["1 hour", 3600], ["3 hours", 10_800], ["12 hours", 43_200], ["1 day", 86_400], ["3 days", 259_200],
  ["1 week", 604_800], ["2 weeks", 1_209_600], ["4 weeks", 2_419_200],
];
const REFRESH_MILLISECONDS = 5000;

const element = (id) => document.getElementById(id);
const chosen = { dashboard: null, seconds: 10_800, live: true };
let shownReport = null;

async function ask(path) {
  const response = await fetch(path);
  const content = await response.json();
  if (!response.ok) throw new Error(content.error ?? `${path}: ${response.status}`);
  return content;
}

function packageOf(overview) {
  const names = overview.endpoints.map((endpoint) => endpoint.package);
  const match = overview.endpoints.find((endpoint) => chosen.dashboard?.includes(endpoint.endpoint));
  return match?.package ?? names[0] ?? null;
}

function drawNavigation(overview) {
  const nav = element("dashboards");
  if (!overview.dashboards.includes(chosen.dashboard)) chosen.dashboard = overview.dashboards[0] ?? null;
  nav.replaceChildren(...overview.dashboards.map((name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    if (name === chosen.dashboard) button.setAttribute("aria-current", "page");
    button.addEventListener("click", () => { chosen.dashboard = name; remember(); refresh(); });
    return button;
  }));
  const now = new Date(overview.now * 1000);
  const ahead = overview.now * 1000 - Date.now() > 60_000;
  element("now").dateTime = now.toISOString();
  element("now").textContent = `${now.toLocaleString()}${ahead ? " (the cloud's time)" : ""}`;
}

async function drawPackage(overview) {
  const name = packageOf(overview);
  if (name === null) return;
  element("refusals-title").textContent = `Last requests refused: ${name}`;
  element("report-title").textContent = `Latest report: ${name}`;
  element("report-link").href = `/report/${name}`;
  const refusals = await ask(`/api/refusals/${encodeURIComponent(name)}`);
  drawRefusals(element("refusals"), refusals);
  const version = `${name} ${Math.floor(overview.now / 300)}`; // a frame that reloads at every look cannot be read
  if (version !== shownReport) {
    element("report").src = `/report/${encodeURIComponent(name)}`;
    shownReport = version;
  }
}

let running = false;
async function refresh() {
  if (running) return;
  running = true;
  try {
    const overview = await ask("/api/overview");
    drawNavigation(overview);
    drawAlarms(element("alarms"), element("alarm-summary"), overview.alarms, ask);
    drawEndpoints(element("endpoints"), overview.endpoints);
    if (chosen.dashboard === null) {
      element("widgets").replaceChildren("No dashboard is deployed.");
    } else {
      element("dashboard-title").textContent = `Dashboard: ${chosen.dashboard}`;
      const path = `/api/dashboards/${encodeURIComponent(chosen.dashboard)}?seconds=${chosen.seconds}`;
      drawWidgets(element("widgets"), await ask(path), overview.alarms);
    }
    await drawPackage(overview);
    element("problem").hidden = true;
    document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
  } catch (error) {
    element("problem").textContent = `The cloud did not answer: ${error.message}`;
    element("problem").hidden = false;
  } finally {
    running = false;
  }
}

function remember() {
  location.hash = new URLSearchParams({ dashboard: chosen.dashboard ?? "", seconds: chosen.seconds }).toString();
}

function recall() {
  const hash = new URLSearchParams(location.hash.slice(1));
  chosen.dashboard = hash.get("dashboard") || chosen.dashboard;
  if (Number(hash.get("seconds")) > 0) chosen.seconds = Number(hash.get("seconds"));
}

function start() {
  recall();
  const range = element("range");
  range.append(...RANGES.map(([label, seconds]) => new Option(label, seconds, false, seconds === chosen.seconds)));
  range.addEventListener("change", () => { chosen.seconds = Number(range.value); remember(); refresh(); });
  element("live").addEventListener("click", () => {
    chosen.live = !chosen.live;
    element("live").setAttribute("aria-pressed", String(chosen.live));
    if (chosen.live) refresh();
  });
  setInterval(() => { if (chosen.live && !document.hidden) refresh(); }, REFRESH_MILLISECONDS);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  refresh();
}

start();
