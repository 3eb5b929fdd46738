// Draws the swim lanes on a canvas. Knows where things are put and which shape means what;
// every state has its word, shape or line style before its colour.
"use strict";
window.csLanes = window.csLanes || {};
(() => {
  const LEFT_WIDE = 180,
    LEFT_NARROW = 92,
    LIFE = 52,
    AXIS = 24,
    MARKS = 30,
    GROUP = 18,
    LANE = 40,
    FOOT = 34;
  const TOKENS = [
    "text",
    "muted",
    "line",
    "line-strong",
    "surface",
    "sunken",
    "blue",
    "blue-pale",
    "red",
    "red-pale",
    "green",
    "amber",
    "teal",
    "teal-pale",
    "violet",
    "violet-pale",
    "hatch-line",
  ];
  const readTokens = () => {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(
      TOKENS.map((name) => [name.replace("-", "_"), style.getPropertyValue(`--cs-${name}`).trim()]),
    );
  };

  class Painter {
    constructor(canvas, model) {
      this.canvas = canvas;
      this.model = model;
      this.context = canvas.getContext("2d");
      this.hit = [];
      this.linkHit = [];
      this.tokens = readTokens();
      this.pattern = null;
    }
    theme() {
      this.tokens = readTokens();
      this.pattern = null;
    }
    measure() {
      const width = this.canvas.parentElement.clientWidth;
      this.left = width < 620 ? LEFT_NARROW : LEFT_WIDE;
      this.width = width;
      this.right = width - 16;
      const lanes = this.model.data.lanes;
      let y = LIFE + AXIS;
      this.marksY = y;
      y += MARKS;
      this.rows = [];
      this.heads = [];
      let group = null;
      lanes.forEach((lane, i) => {
        if (lane.group !== group) {
          group = lane.group;
          this.heads.push({ group, y, note: lane.source || "" });
          y += GROUP;
        }
        this.rows[i] = { y, h: LANE };
        y += LANE;
      });
      this.height = y + FOOT;
      const ratio = window.devicePixelRatio || 1;
      if (
        this.canvas.width !== Math.round(width * ratio) ||
        this.canvas.height !== Math.round(this.height * ratio)
      ) {
        this.canvas.width = Math.round(width * ratio);
        this.canvas.height = Math.round(this.height * ratio);
        this.canvas.style.height = `${this.height}px`;
      }
      this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    x(at) {
      const [from, to] = this.model.window;
      return this.left + ((at - from) / (to - from)) * (this.right - this.left);
    }
    at(x) {
      const [from, to] = this.model.window;
      return from + ((x - this.left) / (this.right - this.left)) * (to - from);
    }
    lifeX(at) {
      const [from, to] = this.lifeSpan();
      return this.left + ((at - from) / Math.max(1, to - from)) * (this.right - this.left);
    }
    lifeAt(x) {
      const [from, to] = this.lifeSpan();
      return from + ((x - this.left) / (this.right - this.left)) * (to - from);
    }
    lifeSpan() {
      const { life } = this.model.data,
        [from, to] = this.model.whole;
      return [Math.min(life?.from ?? from, from), Math.max(life?.to ?? to, to)];
    }
    text(
      words,
      x,
      y,
      { color = "text", weight = 400, size = 11, align = "left", max = 0, mono = false } = {},
    ) {
      const c = this.context;
      c.font = `${weight} ${size}px ${mono ? '"JetBrains Mono"' : "Inter"}, sans-serif`;
      c.textAlign = align;
      c.textBaseline = "middle";
      c.fillStyle = this.tokens[color];
      let shown = String(words ?? "")
        .replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069]/g, "\ufffd")
        .slice(0, 200);
      if (max > 0 && c.measureText(shown).width > max) {
        let low = 0,
          high = shown.length;
        while (low < high) {
          const mid = (low + high + 1) >> 1;
          if (c.measureText(`${shown.slice(0, mid)}…`).width <= max) low = mid;
          else high = mid - 1;
        }
        shown = low ? `${shown.slice(0, low)}…` : "";
      }
      c.fillText(shown, x, y);
      return c.measureText(shown).width;
    }
    hatch() {
      if (this.pattern) return this.pattern;
      const tile = document.createElement("canvas");
      tile.width = tile.height = 8;
      const c = tile.getContext("2d");
      c.strokeStyle = this.tokens.hatch_line;
      c.lineWidth = 1;
      c.beginPath();
      c.moveTo(-2, 10);
      c.lineTo(10, -2);
      c.moveTo(-6, 6);
      c.lineTo(6, -6);
      c.moveTo(2, 14);
      c.lineTo(14, 2);
      c.stroke();
      return (this.pattern = this.context.createPattern(tile, "repeat"));
    }
    rule(x1, y1, x2, y2, color, dash = [], width = 1) {
      const c = this.context;
      c.beginPath();
      c.setLineDash(dash);
      c.strokeStyle = this.tokens[color];
      c.lineWidth = width;
      c.moveTo(x1, y1);
      c.lineTo(x2, y2);
      c.stroke();
      c.setLineDash([]);
    }
    box(x, y, w, h, fill, stroke, radius = 3) {
      const c = this.context;
      c.beginPath();
      c.roundRect(x, y, Math.max(1, w), h, radius);
      if (fill) {
        c.fillStyle = fill.startsWith?.("#") ? fill : this.tokens[fill];
        c.fill();
      }
      if (stroke) {
        c.strokeStyle = this.tokens[stroke];
        c.lineWidth = 1;
        c.stroke();
      }
    }
    clip(draw) {
      const c = this.context;
      c.save();
      c.beginPath();
      c.rect(this.left, 0, this.right - this.left + 12, this.height);
      c.clip();
      draw();
      c.restore();
    }

    draw(state) {
      this.measure();
      const c = this.context;
      c.clearRect(0, 0, this.width, this.height);
      this.hit = [];
      this.linkHit = [];
      this.ends = new Map();
      this.life();
      this.axis();
      this.heads.forEach((head) => {
        this.box(0, head.y, this.width, GROUP, "sunken", null, 0);
        this.text(head.group === "ai" ? "AI trace" : "Identity log", 16, head.y + GROUP / 2, {
          weight: 600,
          color: head.group === "ai" ? "violet" : "teal",
        });
        if (head.note)
          this.text(head.note, 96, head.y + GROUP / 2, { color: "muted", max: this.width - 110 });
      });
      this.names();
      this.clip(() => {
        this.gaps();
        this.marks(state);
        if (this.model.data.bins) this.bins();
        else {
          this.place();
          this.links(state);
          this.shapes(state);
        }
        this.absent();
      });
    }
    life() {
      const { life } = this.model.data,
        [from, to] = this.lifeSpan();
      this.text("Life of the identity", 16, 14, { weight: 600, max: this.left - 22 });
      this.text(`${stamp(from, "day")} – ${stamp(to, "date")}`, 16, 29, {
        color: "muted",
        size: 10.5,
        max: this.left - 22,
      });
      this.clip(() => {
        (life?.credentials || []).slice(0, 6).forEach((one, i) => {
          const x = this.lifeX(one.from),
            end = this.lifeX(one.to ?? to);
          if (i === 0) {
            this.box(x, 4, end - x, 12, "teal_pale", null, 0);
            this.text(one.label, Math.max(this.left, x) + 12, 10, {
              size: 10.5,
              weight: 500,
              max: Math.max(0, end - x - 16),
            });
          }
          this.triangle(x + 5, 10, 5);
        });
        (life?.delegations || []).slice(0, 8).forEach((one) => {
          const x = this.lifeX(one.from),
            end = this.lifeX(one.to ?? to);
          this.box(x, 18, end - x, 12, "sunken", "line", 0);
          this.bracket(x, 18, 12, 1);
          if (one.to) this.bracket(end, 18, 12, -1);
          this.text(one.label, Math.max(this.left, x) + 8, 24, {
            size: 10.5,
            max: Math.max(0, end - x - 12),
          });
        });
        const density = life?.density || [],
          most = density.reduce((m, d) => Math.max(m, d[2]), 1);
        for (const [a, b, count, outside] of density) {
          const x = this.lifeX(a),
            w = Math.max(2, this.lifeX(b) - x - 1),
            h = 3 + (12 * Math.log1p(count)) / Math.log1p(most);
          this.box(x, 48 - h, w, h, "line_strong", null, 0);
          if (outside)
            this.box(
              x,
              48 - Math.max(3, h * Math.min(1, outside / count)),
              w,
              Math.max(3, h * Math.min(1, outside / count)),
              "red",
              null,
              0,
            );
        }
        const [a, b] = this.model.window,
          x = this.lifeX(a),
          w = Math.max(5, this.lifeX(b) - x);
        this.context.globalAlpha = 0.18;
        this.box(x, 1, w, 49, "blue", null, 2);
        this.context.globalAlpha = 1;
        this.box(x, 1, w, 49, null, "blue", 2);
        this.brush = { x, w };
      });
      this.rule(0, LIFE + 0.5, this.width, LIFE + 0.5, "line");
    }
    axis() {
      const { at, step } = this.model.ticks(this.right - this.left),
        y = LIFE + AXIS;
      this.text(`${stamp(this.model.window[0], "date")}, UTC`, 16, LIFE + AXIS / 2, {
        color: "muted",
        max: this.left - 22,
      });
      for (const t of at) {
        const x = Math.round(this.x(t)) + 0.5;
        this.rule(x, y, x, this.height - FOOT, "line");
        if (x > this.left + 14 && x < this.right - 14)
          this.text(tickWords(t, step), x, LIFE + AXIS / 2, { color: "muted", align: "center" });
      }
      this.rule(0, y + 0.5, this.width, y + 0.5, "line");
    }
    names() {
      this.text("Marks", 16, this.marksY + MARKS / 2, { weight: 600 });
      const lanes = this.model.data.lanes;
      lanes.forEach((lane, i) => {
        const { y, h } = this.rows[i];
        this.rule(0, y + 0.5, this.width, y + 0.5, "line");
        const note =
          lane.note || (lane.complete_to ? `complete to ${stamp(lane.complete_to, "hm")}` : "");
        this.text(lane.title, 16, y + (note ? 13 : h / 2), { weight: 600, max: this.left - 22 });
        if (note)
          this.text(note, 16, y + 28, {
            color: (lane.gaps || []).length ? "amber" : "muted",
            size: 10.5,
            max: this.left - 22,
          });
      });
      this.rule(0, this.height - FOOT + 0.5, this.width, this.height - FOOT + 0.5, "line");
      this.rule(this.left - 0.5, LIFE, this.left - 0.5, this.height - FOOT, "line");
    }
    gaps() {
      this.model.data.lanes.forEach((lane, i) => {
        for (const [a, b, words] of lane.gaps || []) {
          const x = this.x(a),
            w = this.x(b) - x;
          if (x > this.right || x + w < this.left) continue;
          const { y, h } = this.rows[i];
          this.context.fillStyle = this.hatch();
          this.context.fillRect(x, y + 1, Math.max(2, w), h - 1);
          this.rule(x, y, x, y + h, "line_strong", [2, 2]);
          this.rule(x + w, y, x + w, y + h, "line_strong", [2, 2]);
          const left = Math.max(x, this.left),
            right = Math.min(x + w, this.right),
            said = words || "source silent";
          if (right - left > 60) {
            const size = Math.min(right - left - 12, 6 * said.length + 8);
            this.box((left + right) / 2 - size / 2, y + h / 2 - 8, size, 16, "surface", null, 3);
            this.text(said, (left + right) / 2, y + h / 2, {
              align: "center",
              color: "muted",
              max: right - left - 14,
            });
          }
        }
      });
    }
    absent() {
      const y = this.height - FOOT + FOOT / 2;
      for (const [a, b, words] of this.model.data.absent || []) {
        const x1 = Math.max(this.left, this.x(a)),
          x2 = Math.min(this.right, this.x(b));
        if (x2 - x1 < 20) continue;
        if (words === "not known") {
          this.context.fillStyle = this.hatch();
          this.context.fillRect(x1, this.height - FOOT + 1, x2 - x1, FOOT - 2);
        }
        this.rule(x1, y, x2, y, "muted", [1.5, 3]);
        this.rule(x1 + 0.5, y - 4, x1 + 0.5, y + 4, "muted");
        this.rule(x2 - 0.5, y - 4, x2 - 0.5, y + 4, "muted");
        const w = Math.min(x2 - x1 - 16, 6 * words.length + 8);
        if (w > 40) {
          this.box((x1 + x2) / 2 - w / 2, y - 8, w, 16, "surface", null, 3);
          this.text(words, (x1 + x2) / 2, y, { align: "center", color: "muted", max: w - 4 });
        }
      }
    }
    marks() {
      const y = this.marksY + MARKS / 2;
      let edge = -1e9;
      const marks = [...this.model.data.marks].sort((a, b) => a.at - b.at);
      this.markHit = [];
      for (const mark of marks) {
        const true_x = this.x(mark.at);
        if (true_x < this.left - 20 || true_x > this.right + 20) continue;
        const x = Math.max(true_x, edge + 15);
        const loud = mark.kind === "finding" || mark.kind === "no_run";
        if (loud || mark.kind === "decision" || mark.kind === "revocation")
          this.rule(
            true_x,
            y + 8,
            true_x,
            this.height - FOOT,
            loud ? "red" : mark.kind === "decision" ? "blue" : "muted",
            [1.5, 3],
          );
        this.mark(mark, x, y);
        edge = x;
        this.markHit.push({ x, y, mark });
        const next = marks[marks.indexOf(mark) + 1],
          room = next ? Math.max(0, this.x(next.at) - x - 22) : this.right - x - 14;
        if (mark.label && !mark.n && room > 34)
          edge =
            x +
            this.text(mark.label, x + 11, y, { size: 10.5, weight: 500, max: Math.min(room, 180) });
      }
    }
    mark(mark, x, y) {
      const c = this.context;
      switch (mark.kind) {
        case "issuance":
          this.triangle(x, y, 6);
          break;
        case "delegation_from":
          this.bracket(x - 2, y - 7, 14, 1);
          break;
        case "delegation_to":
          this.bracket(x + 2, y - 7, 14, -1);
          break;
        case "finding":
          this.diamond(x, y, 8, true);
          if (mark.n)
            this.text(mark.n, x, y + 0.5, {
              align: "center",
              size: 9.5,
              weight: 700,
              color: "surface",
            });
          break;
        case "no_run":
          this.ring(x, y, 7);
          this.text(mark.n || "?", x, y + 0.5, {
            align: "center",
            size: 9.5,
            weight: 700,
            color: "red",
          });
          break;
        case "decision":
          this.box(x - 6, y - 6, 12, 12, "surface", "blue", 2);
          c.beginPath();
          c.strokeStyle = this.tokens.blue;
          c.lineWidth = 1.6;
          c.moveTo(x - 3, y);
          c.lineTo(x - 0.5, y + 2.6);
          c.lineTo(x + 3.4, y - 2.8);
          c.stroke();
          break;
        case "revocation":
          c.beginPath();
          c.strokeStyle = this.tokens.text;
          c.lineWidth = 1.5;
          c.arc(x, y, 6, 0, 7);
          c.moveTo(x - 4, y + 4);
          c.lineTo(x + 4, y - 4);
          c.stroke();
          break;
        default:
          c.beginPath();
          c.fillStyle = this.tokens.text;
          c.moveTo(x - 4, y + 7);
          c.lineTo(x - 4, y - 7);
          c.lineTo(x + 6, y - 4);
          c.lineTo(x - 3, y - 0.5);
          c.lineTo(x - 3, y + 7);
          c.fill();
      }
    }
    triangle(x, y, r) {
      const c = this.context;
      c.beginPath();
      c.moveTo(x, y - r);
      c.lineTo(x + r, y + r);
      c.lineTo(x - r, y + r);
      c.closePath();
      c.fillStyle = this.tokens.surface;
      c.fill();
      c.strokeStyle = this.tokens.text;
      c.lineWidth = 1.4;
      c.stroke();
    }
    bracket(x, y, h, side) {
      const c = this.context;
      c.beginPath();
      c.strokeStyle = this.tokens.text;
      c.lineWidth = 1.6;
      c.moveTo(x + 4 * side, y);
      c.lineTo(x + side, y);
      c.lineTo(x + side, y + h);
      c.lineTo(x + 4 * side, y + h);
      c.stroke();
    }
    diamond(x, y, r, filled) {
      const c = this.context;
      c.beginPath();
      c.moveTo(x, y - r);
      c.lineTo(x + r, y);
      c.lineTo(x, y + r);
      c.lineTo(x - r, y);
      c.closePath();
      if (filled) {
        c.fillStyle = this.tokens.red;
        c.fill();
      } else {
        c.strokeStyle = this.tokens.red;
        c.lineWidth = 1.5;
        c.stroke();
      }
    }
    ring(x, y, r) {
      const c = this.context;
      c.beginPath();
      c.arc(x, y, r, 0, 7);
      c.fillStyle = this.tokens.surface;
      c.fill();
      c.strokeStyle = this.tokens.red;
      c.lineWidth = 1.6;
      c.stroke();
    }
    bins() {
      const most = this.model.data.bins.reduce((m, b) => Math.max(m, b[3]), 1);
      for (const [a, b, lane, count, outside] of this.model.data.bins) {
        const row = this.rows[lane];
        if (!row) continue;
        const x = this.x(a),
          w = Math.max(2, this.x(b) - x - 1);
        if (x > this.right || x + w < this.left) continue;
        const h = 4 + ((row.h - 10) * Math.log1p(count)) / Math.log1p(most),
          ai = this.model.data.lanes[lane].group === "ai";
        this.box(x, row.y + row.h - 3 - h, w, h, ai ? "violet" : "teal", null, 1);
        if (outside) {
          const o = Math.max(3, (h * outside) / count);
          this.box(x, row.y + row.h - 3 - o, w, o, "red", null, 1);
        }
        this.hit.push({ x, y: row.y, w, h: row.h, bin: [a, b, lane, count, outside] });
      }
    }
    place() {
      this.groups = this.model.groups(this.right - this.left);
      for (const group of this.groups) {
        const row = this.rows[group.lane];
        if (!row) continue;
        const y = row.y + row.h / 2,
          x = this.left + group.x;
        group.cx = x;
        group.cy = y;
        for (const i of group.members)
          this.ends.set(i, {
            x:
              group.members.length > 1
                ? (x + this.left + group.x2) / 2
                : x + Math.min(group.w, 8) / 2,
            y,
          });
      }
    }
    links(state) {
      const c = this.context,
        drawn = new Map();
      const focused = [];
      this.model.data.links.forEach(([cause, effect, strength], i) => {
        const a = this.ends.get(cause),
          b = this.ends.get(effect);
        if (!a || !b) return;
        const key = `${Math.round(a.x)},${a.y},${Math.round(b.x)},${b.y},${strength}`;
        const on = state.links.has(i);
        if (drawn.has(key) && !on) {
          this.linkHit.push({ a, b, i });
          return;
        }
        drawn.set(key, i);
        this.linkHit.push({ a, b, i });
        if (on) {
          focused.push([a, b, strength]);
          return;
        }
        c.globalAlpha = state.links.size ? 0.4 : 1;
        this.linkLine(a, b, strength, this.model.events[effect][4] === 1 ? "red" : "muted", 1.2);
      });
      c.globalAlpha = 1;
      for (const [a, b, strength] of focused) this.linkLine(a, b, strength, "blue", 2.6);
    }
    linkLine(a, b, strength, color, width) {
      const down = a.y > b.y ? -1 : 1;
      this.rule(
        a.x,
        a.y + 6 * down,
        b.x,
        b.y - 6 * down,
        color,
        strength === 3 ? [] : strength === 2 ? [7, 4] : [1.5, 3],
        width,
      );
    }
    shapes(state) {
      const c = this.context,
        lanes = this.model.data.lanes,
        last = new Map();
      for (const group of this.groups) {
        const { cx: x, cy: y } = group;
        if (y === undefined) continue;
        const ai = lanes[group.lane].group === "ai",
          many = group.members.length > 1,
          on = group.members.some((i) => state.events.has(i));
        c.globalAlpha = state.links.size && !on ? 0.4 : 1;
        const w = Math.max(group.w, group.x2 - group.x);
        let right = x + w + 6;
        const first = this.model.events[group.members[0]],
          count = group.members.reduce((n, i) => n + (this.model.events[i][7] || 1), 0);
        if (group.severity === 1) {
          this.diamond(x + w / 2, y, on ? 7.5 : 6.5, true);
          this.text("!", x + w / 2, y + 0.5, {
            align: "center",
            size: 9,
            weight: 800,
            color: "surface",
          });
          right = x + w / 2 + 10;
        } else if (group.severity === 2) {
          this.ring(x + w / 2, y, 6.5);
          this.text("?", x + w / 2, y + 0.5, {
            align: "center",
            size: 9.5,
            weight: 700,
            color: "red",
          });
          right = x + w / 2 + 10;
        } else if (ai) {
          const long = w > 9;
          this.box(
            x,
            y - (long ? 6 : 5),
            Math.max(5, w),
            long ? 12 : 10,
            long ? "violet_pale" : on ? "blue" : "violet",
            long ? (on ? "blue" : "violet") : null,
            2,
          );
          if (long && w > 50) {
            this.text(many ? `× ${count}` : first[5], Math.max(x, this.left) + 6, y, {
              size: 10.5,
              weight: 500,
              max: Math.min(w, this.right - x) - 12,
            });
            right = -1;
          }
        } else if (many) {
          const wide = Math.max(w, 20);
          this.box(x - 3, y - 6, wide + 6, 12, "teal_pale", on ? "blue" : "teal", 3);
          if (wide > 18)
            this.text(`× ${count}`, x + wide / 2, y, {
              align: "center",
              size: 10.5,
              weight: 600,
              max: wide + 4,
            });
          right = x + wide + 7;
        } else {
          c.beginPath();
          c.arc(x, y, on ? 5 : 4, 0, 7);
          c.fillStyle = this.tokens[on ? "blue" : group.severity === 3 ? "muted" : "teal"];
          c.fill();
          right = x + 8;
        }
        this.hit.push({ x: x - 5, y: y - 10, w: Math.max(w, 6) + 10, h: 20, group });
        const spoken = group.severity === 1 || group.severity === 2 || (!ai && !many);
        if (right > 0 && spoken) {
          const held = last.get(group.lane) ?? -1;
          if (x > held)
            group.label = {
              words: many ? `${count} × ${first[5]}` : first[5],
              x: right,
              color: group.severity === 1 || group.severity === 2 ? "red" : "muted",
            };
        }
        if (group.label) last.set(group.lane, group.label.x);
        c.globalAlpha = 1;
      }
      // Labels come last and only into free room, so that no mark hides under words.
      const byLane = new Map();
      for (const group of this.groups) {
        if (group.cy === undefined) continue;
        if (!byLane.has(group.lane)) byLane.set(group.lane, []);
        byLane.get(group.lane).push(group);
      }
      for (const lane of byLane.values())
        lane.forEach((group, i) => {
          if (!group.label) return;
          const next = lane.slice(i + 1).find((other) => other.x > group.x);
          const gap =
            (this.model.data.lanes[group.lane].gaps || [])
              .map(([a]) => this.x(a))
              .find((x) => x > group.label.x - 20) ?? Infinity;
          const room = Math.min(
            170,
            gap - group.label.x - 4,
            (next ? this.left + next.x - 10 : this.right) - group.label.x,
          );
          if (room > 42) {
            c.globalAlpha =
              state.links.size && !group.members.some((i) => state.events.has(i)) ? 0.4 : 1;
            this.text(group.label.words, group.label.x, group.cy, {
              size: 10.5,
              weight: 500,
              color: group.label.color,
              max: room,
            });
            c.globalAlpha = 1;
          }
        });
    }
    // The group, mark or link under a point; links within five pixels.
    under(x, y) {
      const mark = (this.markHit || []).find(
        (m) => Math.abs(m.x - x) < 9 && Math.abs(m.y - y) < 10,
      );
      if (mark) return { mark: mark.mark };
      for (let i = this.hit.length - 1; i >= 0; i--) {
        const h = this.hit[i];
        if (x >= h.x && x <= h.x + h.w && y >= h.y && y <= h.y + h.h)
          return h.bin ? { bin: h.bin } : { group: h.group };
      }
      let best = null,
        near = 5;
      for (const { a, b, i } of this.linkHit) {
        const dx = b.x - a.x,
          dy = b.y - a.y,
          size = dx * dx + dy * dy || 1,
          t = Math.max(0, Math.min(1, ((x - a.x) * dx + (y - a.y) * dy) / size)),
          far = Math.hypot(x - a.x - t * dx, y - a.y - t * dy);
        if (far < near) {
          near = far;
          best = i;
        }
      }
      return best === null ? null : { link: best };
    }
  }
  const { stamp, tickWords } = window.csLanes;
  Object.assign(window.csLanes, { Painter, LIFE });
})();
