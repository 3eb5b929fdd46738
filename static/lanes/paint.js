// Draws the frame of the swim lanes on a canvas: life strip, axis, names, gaps, and what lies where.
// The shapes on the lanes are in lanes/shapes.js.
"use strict";
window.csLanes = window.csLanes || {};
(() => {
  const { Shapes, SIZES, stamp, tickWords } = window.csLanes;
  const { LEFT_WIDE, LEFT_NARROW, LIFE, AXIS, MARKS, GROUP, LANE, FOOT } = SIZES;
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

  class Painter extends Shapes {
    constructor(canvas, model) {
      super();
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
  Object.assign(window.csLanes, { Painter });
})();
