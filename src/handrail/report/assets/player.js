"use strict";
// Plays recorded grid episodes. Text from the data only ever goes through textContent.
for (const root of document.querySelectorAll(".player")) {
  const episodes = JSON.parse(root.querySelector("script").textContent);
  const AHEAD = [[1, 0], [0, 1], [-1, 0], [0, -1]];
  const tag = (parent, name, attributes = {}, text = null) => {
    const svg = parent.namespaceURI.endsWith("svg") || name === "svg";
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name)
      : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== null) element.textContent = text;
    parent.append(element);
    return element;
  };
  const frame = document.createElement("div");
  root.prepend(frame);
  const controls = tag(frame, "div", { class: "controls" });
  const choose = tag(controls, "select", { "aria-label": "episode" });
  episodes.forEach((episode, i) =>
    tag(choose, "option", { value: i }, episode.title || `episode ${i + 1}`));
  choose.hidden = episodes.length < 2;
  const stage = tag(frame, "div", { class: "stage", style: "margin-top:.8rem" });
  const board = tag(stage, "svg", { role: "img", "aria-label": "grid with the agent" });
  const info = tag(stage, "div", { class: "info" });
  const status = tag(info, "p", { class: "status", "aria-live": "polite" });
  const table = tag(tag(info, "table"), "tbody");
  const strip = tag(frame, "svg", { class: "strip", preserveAspectRatio: "none",
    "aria-hidden": "true" });
  const slider = tag(frame, "input", { type: "range", min: 0, value: 0, "aria-label": "step" });
  const buttons = tag(frame, "div", { class: "controls" });
  const back = tag(buttons, "button", { "aria-label": "one step back" }, "◀");
  const play = tag(buttons, "button", { class: "play" }, "Play");
  const forth = tag(buttons, "button", { "aria-label": "one step forward" }, "▶");
  const next = tag(buttons, "button", {}, "Next intervention");
  const speed = tag(buttons, "select", { "aria-label": "speed" });
  for (const [ms, label] of [[600, "slow"], [250, "normal"], [80, "fast"]])
    tag(speed, "option", { value: ms }, label);
  speed.value = "250";
  const legend = tag(frame, "div", { class: "legend" });
  for (const [color, text] of [["--unsafe", "intervened"], ["--safe", "as proposed"],
    ["--ink", "cost"]]) {
    const item = tag(legend, "span");
    tag(item, "i", { style: `background:var(${color})` });
    item.append(text);
  }
  tag(legend, "span", {}, "dashed cell: where the proposed action leads");

  let episode, frames, at = 0, timer = null;
  const number = (value) => value === null || value === undefined ? "–"
    : typeof value === "number" ? String(Math.round(value * 1000) / 1000) : String(value);

  function load(i) {
    stop();
    episode = episodes[i];
    frames = episode.steps.slice();
    if (episode.final) frames.push({ ...episode.final, end: true });
    slider.max = frames.length - 1;
    strip.replaceChildren();
    strip.setAttribute("viewBox", `0 0 ${frames.length} 10`);
    const bar = (from, to, style) =>
      tag(strip, "rect", { x: from, y: 0, width: to - from, height: 10, style });
    let from = 0;
    episode.steps.forEach((step, t) => {
      const after = episode.steps[t + 1];
      if (after && after.intervened === step.intervened) return;
      bar(from, t + 1, step.intervened ? "fill:var(--unsafe)" : "fill:var(--safe);opacity:.45");
      from = t + 1;
    });
    episode.steps.forEach((step, t) => {
      if (step.cost > 0) bar(t, t + 1, "fill:var(--ink)");
    });
    show(0);
  }

  function cell(x, y, style, extra = {}) {
    return tag(board, "rect", { x: x + 0.02, y: y + 0.02, width: 0.96, height: 0.96, style,
      ...extra });
  }

  function draw(step) {
    const grid = episode.grid, seen = new Set();
    board.replaceChildren();
    board.setAttribute("viewBox", `0 0 ${grid[0].length} ${grid.length}`);
    const fill = { "#": "--wall", ".": "--floor", L: "--lava", G: "--floor" };
    grid.forEach((row, y) => [...row].forEach((kind, x) => {
      cell(x, y, `fill:var(${fill[kind]});stroke:var(--line)`, { "stroke-width": 0.03 });
      if (kind === "G") tag(board, "text", { x: x + 0.5, y: y + 0.78, "font-size": 0.8,
        "text-anchor": "middle", style: "fill:var(--goal)" }, "★");
      if (kind === "L") for (const dy of [0.3, 0.55, 0.8])
        tag(board, "path", { d: `M${x + 0.12} ${y + dy}q.19-.2 .38 0t.38 0`, fill: "none",
          style: "stroke:var(--unsafe)", "stroke-width": 0.06 });
    }));
    for (const past of frames.slice(0, at)) seen.add(`${past.x},${past.y}`);
    for (const place of seen) {
      const [x, y] = place.split(",").map(Number);
      tag(board, "circle", { cx: x + 0.5, cy: y + 0.5, r: 0.09, style: "fill:var(--muted)" });
    }
    const [dx, dy] = AHEAD[step.dir];
    if (step.proposed === "forward") cell(step.x + dx, step.y + dy,
      `fill:none;stroke:var(${step.intervened ? "--unsafe" : "--safe"})`,
      { "stroke-width": 0.08, "stroke-dasharray": "0.16 0.1" });
    if (step.intervened && step.action === "forward") cell(step.x + dx, step.y + dy,
      "fill:none;stroke:var(--safe)", { "stroke-width": 0.08 });
    tag(board, "path", { d: "M.36 0L-.28 .28L-.16 0L-.28 -.28Z",
      transform: `translate(${step.x + 0.5} ${step.y + 0.5}) rotate(${step.dir * 90})`,
      style: `fill:var(${step.intervened ? "--unsafe" : "--agent"})` });
  }

  function show(t) {
    at = Math.max(0, Math.min(frames.length - 1, t));
    const step = frames[at], done = frames.slice(0, at + 1).filter((s) => !s.end);
    slider.value = at;
    slider.setAttribute("aria-valuetext", `step ${at} of ${episode.steps.length}`);
    draw(step);
    status.replaceChildren();
    status.className = step.intervened ? "status intervened" : "status";
    status.append(step.end ? `End: ${episode.outcome || "episode over"}`
      : step.intervened ? `Intervened: ${step.proposed} → ${step.action}` : "As proposed");
    tag(status, "small", {}, step.reason || "");
    table.replaceChildren();
    const sum = (name) => done.reduce((total, s) => total + (s[name] || 0), 0);
    const rows = [["step", `${done.length} of ${episode.steps.length}`]];
    if (!step.end) rows.push(["proposed", step.proposed], ["executed", step.action],
      ...Object.entries(step.evidence || {}), ["reward", step.reward], ["cost", step.cost]);
    rows.push(["return so far", sum("reward")], ["cost so far", sum("cost")],
      ["interventions so far", done.filter((s) => s.intervened).length]);
    for (const [name, value] of rows) {
      const row = tag(table, "tr");
      tag(row, "td", {}, name);
      tag(row, "td", {}, number(value));
    }
    tag(strip, "rect", { class: "now", x: at, y: 0, width: 1, height: 10, fill: "none",
      style: "stroke:var(--ink)", "stroke-width": 3, "vector-effect": "non-scaling-stroke" });
    for (const old of [...strip.querySelectorAll(".now")].slice(0, -1)) old.remove();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }
  function start() {
    if (at === frames.length - 1) show(0);
    play.textContent = "Pause";
    timer = setInterval(() => {
      if (at === frames.length - 1) stop();
      else show(at + 1);
    }, Number(speed.value));
  }
  play.onclick = () => timer ? stop() : start();
  back.onclick = () => { stop(); show(at - 1); };
  forth.onclick = () => { stop(); show(at + 1); };
  next.onclick = () => {
    stop();
    const later = frames.findIndex((s, t) => t > at && s.intervened);
    show(later >= 0 ? later : Math.max(0, frames.findIndex((s) => s.intervened)));
  };
  speed.onchange = () => { if (timer) { stop(); start(); } };
  slider.oninput = () => { stop(); show(Number(slider.value)); };
  strip.onclick = (event) => {
    const box = strip.getBoundingClientRect();
    stop();
    show(Math.floor((event.clientX - box.left) / box.width * frames.length));
  };
  choose.onchange = () => load(Number(choose.value));
  load(0);
}
