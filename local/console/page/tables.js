// Tables of the page. Everything from the cloud goes in as text, never as HTML.

const made = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};
const moment = (seconds) => made("time", { dateTime: new Date(seconds * 1000).toISOString() },
  new Date(seconds * 1000).toLocaleString());

function table(headings, rows) {
  const head = made("thead", {}, made("tr", {}, ...headings.map((text) => made("th", { scope: "col" }, text))));
  const body = made("tbody", {}, ...rows.map((cells) => made("tr", {}, ...cells.map((cell) => made("td", {}, cell)))));
  return made("table", {}, head, body);
}

const state = (name) => made("span", { className: `state ${name}` }, name.replace("_", " ").toLowerCase());

const open = new Set();

export function drawAlarms(target, summary, alarms, ask) {
  const count = (name) => alarms.filter((alarm) => alarm.state === name).length;
  summary.textContent = `${count("ALARM")} raised, ${count("OK")} quiet, ${count("INSUFFICIENT_DATA")} without data`;
  const raised = alarms.filter((alarm) => alarm.state === "ALARM").map((alarm) => alarmOf(alarm, ask));
  const others = alarms.filter((alarm) => alarm.state !== "ALARM").map((alarm) => alarmOf(alarm, ask));
  const rest = made("details", { className: "others", open: open.has("others") },
    made("summary", {}, `${others.length} others`), ...others);
  rest.addEventListener("toggle", () => remember("others", rest.open));
  target.replaceChildren(...raised, rest);
}

function remember(name, isOpen) {
  if (isOpen) open.add(name); else open.delete(name);
}

function alarmOf(alarm, ask) {
  const history = made("div", { className: "scrolled" });
  const details = made("details", { className: "alarm", open: open.has(alarm.name) },
    made("summary", {}, state(alarm.state), made("strong", {}, alarm.name),
      made("span", { className: "faint" }, "since ", moment(alarm.since)),
      ...(alarm.suppressed ? [made("span", { className: "faint" }, "actions suppressed")] : [])),
    made("div", {},
      made("p", {}, alarm.description), made("p", { className: "faint" }, alarm.reason), made("code", {}, alarm.rule)),
    history);
  details.dataset.alarm = alarm.name;
  const show = async () => {
    const items = await ask(`/api/history?alarm=${encodeURIComponent(alarm.name)}`);
    history.replaceChildren(table(["When", "What", "Why"], items.map((item) => [moment(item.time), item.summary, item.reason])));
  };
  details.addEventListener("toggle", () => {
    remember(alarm.name, details.open);
    if (details.open) show().catch((error) => history.replaceChildren(error.message));
  });
  return details;
}

export function drawEndpoints(target, endpoints) {
  target.replaceChildren(table(["Package", "Endpoint", "Status", "Version", "Config", "Changed"], endpoints.map((it) => [
    it.package, it.endpoint, it.failure ? `${it.status} (${it.failure})` : it.status, it.version, it.config,
    moment(it.changed),
  ])));
}

export function drawRefusals(target, refusals) {
  if (refusals.length === 0) {
    target.replaceChildren(made("p", { className: "faint" }, "None in the last week."));
    return;
  }
  target.replaceChildren(table(["When", "Status", "Reason", "Fields", "Inference id"], refusals.map((it) => [
    moment(it.time), String(it.status), it.reason, it.fields.join(", "), it.inference_id,
  ])));
}
