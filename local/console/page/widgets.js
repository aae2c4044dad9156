// A dashboard's widgets: charts by uPlot, text by markdown-it (which lets no HTML through), the rest as plain nodes.
import uPlot from "/library/uplot.js";

const PALETTE = ["#2f6fde", "#d9480f", "#2b8a3e", "#9c36b5", "#0c8599", "#c2255c", "#846358", "#5c7cfa", "#868e96"];
const markdown = globalThis.markdownit({ html: false, linkify: false });
const charts = [];
const hidden = new Map(); // the series that somebody has switched off, by widget

const made = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};
// A canvas takes no light-dark(): the browser works a colour out for an element alone.
const css = (name) => {
  const probe = document.body.appendChild(made("span", { hidden: true }));
  probe.style.color = `var(${name})`;
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
};

export function drawWidgets(target, dashboard, alarms) {
  while (charts.length) charts.pop().destroy();
  const ordered = [...dashboard.widgets].sort((a, b) => a.y - b.y || a.x - b.x);
  const nodes = ordered.map((widget) => frame(widget));
  target.replaceChildren(...nodes.map(({ node }) => node));
  nodes.forEach(({ node, widget }) => fill(node, widget, dashboard, alarms)); // a chart needs its place to have a size
}

function frame(widget) {
  const node = made("article", { className: `widget ${widget.type}` });
  node.style.setProperty("--width", widget.width);
  node.style.setProperty("--height", widget.height);
  if (widget.title) node.append(made("h3", {}, widget.title));
  return { node, widget };
}

function fill(node, widget, dashboard, alarms) {
  if (widget.problem) node.append(made("p", { className: "faint" }, widget.problem));
  else if (widget.type === "text") node.append(textOf(widget.markdown));
  else if (widget.type === "alarm") node.append(alarmList(widget.alarms, alarms));
  else if (widget.type === "log") node.append(logNote(widget));
  else if (widget.view === "timeSeries") chart(node, widget, dashboard);
  else node.append(values(widget));
}

function textOf(source) {
  const node = made("div");
  node.innerHTML = markdown.render(source);
  return node;
}

function alarmList(names, alarms) {
  const known = new Map(alarms.map((alarm) => [alarm.name, alarm.state]));
  return made("ul", {}, ...names.map((name) => made("li", {},
    made("span", { className: `state ${known.get(name) ?? ""}` }, name))));
}

function logNote(widget) {
  return made("div", { className: "faint" },
    made("p", {}, "CloudWatch Logs Insights runs this query on AWS; the requests refused are listed below."),
    made("code", {}, widget.query));
}

function values(widget) {
  const shown = widget.series.filter((series) => series.visible);
  if (shown.length === 0) return made("p", { className: "faint" }, "no data");
  return made("div", { className: "values" }, ...shown.map((series) => {
    const last = series.points.at(-1)?.[1];
    return made("span", { className: "value" }, made("b", {}, format(last)), series.label);
  }));
}

function format(value) {
  if (value === undefined || value === null) return "no data";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(2);
  return value.toLocaleString(undefined, { maximumFractionDigits: size < 10 ? 3 : size < 1000 ? 1 : 0 });
}

function chart(node, widget, dashboard) {
  const shown = widget.series.filter((series) => series.visible);
  if (shown.every((series) => series.points.length === 0)) {
    node.append(made("p", { className: "faint" }, "no data in this range"));
    return;
  }
  const place = made("div", { className: "chart" });
  node.append(place);
  const key = `${widget.x},${widget.y}`;
  const limits = widget.limits.filter((limit) => Number.isFinite(limit.value));
  const plot = new uPlot({
    width: Math.max(place.clientWidth, 200),
    height: place.clientHeight,
    scales: scales(widget, shown, limits, dashboard),
    axes: axes(shown),
    series: [{ label: "time" }, ...shown.map((series, index) => lineOf(series, index, hidden.get(key)))],
    hooks: {
      draw: [(drawn) => drawLimits(drawn, limits)],
      setSeries: [(drawn) => hidden.set(key, drawn.series.filter((line) => line.show === false).map((line) => line.label))],
    },
  }, aligned(shown, widget.stacked), place);
  place.style.height = "auto";
  charts.push(plot);
  new ResizeObserver(() => plot.setSize({ width: Math.max(place.clientWidth, 200), height: plot.height })).observe(place);
}

function lineOf(series, index, off) {
  const color = series.color ?? PALETTE[index % PALETTE.length];
  return {
    label: series.label, stroke: color, width: 1.75, scale: series.axis, show: !(off ?? []).includes(series.label),
    spanGaps: true, points: { show: series.points.length < 60, size: 5 }, value: (_plot, value) => (value === null ? "" : format(value)),
  };
}

function aligned(shown, stacked) {
  const times = [...new Set(shown.flatMap((series) => series.points.map(([time]) => time)))].sort((a, b) => a - b);
  const lines = shown.map((series) => {
    const found = new Map(series.points);
    return times.map((time) => found.get(time) ?? null);
  });
  if (!stacked) return [times, ...lines];
  const sums = times.map(() => 0);
  return [times, ...lines.map((line) => line.map((value, index) => (sums[index] += value ?? 0)))];
}

function scales(widget, shown, limits, dashboard) {
  const found = { x: { time: true, min: dashboard.start, max: dashboard.end } };
  for (const axis of new Set(shown.map((series) => series.axis))) {
    const stated = widget.axes[axis] ?? {};
    found[axis] = {
      range: (_plot, low, high) => {
        const marks = limits.filter((limit) => limit.axis === axis).map((limit) => limit.value);
        const bottom = stated.min ?? Math.min(low ?? 0, 0, ...marks);
        const top = stated.max ?? Math.max(high ?? 1, ...marks) * 1.05;
        return [bottom, top > bottom ? top : bottom + 1];
      },
    };
  }
  return found;
}

function axes(shown) {
  const look = { stroke: css("--faint"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 } };
  const names = [...new Set(shown.map((series) => series.axis))];
  const upright = names.map((name) => ({
    ...look, scale: name, side: name === "right" ? 1 : 3, size: 58,
    values: (_plot, ticks) => ticks.map(format), ...(name === "right" ? { grid: { show: false } } : {}),
  }));
  return [look, ...upright];
}

function drawLimits(plot, limits) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.setLineDash([6, 4]);
  ctx.textAlign = "left";
  ctx.font = `${11 * devicePixelRatio}px system-ui`;
  for (const limit of limits) {
    if (!(limit.axis in plot.scales)) continue;
    const y = plot.valToPos(limit.value, limit.axis, true);
    ctx.strokeStyle = ctx.fillStyle = limit.color ?? css("--alarm");
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.fillText(limit.label, bbox.left + 4, y - 4);
  }
  ctx.restore();
}
