"use strict";
// Draws the charts of a page with Bokeh, and lets them answer: values where the reader points,
// methods shown or hidden everywhere by any legend, linear or logarithmic, light or dark.
// Text from the data only ever goes through textContent.
(() => {
  const hidden = new Set(), drawn = [];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const log = (value) => Math.sign(value) * Math.log10(1 + Math.abs(value));
  const VALUES = { y: ["y", "low", "high"], x: ["x", "left", "right"] };
  const PARTS = ["band", "line", "dots", "published", "across", "along", "mean"];

  function say(value) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    return size >= 1000 ? Math.round(value).toLocaleString("en") :
      String(Number(value.toPrecision(size >= 100 ? 4 : 3)));
  }
  function tag(parent, name, text = null, kind = null) {
    const element = document.createElement(name);
    if (text !== null) element.textContent = text;
    if (kind) element.className = kind;
    parent.append(element);
    return element;
  }

  class Chart {
    constructor(section) {
      this.section = section;
      this.block = section.closest(".charts");
      this.box = section.querySelector(".canvas");
      this.data = JSON.parse(section.querySelector("script").textContent);
      this.log = this.data.scales && this.data.log;
    }
    async draw() {
      const id = `c${drawn.length}`;
      this.box.id = id;
      const views = await Bokeh.embed.embed_item(this.data.item, id);
      this.view = views.roots ? views.roots[0] : [...views][0];
      this.plot = this.view.model;
      this.document = this.plot.document;
      this.parts = this.data.methods.map((_, number) => Object.fromEntries(
        PARTS.map((part) => [part, this.find(`${part}:${number}`)]).filter(([, found]) => found)));
      this.raw = new Map();
      for (const parts of this.parts) for (const part of Object.values(parts))
        if (!this.raw.has(part.data_source))
          this.raw.set(part.data_source, { ...this.plain(part.data_source.data) });
      const front = this.find("front");
      if (front) this.raw.set(front.data_source, this.plain(front.data_source.data));
      drawn.push(this);
      this.readout = tag(this.box, "div", null, "readout");
      this.cursor = tag(this.box, "div", null, "cursor");
      this.readout.hidden = this.cursor.hidden = true;
      this.listen();
      this.colour();
      this.scale();
      this.show();
    }
    plain(data) {
      const columns = data instanceof Map ? [...data] : Object.entries(data);
      return Object.fromEntries(columns.map(([name, values]) => [name, Float64Array.from(values)]));
    }
    find(name) { return this.document.get_model_by_name(name); }
    colour() {
      const colours = dark.matches ? this.data.dark : this.data.light;
      if (dark.matches || this.coloured) this.parts.forEach((parts, number) => {
        this.coloured = true;
        for (const [part, renderer] of Object.entries(parts)) {
          const glyph = renderer.glyph, colour = { value: colours[number] };
          if (part !== "band") glyph.line_color = part === "line" ? colours[number] : colour;
          if (part === "band") glyph.fill_color = colours[number];
          if (part === "dots" || part === "mean") glyph.fill_color = colour;
        }
      });
      const [ink, muted, line] = ["--ink", "--muted", "--line"].map(
        (name) => getComputedStyle(this.box).getPropertyValue(name).trim());
      const style = (model, values) => model && model.setv(values);
      for (const axis of [...this.plot.left, ...this.plot.below]) style(axis, {
        axis_label_text_color: muted, major_label_text_color: ink,
        axis_line_color: line, major_tick_line_color: line,
      });
      for (const grid of this.plot.center) if (grid.type === "Grid")
        style(grid, { grid_line_color: line });
      style(this.find("limit"), { line_color: ink });
      const front = this.find("front");
      if (front) front.glyph.line_color = muted;
    }
    scale() {
      const axis = this.data.axis, on = this.log;
      if (on || this.scaled) for (const [source, raw] of this.raw) {
        const data = { ...raw };
        for (const name of VALUES[axis]) if (raw[name] && on) data[name] = raw[name].map(log);
        source.data = data;
      }
      this.scaled = true;
      const limit = this.find("limit");
      if (limit) limit.location = on ? log(this.data.limit) : this.data.limit;
      const values = this.find("values");
      this.ticker ??= values.ticker;
      values.ticker = on ? values.tags[0] : this.ticker;
    }
    shown() { return this.data.methods.map((name) => !hidden.has(name)); }
    ends(names) {
      let low = Infinity, high = -Infinity;
      this.shown().forEach((visible, number) => {
        if (!visible) return;
        for (const part of Object.values(this.parts[number])) {
          const raw = this.raw.get(part.data_source);
          for (const name of names) for (const value of raw[name] || []) {
            if (value < low) low = value;
            if (value > high) high = value;
          }
        }
      });
      return [low, high];
    }
    span(ends, on, limit) {
      let [low, high] = ends;
      if (limit !== null && limit !== undefined) [low, high] = [Math.min(low, limit), Math.max(high, limit)];
      if (!(low <= high)) [low, high] = [0, 1];
      if (low >= 0) low = 0;
      if (high <= low) high = low + 1;
      if (on) [low, high] = [log(low), log(high)];
      const wide = high - low;
      return [low - 0.04 * wide, high + 0.06 * wide];  // room for a line along the lowest value
    }
    range() {
      const { axis, limit, floor, ceiling } = this.data;
      if (axis === "x") {
        [this.plot.x_range.start, this.plot.x_range.end] =
          this.span(this.ends(VALUES.x), this.log, limit);
        [this.plot.y_range.start, this.plot.y_range.end] =
          this.span(this.ends(["y", "low", "high"]), false, null);
        return;
      }
      const alike = drawn.filter((other) => other.block === this.block && other.data.axis === "y" &&
        other.section.dataset.share === this.section.dataset.share);
      const all = alike.map((other) => other.ends(VALUES.y));
      let ends = [Math.min(...all.map((e) => e[0])), Math.max(...all.map((e) => e[1]))];
      if (floor !== null) ends[0] = floor < 0 ? Math.max(floor, ends[0]) : floor;
      if (ceiling !== null) ends[1] = ceiling;
      const limits = alike.map((other) => other.data.limit).filter((one) => one !== null);
      const [start, end] = this.span(ends, this.log, limits.length ? Math.max(...limits) : null);
      for (const other of alike) if (other.log === this.log)
        other.plot.y_range.setv({ start, end });
    }
    show() {
      this.shown().forEach((visible, number) => {
        for (const part of Object.values(this.parts[number]))
          if (part.visible !== visible) part.visible = visible;
      });
      this.range();
    }
    // Values where the reader points -------------------------------------------------------------
    listen() {
      const at = (event) => {
        const box = this.box.getBoundingClientRect();
        this.point(event.clientX - box.left, event.clientY - box.top);
      };
      this.box.addEventListener("pointermove", at);
      this.box.addEventListener("pointerdown", at);
      this.box.addEventListener("pointerleave", () => this.leave());
      this.box.addEventListener("blur", () => this.leave());
      this.box.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const { left, right, top, bottom } = this.frame();
        this.at = Math.min(1, Math.max(0, (this.at ?? 0.5) + step / 50));
        this.point(left + this.at * (right - left), (top + bottom) / 2);
      });
    }
    frame() {
      const frame = this.view.frame || this.view.plot_view.frame;
      return frame.bbox;
    }
    leave() { this.readout.hidden = this.cursor.hidden = true; }
    point(sx, sy) {
      const { left, right, top, bottom } = this.frame();
      if (sx < left || sx > right || sy < top || sy > bottom) return this.leave();
      this.at = (sx - left) / (right - left);
      const rows = this.data.kind === "plane" ? this.near(sx, sy) : this.values(sx);
      this.readout.replaceChildren();
      if (!rows.length) return this.leave();
      tag(this.readout, "p", rows.title);
      const colours = dark.matches ? this.data.dark : this.data.light;
      for (const [number, text] of rows.slice(0, 14)) {
        const row = tag(this.readout, "div");
        tag(row, "i").style.background = colours[number];
        tag(row, "span", this.data.labels[number]);
        tag(row, "b", text);
      }
      if (rows.length > 14) tag(this.readout, "p", `and ${rows.length - 14} more`);
      this.readout.hidden = false;
      this.cursor.hidden = this.data.kind === "plane";
      this.cursor.style.cssText = `left:${rows.sx ?? sx}px;top:${top}px;height:${bottom - top}px`;
      const wide = this.readout.offsetWidth, room = this.box.clientWidth;
      const beside = sx + 14 + wide <= room ? sx + 14 : sx - 14 - wide;
      this.readout.style.left = `${Math.max(0, Math.min(beside, room - wide))}px`;
      this.readout.style.top = `${Math.max(0, Math.min(top + 4, bottom - this.readout.offsetHeight))}px`;
    }
    values(sx) {
      const { left, right } = this.frame(), { start, end } = this.plot.x_range;
      const x = start + (sx - left) / (right - left) * (end - start);
      const rows = [];
      let place = null;
      this.shown().forEach((visible, number) => {
        const line = this.parts[number].line;
        if (!visible || !line) return;
        const raw = this.raw.get(line.data_source);
        if (!raw.x.length) return;
        let best = 0;
        for (let i = 1; i < raw.x.length; i++)
          if (Math.abs(raw.x[i] - x) < Math.abs(raw.x[best] - x)) best = i;
        if (!Number.isFinite(raw.y[best])) return;
        const band = raw.high[best] - raw.low[best] > 0
          ? ` [${say(raw.low[best])}, ${say(raw.high[best])}]` : "";
        rows.push([number, say(raw.y[best]) + band, raw.y[best]]);
        if (place === null || Math.abs(raw.x[best] - x) < Math.abs(place - x)) place = raw.x[best];
      });
      rows.sort((a, b) => b[2] - a[2]);
      rows.title = `${this.data.xlabel}: ${say(place)}`;
      if (this.data.limit !== null) rows.title += `; ${this.data.limitLabel} ${say(this.data.limit)}`;
      if (place !== null) rows.sx = left + (place - start) / (end - start) * (right - left);
      return rows;
    }
    near(sx, sy) {
      const { left, right, top, bottom } = this.frame();
      const { x_range: xs, y_range: ys } = this.plot;
      const far = [];
      this.shown().forEach((visible, number) => {
        if (!visible) return;
        for (const part of ["mean", "dots"]) {
          const renderer = this.parts[number][part];
          if (!renderer) continue;
          const raw = this.raw.get(renderer.data_source);
          raw.x.forEach((cost, i) => {
            const u = left + ((this.log ? log(cost) : cost) - xs.start) / (xs.end - xs.start) * (right - left);
            const v = bottom - (raw.y[i] - ys.start) / (ys.end - ys.start) * (bottom - top);
            const what = part === "mean" ? "mean" : "run";
            far.push([Math.hypot(u - sx, v - sy), number,
              `${what}: cost ${say(cost)}, return ${say(raw.y[i])}`]);
          });
        }
      });
      far.sort((a, b) => a[0] - b[0]);
      const rows = far.filter(([distance]) => distance < 28).slice(0, 6).map(([, n, text]) => [n, text]);
      rows.title = rows.length ? "nearest" : "";
      return rows;
    }
  }

  const all = [...document.querySelectorAll(".chart")].map((section) => new Chart(section));

  function toggle(name) {
    hidden.has(name) ? hidden.delete(name) : hidden.add(name);
    for (const chip of document.querySelectorAll(".charts .chip"))
      chip.setAttribute("aria-pressed", String(!hidden.has(chip.dataset.method)));
    for (const chart of drawn) if (chart.data.methods.includes(name)) chart.show();
  }
  for (const chip of document.querySelectorAll(".charts .chip"))
    chip.addEventListener("click", () => toggle(chip.dataset.method));
  for (const button of document.querySelectorAll(".charts .scale"))
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      const own = all.filter((chart) => chart.block === button.closest(".charts"));
      for (const chart of own) chart.log = on && chart.data.scales;
      const there = own.filter((chart) => drawn.includes(chart));
      for (const chart of there) chart.scale();
      for (const chart of there) chart.show();
    });
  dark.addEventListener("change", () => drawn.forEach((chart) => chart.colour()));

  // What is in view first; the rest whenever the browser has nothing else to do.
  const waiting = [...all];
  const later = window.requestIdleCallback
    ? (call) => requestIdleCallback(call, { timeout: 100 }) : (call) => setTimeout(call, 1);
  const rest = async () => {
    const next = waiting.shift();
    if (!next) {
      document.documentElement.dataset.charts = "drawn";
      return;
    }
    await next.draw();
    if (waiting.length && waiting[0].section.getBoundingClientRect().top < innerHeight)
      return rest();
    document.documentElement.dataset.charts = "begun"; // those in view are there
    later(rest);
  };
  rest();
})();
