// The data of the swim lanes and its window: what is where, what is near, what to fetch.
// Knows no canvas and no page. Times are microseconds since the epoch.
"use strict";
window.csLanes = window.csLanes || {};
(() => {
  const SECOND = 1e6,
    STEPS = [
      1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
      172800, 604800, 1209600, 2592000, 7776000, 31536000,
    ].map((s) => s * SECOND);
  const SUB = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5];
  const STRENGTHS = { 3: "exact", 2: "key", 1: "inferred" };
  const VERDICTS = ["inside", "outside", "no run behind it", "not judged"];

  class Model {
    constructor(data) {
      this.set(data);
      this.whole = [data.from, data.to > data.from ? data.to : data.from + SECOND];
      this.window = [...this.whole];
    }
    set(data) {
      this.data = {
        lanes: [],
        events: [],
        links: [],
        marks: [],
        absent: [],
        bins: null,
        life: null,
        ...data,
      };
      this.events = this.data.events;
      this.order = this.events
        .map((_, i) => i)
        .sort((a, b) => this.events[a][0] - this.events[b][0]);
      this.longest = this.events.reduce((most, event) => Math.max(most, event[1] || 0), 0);
      this.linksOf = new Map();
      this.data.links.forEach((link, i) => {
        for (const end of [link[0], link[1]]) {
          if (!this.linksOf.has(end)) this.linksOf.set(end, []);
          this.linksOf.get(end).push(i);
        }
      });
    }
    // These links and the events at their ends: what turns blue together.
    ends(links) {
      const events = new Set(links.flatMap((i) => this.data.links[i].slice(0, 2)));
      return { links: new Set(links), events };
    }
    linksOfGroup(group) {
      return group.members.flatMap((i) => this.linksOf.get(i) || []);
    }
    get empty() {
      return !this.events.length && !(this.data.bins || []).length;
    }
    // Indexes of the events that touch the window: two binary searches, not a scan.
    visible() {
      const [from, to] = this.window,
        { order, events } = this;
      const cut = (at) => {
        let low = 0,
          high = order.length;
        while (low < high) {
          const mid = (low + high) >> 1;
          if (events[order[mid]][0] < at) low = mid + 1;
          else high = mid;
        }
        return low;
      };
      return order
        .slice(cut(from - this.longest), cut(to + 1))
        .filter((i) => events[i][0] + (events[i][1] || 0) >= from);
    }
    zoom(factor, about) {
      const [from, to] = this.window,
        at = about ?? (from + to) / 2;
      const length = Math.min(this.whole[1] - this.whole[0], Math.max(1000, (to - from) * factor));
      const start = at - (at - from) * (length / (to - from));
      this.show(start, start + length);
    }
    move(share) {
      const by = (this.window[1] - this.window[0]) * share;
      this.show(this.window[0] + by, this.window[1] + by);
    }
    show(from, to) {
      const length = Math.max(1000, to - from),
        [first, last] = this.whole;
      const start = length >= last - first ? first : Math.min(Math.max(from, first), last - length);
      this.window = [start, start + Math.min(length, last - first)];
    }
    fit() {
      this.window = [...this.whole];
    }
    // Round ticks, about one in 110 pixels.
    ticks(width) {
      const [from, to] = this.window,
        wanted = (to - from) / Math.max(2, width / 110);
      const step =
        wanted < SECOND
          ? SUB.find((s) => s >= wanted) || SECOND
          : STEPS.find((s) => s >= wanted) || STEPS.at(-1);
      const at = [];
      for (let t = Math.ceil(from / step) * step; t <= to && at.length < 60; t += step) at.push(t);
      return { at, step };
    }
    // Groups of events that would be drawn on each other: one mark with a count.
    groups(width) {
      const [from, to] = this.window,
        scale = width / (to - from),
        out = [];
      const open = new Map();
      for (const i of this.visible()) {
        const [at, duration, lane, , severity] = this.events[i];
        const x = (at - from) * scale,
          w = (duration || 0) * scale;
        const key = `${lane}/${severity}`,
          last = open.get(key);
        if (
          last &&
          x - last.x2 < (severity === 1 || severity === 2 ? 13 : 7) &&
          w < 14 &&
          last.w < 14
        ) {
          last.members.push(i);
          last.x2 = Math.max(last.x2, x + w);
          continue;
        }
        const group = { lane, severity, x, x2: x + w, w, members: [i] };
        open.set(key, group);
        out.push(group);
      }
      return out;
    }
    words() {
      const seen = this.visible().length,
        total = this.data.total ?? this.events.length;
      return `${seen.toLocaleString("en")} of ${total.toLocaleString("en")} events, ${stamp(this.window[0])} to ${stamp(this.window[1])} UTC`;
    }
  }
  const two = (n) => String(n).padStart(2, "0");
  const MONTHS = [
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
  ];
  const stamp = (us, style = "full") => {
    const d = new Date(us / 1000);
    const day = `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`,
      hm = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`,
      hms = `${hm}:${two(d.getUTCSeconds())}`,
      ms = `${hms}.${String(d.getUTCMilliseconds()).padStart(3, "0")}`;
    return {
      full: `${day} ${hms}`,
      day,
      month: d.getUTCMonth() ? MONTHS[d.getUTCMonth()] : String(d.getUTCFullYear()),
      date: `${day} ${d.getUTCFullYear()}`,
      hm,
      hms,
      ms,
    }[style];
  };
  const tickWords = (us, step) =>
    step >= 2419200e6
      ? stamp(us, "month")
      : step >= 86400e6
        ? stamp(us, "day")
        : step >= 60e6
          ? us % 86400e6 === 0
            ? stamp(us, "day")
            : stamp(us, "hm")
          : step >= 1e6
            ? stamp(us, "hms")
            : stamp(us, "ms");
  const difference = (us) => {
    const sign = us < 0 ? "−" : "+",
      size = Math.abs(us);
    return (
      sign +
      (size < 1000
        ? `${size} µs`
        : size < 1e6
          ? `${Math.round(size / 1000)} ms`
          : size < 6e7
            ? `${(size / 1e6).toFixed(1)} s`
            : `${Math.round(size / 6e7)} min`)
    );
  };
  Object.assign(window.csLanes, { Model, stamp, tickWords, difference, STRENGTHS, VERDICTS });
})();
