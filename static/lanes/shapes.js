// The shapes of the swim lanes: marks, links, calls and spans, bins. Every state has its shape and
// line style before its colour. Knows no frame: lanes/paint.js says where the rows are.
"use strict";
window.csLanes = window.csLanes || {};
(() => {
  // The heights of the rows and the width of their names, in pixels.
  const SIZES = {
    LEFT_WIDE: 180,
    LEFT_NARROW: 92,
    LIFE: 52,
    AXIS: 24,
    MARKS: 30,
    GROUP: 18,
    LANE: 40,
    FOOT: 34,
  };
  const { MARKS, FOOT } = SIZES;

  class Shapes {
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
  }
  Object.assign(window.csLanes, { Shapes, SIZES });
})();
