"use strict";
// Plays recorded episodes (handrail.train.rollout.recorded), one, or two beside each other.
// Text from the data only ever goes through textContent; nothing sets a style attribute.
for (const root of document.querySelectorAll(".player")) {
  const SVG = "http://www.w3.org/2000/svg";
  const LABELS = {
    distance: "distance to unsafe states", predicted_cost: "predicted cost",
    episode_cost: "cost of the episode so far", prior_advantage: "prior: value above the mean",
    coin: "coin", latched: "a cost earlier in the episode", interval: "random interval",
    predicate: "predicate", guide_probability: "probability of the guide",
    not_finite: "not finite",
  };
  // truths that a quantity and its threshold say already
  const DECIDED = ["state_check", "action_check", "budget_spent"];
  const WORDS = { above: "above", from: "from", below: "below" };
  const AHEAD = [[1, 0], [0, 1], [-1, 0], [0, -1]];
  const episodes = JSON.parse(root.querySelector("script").textContent).map(prepared);

  function tag(parent, name, attributes = {}, text = null) {
    const svg = parent.namespaceURI === SVG || name === "svg";
    const element = svg ? document.createElementNS(SVG, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== null) element.textContent = text;
    parent.append(element);
    return element;
  }
  const label = (name) => LABELS[name] || name.replaceAll("_", " ");
  const rounded = (value) => value === null || value === undefined || Number.isNaN(value) ? "–"
    : typeof value !== "number" ? String(value)
    : (Math.abs(value) >= 1000 ? String(Math.round(value))
      : String(Number(value.toPrecision(3)))).replace("-", "−");

  // ---- data ------------------------------------------------------------------------------
  function prepared(episode) {
    const columns = {};
    for (const [name, packed] of Object.entries(episode.columns)) {
      const width = packed.shape.slice(1).reduce((a, b) => a * b, 1);
      const values = packed.values.map((v) => v === null ? NaN : v * packed.scale);
      columns[name] = { width, values, rows: packed.shape[0], shape: packed.shape };
    }
    const sums = (name) => {
      let total = 0;
      return [0, ...columns[name].values.map((v) => total += v || 0)];
    };
    const group = (prefix) => Object.keys(columns).filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length));
    return { ...episode, columns, n: columns.intervened.rows, evidence: group("evidence/"),
      seen: group("seen/"), returns: sums("reward"), costs: sums("cost"),
      acted: sums("intervened") };
  }
  const at = (episode, name, t) => {
    const column = episode.columns[name];
    if (!column || t >= column.rows) return null;
    return column.values.slice(t * column.width, (t + 1) * column.width);
  };
  const one = (episode, name, t) => {
    const row = at(episode, name, t);
    return row === null ? null : row[0];
  };
  const flag = (episode, name) => {
    const column = episode.columns[`evidence/${name}`];
    return column.values.every((v) => v === 0 || v === 1 || Number.isNaN(v));
  };
  function action(episode, name, t) {
    const row = at(episode, name, t);
    if (row === null) return null;
    if (row.length === 1 && episode.actions.length) return episode.actions[row[0]] ?? row[0];
    return row.map(rounded).join(", ");
  }
  function compared(episode, t) {
    // every threshold with the quantity beside it: what it is, what it is compared with, if it fires
    return episode.thresholds.map(([quantity, value, fires]) => {
      const seen = one(episode, `evidence/${quantity}`, t);
      const limit = typeof value === "string" ? one(episode, `evidence/${value}`, t) : value;
      const known = seen !== null && limit !== null && !Number.isNaN(seen);
      const over = known && (fires === "above" ? seen > limit : fires === "from" ? seen >= limit
        : seen < limit);
      return { quantity, seen, limit, fires, known, over };
    });
  }
  function reason(episode, t) {
    const rows = compared(episode, t).filter((row) => row.over);
    const named = new Set(episode.thresholds.map(([quantity]) => quantity));
    const flags = episode.evidence.filter((name) => !named.has(name) && flag(episode, name) &&
      !DECIDED.includes(name) &&
      one(episode, `evidence/${name}`, t) === 1);
    return [...rows.map((row) => `${label(row.quantity)} ${rounded(row.seen)}, ` +
      `${WORDS[row.fires]} ${rounded(row.limit)}`), ...flags.map(label)].join("; ");
  }
  const name = (episode) => [episode.method || "episode",
    episode.shielded ? "with intervention" : "alone",
    episode.outcome].filter(Boolean).join(" · ");

  // ---- pictures --------------------------------------------------------------------------
  function lava(board, episode) {
    const grid = episode.scene.grid;
    board.setAttribute("viewBox", `0 0 ${grid[0].length} ${grid.length}`);
    const cell = (parent, x, y, kind) => tag(parent, "rect",
      { x: x + 0.02, y: y + 0.02, width: 0.96, height: 0.96, class: kind });
    grid.forEach((row, y) => [...row].forEach((kind, x) => {
      cell(board, x, y, { "#": "wall", ".": "floor", L: "lava", G: "floor" }[kind]);
      if (kind === "G") tag(board, "text", { x: x + 0.5, y: y + 0.78, class: "star" }, "★");
      if (kind === "L") for (const dy of [0.3, 0.55, 0.8])
        tag(board, "path", { d: `M${x + 0.12} ${y + dy}q.19-.2 .38 0t.38 0`, class: "wave" });
    }));
    const moving = tag(board, "g");
    return (t, intervened) => {
      moving.replaceChildren();
      const seen = new Set();
      for (let s = 0; s < t; s++) seen.add(at(episode, "state/robot", s).slice(0, 2).join());
      for (const place of seen) {
        const [x, y] = place.split(",").map(Number);
        tag(moving, "circle", { cx: x + 0.5, cy: y + 0.5, r: 0.09, class: "been" });
      }
      const [x, y, dir] = at(episode, "state/robot", t), [dx, dy] = AHEAD[dir] || [0, 0];
      if (action(episode, "proposed", t) === "forward")
        cell(moving, x + dx, y + dy, intervened ? "aim unsafe dashed" : "aim safe dashed");
      if (intervened && action(episode, "action", t) === "forward")
        cell(moving, x + dx, y + dy, "aim safe");
      tag(moving, "path", { d: "M.36 0L-.28 .28L-.16 0L-.28 -.28Z",
        transform: `translate(${x + 0.5} ${y + 0.5}) rotate(${dir * 90})`,
        class: intervened ? "robot acted" : "robot" });
    };
  }

  const LIDARS = { hazards_lidar: 0.3, goal_lidar: 0.38, vases_lidar: 0.46, gremlins_lidar: 0.46,
    push_box_lidar: 0.46, buttons_lidar: 0.54, pillars_lidar: 0.54, circle_lidar: 0.38 };
  function reachOf(episode) {
    const places = episode.columns["state/robot"];
    let reach = 1.12 * episode.scene.extent;
    places.values.forEach((v, i) => { if (i % places.width < 2 && Math.abs(v) + 0.2 > reach)
      reach = Math.abs(v) + 0.2; });
    return reach;
  }
  function navigation(board, episode) {
    const scene = episode.scene, reach = Math.max(...shown
      .filter((each) => each.picture === "navigation").map(reachOf));
    board.setAttribute("viewBox", `${-reach} ${-reach} ${2 * reach} ${2 * reach}`);
    const all = tag(board, "g", { transform: "scale(1 -1)" });
    const e = scene.extent;
    tag(all, "rect", { x: -e, y: -e, width: 2 * e, height: 2 * e, class: "floor" });
    for (const r of scene.rings || []) tag(all, "circle", { r, class: "ring" });
    for (const x of scene.walls || []) tag(all, "path", { d: `M${x} ${-e}V${e}`, class: "wall" });
    for (const [cx, cy, r] of scene.discs || []) tag(all, "circle", { cx, cy, r, class: "disc" });
    const goal = tag(all, "circle", { r: scene.goal_radius, class: "goal" });
    for (const [x, y] of scene.hazards)
      tag(all, "circle", { cx: x, cy: y, r: scene.hazard_size, class: "hazard" });
    const vases = episode.columns["state/vases"], half = scene.vase_size;
    const boxes = vases ? Array.from({ length: vases.shape[1] }, () => tag(all, "rect",
      { x: -half, y: -half, width: 2 * half, height: 2 * half, class: "vase" })) : [];
    const own = tag(all, "path", { class: "trail" }), guided = tag(all, "path",
      { class: "trail acted" }), costs = tag(all, "path", { class: "costs" });
    const lidars = tag(all, "g"), robot = tag(all, "g");
    const rings = Object.keys(LIDARS).filter((kind) => episode.seen.includes(kind)).map((kind) =>
      [kind, Array.from({ length: episode.columns[`seen/${kind}`].width }, (_, k, n) =>
        tag(lidars, "circle", { r: 0.045, class: `beam ${kind}` }))]);
    tag(robot, "circle", { r: 0.12, class: "body" });
    tag(robot, "path", { d: "M.06 -.1L.24 0L.06 .1Z", class: "nose" });
    return (t, intervened) => {
      let mine = "", theirs = "", harm = "";
      for (let s = 0; s < t; s++) {
        const [x, y] = at(episode, "state/robot", s), [u, v] = at(episode, "state/robot", s + 1);
        const line = `M${x.toFixed(3)} ${y.toFixed(3)}L${u.toFixed(3)} ${v.toFixed(3)}`;
        if (one(episode, "intervened", s)) theirs += line; else mine += line;
        if (one(episode, "cost", s) > 0) harm += `M${(u - 0.05).toFixed(3)} ` +
          `${(v - 0.05).toFixed(3)}l.1 .1m0 -.1l-.1 .1`;
      }
      own.setAttribute("d", mine || "M0 0");
      guided.setAttribute("d", theirs || "M0 0");
      costs.setAttribute("d", harm || "M0 0");
      const [x, y, heading] = at(episode, "state/robot", t);
      const degrees = heading * 180 / Math.PI;
      robot.setAttribute("transform", `translate(${x} ${y}) rotate(${degrees})`);
      robot.setAttribute("class", intervened ? "robot acted" : "robot");
      // the car drives along its −y axis, and lidars are counted from the x axis
      const first = degrees + (scene.robot === "car" ? 90 : 0);
      lidars.setAttribute("transform", `translate(${x} ${y}) rotate(${first})`);
      for (const [kind, dots] of rings) {
        const row = at(episode, `seen/${kind}`, Math.min(t, episode.n - 1)) || [];
        dots.forEach((dot, k) => {
          const turn = (k + 0.5) * 2 * Math.PI / dots.length;
          dot.setAttribute("cx", (LIDARS[kind] * Math.cos(turn)).toFixed(3));
          dot.setAttribute("cy", (LIDARS[kind] * Math.sin(turn)).toFixed(3));
          dot.setAttribute("opacity", Math.max(0, Math.min(1, row[k] || 0)).toFixed(2));
        });
      }
      const place = at(episode, "state/goal", t);
      const there = place !== null && !place.some(Number.isNaN);
      goal.setAttribute("visibility", there ? "visible" : "hidden");
      if (there) {
        goal.setAttribute("cx", place[0]);
        goal.setAttribute("cy", place[1]);
      }
      boxes.forEach((box, k) => {
        const [u, v, turn] = at(episode, "state/vases", t).slice(3 * k, 3 * k + 3);
        box.setAttribute("transform", `translate(${u} ${v}) rotate(${turn * 180 / Math.PI})`);
      });
    };
  }

  function frames(parent, episode) {
    const picture = tag(parent, "img", { class: "board", alt: "what the environment renders" });
    return (t) => {
      const frame = episode.frames[Math.min(Math.floor(t / episode.every),
        episode.frames.length - 1)];
      picture.src = `data:image/webp;base64,${frame}`;
    };
  }

  function picture(parent, episode) {
    if (episode.picture === "frames") return frames(parent, episode);
    if (episode.picture === "") return () => {};
    const text = { lava: "grid with the agent", navigation: "the robot from above" };
    const board = tag(parent, "svg",
      { role: "img", "aria-label": text[episode.picture], class: `board ${episode.picture}` });
    return (episode.picture === "lava" ? lava : navigation)(board, episode);
  }

  // ---- series ----------------------------------------------------------------------------
  function series(parent, episode, jump) {
    const compare = new Map(episode.thresholds.map((each) => [each[0], each]));
    const charts = episode.evidence.filter((name) => !flag(episode, name) || compare.has(name))
      .filter((name) => !episode.thresholds.some(([, value]) => value === name))
      .map((name) => [`evidence/${name}`, label(name), compare.get(name)]);
    if (episode.picture !== "lava") charts.push(["action", "action"], ["reward", "reward"]);
    if (episode.picture === "frames" || episode.picture === "")
      for (const name of episode.seen) charts.push([`seen/${name}`, label(name)]);
    if (episode.picture !== "lava") charts.push(["cost", "cost"]);
    const drawn = charts.filter(([name]) => episode.columns[name])
      .map(([name, text, threshold]) => chart(parent, episode, name, text, threshold, jump));
    return (t) => drawn.forEach((move) => move(t));
  }
  const MOST_LINES = 6;
  function chart(parent, episode, name, text, threshold, jump) {
    const column = episode.columns[name], n = Math.max(column.rows, 2), lines = [];
    for (let k = 0; k < Math.min(column.width, MOST_LINES); k++)
      lines.push(Array.from({ length: column.rows }, (_, t) =>
        column.values[t * column.width + k]));
    let bound = null;
    if (threshold) bound = typeof threshold[1] === "string"
      ? episode.columns[`evidence/${threshold[1]}`]?.values ?? null
      : Array(column.rows).fill(threshold[1]);
    const all = [...lines.flat(), ...(bound || [])].filter((v) => Number.isFinite(v));
    const [low, high] = range(all);
    const span = high - low || 1, y = (v) => 38 - 36 * (v - low) / span;
    const figure = tag(parent, "div", { class: "series" });
    const head = tag(figure, "p");
    tag(head, "b", {}, text);
    const now = tag(head, "span");
    const svg = tag(figure, "svg", { viewBox: `0 0 ${n - 1} 40`, preserveAspectRatio: "none",
      role: "img", "aria-label": `${text} over the episode` });
    const path = (values) => {
      let d = "", pen = "M";
      values.forEach((v, t) => {
        if (!Number.isFinite(v)) { pen = "M"; return; }
        d += `${pen}${t} ${y(v).toFixed(2)}`;
        pen = "L";
      });
      return d || "M0 0";
    };
    lines.forEach((values, k) => tag(svg, "path", { d: path(values), class: `line k${k}${name === "action" ? " thin" : ""}` }));
    if (bound) tag(svg, "path", { d: path(bound), class: "threshold" });
    const mark = tag(svg, "line", { y1: 0, y2: 40, class: "now" });
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect();
      jump(Math.round((event.clientX - box.left) / box.width * (n - 1)));
    });
    const left = column.width > MOST_LINES ? ` (first ${MOST_LINES} of ${column.width})` : "";
    return (t) => {
      const s = Math.min(t, column.rows - 1);
      mark.setAttribute("x1", s);
      mark.setAttribute("x2", s);
      const shown = lines.map((values) => rounded(values[s])).join(", ") + left;
      now.textContent = bound ? `${shown} · fires ${WORDS[threshold[2]]} ${rounded(bound[s])}`
        : shown;
    };
  }
  function range(values) {
    let low = Infinity, high = -Infinity;
    for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
    return values.length ? [low, high] : [0, 1];
  }

  // ---- a panel: everything of one episode ------------------------------------------------
  function panel(parent, episode, jump) {
    const box = tag(parent, "section", { class: "panel" });
    tag(box, "h3", {}, name(episode));
    if (episode.missing.length) {
      const notice = tag(box, "div", { class: "missing", role: "note" });
      tag(notice, "p", {}, "This recording is not whole; the rest is shown:");
      const list = tag(notice, "ul");
      for (const text of episode.missing) tag(list, "li", {}, text);
    }
    const stage = tag(box, "div", { class: "stage" });
    const left = tag(stage, "div", { class: "seen" });
    const info = tag(stage, "div", { class: "info" });
    const draw = picture(left, episode);
    const strip = tag(left, "svg", { class: "strip", preserveAspectRatio: "none",
      "aria-hidden": "true", viewBox: `0 0 ${episode.n + 1} 10` });
    bars(strip, episode);
    const cursor = tag(strip, "rect", { class: "cursor", y: 0, width: 1, height: 10 });
    strip.addEventListener("click", (event) => {
      const frame = strip.getBoundingClientRect();
      jump(Math.floor((event.clientX - frame.left) / frame.width * (episode.n + 1)));
    });
    const status = tag(info, "p", { "aria-live": "polite" });
    const evidence = tag(info, "table", { class: "evidence" });
    const facts = tag(tag(info, "table", { class: "facts-now" }), "tbody");
    const charts = tag(stage, "div", { class: "charts" });
    const move = series(charts, episode, jump);
    const judged = verdicts(episode);
    return (asked) => {
      const t = Math.min(asked, episode.n), end = t === episode.n;
      const intervened = !end && one(episode, "intervened", t) > 0;
      draw(t, intervened);
      cursor.setAttribute("x", t);
      status.className = intervened ? "status intervened" : "status";
      status.replaceChildren();
      const who = episode.acts || "the substitute";
      status.append(end ? `End: ${episode.outcome || "the episode is over"}`
        : !intervened ? "As proposed" : !episode.actions.length ? `Intervened: ${who} acts`
        : `Intervened: ${action(episode, "proposed", t)} → ${action(episode, "action", t)}`);
      const harm = end ? null : one(episode, "harm", t);
      if (intervened && harm !== null && !Number.isNaN(harm))
        tag(status, "span", { class: harm ? "verdict just" : "verdict needless" },
          harm ? "justified: the proposed action leads into lava"
            : "needless: the proposed action does no harm");
      else if (harm === 1) tag(status, "span", { class: "verdict missed" },
        "not stopped, though the action leads into lava");
      const why = intervened ? reason(episode, t) : "";
      tag(status, "small", {}, intervened && episode.actions.length && episode.acts
        ? `${episode.acts}; ${why}` : why);
      table(evidence, episode, Math.min(t, episode.n - 1));
      facts.replaceChildren();
      const rows = [["step", `${t} of ${episode.n}`]];
      if (!end) rows.push(["proposed", action(episode, "proposed", t)],
        ["executed", action(episode, "action", t)], ["reward", one(episode, "reward", t)],
        ["cost", one(episode, "cost", t)]);
      rows.push(["return so far", episode.returns[t]], ["cost so far", episode.costs[t]],
        ["steps intervened so far", episode.acted[t]], ...judged);
      for (const [key, value] of rows) {
        const row = tag(facts, "tr");
        tag(row, "th", { scope: "row" }, key);
        tag(row, "td", {}, rounded(value));
      }
      move(Math.min(t, episode.n - 1));
    };
  }
  function verdicts(episode) {
    if (!episode.columns.harm) return [];
    let just = 0, needless = 0, missed = 0;
    for (let t = 0; t < episode.n; t++) {
      const harm = one(episode, "harm", t), stopped = one(episode, "intervened", t) > 0;
      if (stopped && harm) just++;
      else if (stopped) needless++;
      else if (harm) missed++;
    }
    const all = [["steps into lava that nothing stopped", missed]];
    return episode.shielded ? [["vetoes, justified", just], ["vetoes, needless", needless], ...all]
      : all;
  }
  function table(parent, episode, t) {
    parent.replaceChildren();
    const rows = compared(episode, t);
    const named = new Set(episode.thresholds.flatMap(([quantity, value]) => [quantity, value]));
    const others = episode.evidence.filter((name) => !named.has(name) && !DECIDED.includes(name)
      && (name !== "not_finite" || one(episode, "evidence/not_finite", t) === 1));
    if (!(rows.length + others.length)) return;
    const head = tag(tag(parent, "thead"), "tr");
    for (const text of ["evidence", "value", "fires if"]) tag(head, "th", { scope: "col" }, text);
    const body = tag(parent, "tbody");
    const line = (cells, over) => {
      const row = tag(body, "tr", over ? { class: "over" } : {});
      cells.forEach((text, k) => tag(row, k ? "td" : "th", k ? {} : { scope: "row" }, text));
    };
    for (const row of rows)
      line([label(row.quantity), row.known ? rounded(row.seen) : row.quantity === "coin"
        ? "not recorded" : "–", `${WORDS[row.fires]} ${rounded(row.limit)}`], row.over);
    for (const name of others) {
      const value = one(episode, `evidence/${name}`, t), truth = flag(episode, name);
      line([label(name), truth ? (value ? "yes" : "no") : rounded(value), truth ? "yes" : ""],
        truth && value === 1);
    }
  }
  function bars(strip, episode) {
    const kind = (t) => !(one(episode, "intervened", t) > 0) ? "own"
      : one(episode, "harm", t) === 0 ? "acted needless" : "acted";
    let from = 0;
    for (let t = 0; t < episode.n; t++) {
      if (t + 1 < episode.n && kind(t + 1) === kind(t)) continue;
      tag(strip, "rect", { x: from, y: 2.5, width: t + 1 - from, height: 7.5, class: kind(t) });
      from = t + 1;
    }
    for (const t of episode.cost_stops)
      tag(strip, "rect", { x: t, y: 0, width: Math.max(1, episode.n / 150), height: 4,
        class: "cost" });
  }

  // ---- the whole -------------------------------------------------------------------------
  const body = document.createElement("div");
  root.prepend(body);
  body.className = "body";
  body.tabIndex = 0;
  body.setAttribute("role", "group");
  body.setAttribute("aria-label",
    "player: arrow keys step, space plays, n goes to the next intervention, c to the next cost");
  const choice = tag(body, "div", { class: "controls" });
  const chooser = (text) => {
    const field = tag(choice, "label", {}, `${text} `);
    return [field, tag(field, "select")];
  };
  const [first, choose] = chooser("episode"), [second, beside] = chooser("beside");
  episodes.forEach((episode, i) => tag(choose, "option", { value: i },
    `${i + 1}: ${name(episode)}`));
  first.hidden = episodes.length < 2;
  const panels = tag(body, "div", { class: "panels" });
  const bar = tag(body, "div", { class: "bar" });
  const slider = tag(bar, "input", { type: "range", min: 0, value: 0, "aria-label": "step" });
  const buttons = tag(bar, "div", { class: "controls" });
  const button = (text, kind, help) => tag(buttons, "button",
    { type: "button", class: kind, "aria-label": help || text }, text);
  const back = button("◀", "back", "one step back"), play = button("Play", "play");
  const forth = button("▶", "forth", "one step forward");
  const next = button("Next intervention", "next-intervention");
  const costly = button("Next cost", "next-cost");
  const speed = tag(buttons, "select", { "aria-label": "speed" });
  const where = tag(buttons, "output", { class: "where" });
  const legend = tag(body, "p", { class: "legend" });

  let shown = [], moves = [], now = 0, last = 0, timer = null;
  function partners(i) {
    return episodes.map((_, k) => k).filter((k) => k !== i && episodes[k].match
      && episodes[k].match === episodes[i].match);
  }
  function load(i, k) {
    stop();
    const others = partners(i);
    beside.replaceChildren();
    tag(beside, "option", { value: "" }, "nothing");
    for (const other of others)
      tag(beside, "option", { value: other }, `${other + 1}: ${name(episodes[other])}`);
    second.hidden = !others.length;
    choose.value = String(i);
    beside.value = k === null ? "" : String(k);
    shown = [episodes[i], ...(k === null ? [] : [episodes[k]])];
    panels.className = shown.length > 1 ? "panels two" : "panels";
    panels.replaceChildren();
    last = Math.max(...shown.map((episode) => episode.n));
    slider.max = last;
    moves = shown.map((episode) => panel(panels, episode, (t) => { stop(); show(t); }));
    next.disabled = !shown.some((episode) => episode.next_stops.length);
    costly.disabled = !shown.some((episode) => episode.cost_stops.length);
    const long = last > 300;
    speed.replaceChildren();
    for (const [ms, step, text] of long ? [[60, 1, "slow"], [40, 2, "normal"], [40, 8, "fast"]]
      : [[600, 1, "slow"], [250, 1, "normal"], [80, 1, "fast"]])
      tag(speed, "option", { value: `${ms} ${step}` }, text);
    speed.selectedIndex = 1;
    keys();
    show(0);
  }
  function keys() {
    legend.replaceChildren();
    const known = shown.some((episode) => episode.columns.harm && episode.shielded);
    const entries = [["own", "as proposed"], ["acted", known ? "intervened, justified"
      : "intervened"], ...(known ? [["acted needless", "intervened, needless"]] : []),
      ["cost", "cost"]];
    if (shown.some((episode) => episode.picture === "navigation"))
      entries.push(["hazard", "hazard"], ["goal", "goal"],
        ...(shown.some((episode) => episode.columns["state/vases"]) ? [["vase", "vase"]] : []));
    for (const [kind, text] of entries) {
      const item = tag(legend, "span");
      tag(item, "i", { class: `key ${kind}` });
      item.append(text);
    }
    if (shown.some((episode) => episode.picture === "lava"))
      tag(legend, "span", {}, "dashed cell: where the proposed action leads");
    if (shown.some((episode) => episode.picture === "navigation"))
      tag(legend, "span", {}, "dots around the robot: what its lidars read");
  }
  function show(t) {
    now = Math.max(0, Math.min(last, t));
    slider.value = now;
    slider.setAttribute("aria-valuetext", `step ${now} of ${last}`);
    where.textContent = `step ${now} of ${last}`;
    body.dataset.step = now;
    for (const move of moves) move(now);
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }
  function start() {
    if (now === last) show(0);
    play.textContent = "Pause";
    const [ms, step] = speed.value.split(" ").map(Number);
    timer = setInterval(() => {
      if (now === last) stop();
      else show(now + step);
    }, ms);
  }
  function jumpTo(stops) {
    stop();
    const all = shown.flatMap(stops).sort((a, b) => a - b);
    if (all.length) show(all.find((t) => t > now) ?? all[0]);
  }
  const toggle = () => timer ? stop() : start();
  const step = (by) => { stop(); show(now + by); };
  const toIntervention = () => jumpTo((episode) => episode.next_stops);
  const toCost = () => jumpTo((episode) => episode.cost_stops);
  play.onclick = toggle;
  back.onclick = () => step(-1);
  forth.onclick = () => step(1);
  next.onclick = toIntervention;
  costly.onclick = toCost;
  speed.onchange = () => { if (timer) { stop(); start(); } };
  slider.oninput = () => { stop(); show(Number(slider.value)); };
  const KEYS = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => step(-last),
    End: () => step(last), " ": toggle, n: toIntervention, c: toCost };
  body.addEventListener("keydown", (event) => {
    const from = event.target.tagName, typed = KEYS[event.key];
    const own = from === "SELECT" || (from === "BUTTON" && event.key === " ")
      || event.ctrlKey || event.metaKey || event.altKey;
    if (!typed || own) return;
    event.preventDefault();
    typed();
  });
  choose.onchange = () => load(Number(choose.value), null);
  beside.onchange = () => load(Number(choose.value), beside.value === "" ? null
    : Number(beside.value));
  const pair = episodes.length === 2 && partners(0).length;
  load(0, pair ? 1 : null);
}
