// The swim lanes as a reader uses them: fetch, hover, pin, zoom, brush, keys, table, address.
// Owns no drawing (lanes/paint.js), no arithmetic (lanes/model.js) and no words (lanes/words.js).
"use strict";
(() => {
  const { Model, Painter, SIZES, Words, make } = window.csLanes;
  const { LIFE } = SIZES;
  const NONE = { links: new Set(), events: new Set() };

  class Lanes extends Words {
    constructor(card) {
      super();
      this.card = card;
      this.stage = card.querySelector(".cs-lanes-stage");
      this.canvas = card.querySelector("canvas");
      this.panel = card.querySelector(".cs-lanes-panel");
      this.live = card.querySelector("[data-lanes-live]");
      this.table = card.querySelector("[data-lanes-table]");
      this.src = card.dataset.src;
      this.hover = NONE;
      this.pin = null;
      this.view = "lanes";
      this.sort = { column: 0, up: true };
    }
    async load(from, to) {
      const url = new URL(this.src, location.href);
      if (url.origin !== location.origin) throw new Error("lanes come from our own server only");
      const at = new URLSearchParams(location.search).get("at");
      if (at) url.searchParams.set("at", at);
      if (from !== undefined) {
        url.searchParams.set("from", Math.round(from));
        url.searchParams.set("to", Math.round(to));
      }
      const answer = await fetch(url, {
        headers: { Accept: "application/json" },
        credentials: "same-origin",
      });
      if (!answer.ok) throw new Error(`The lanes could not be read (${answer.status}).`);
      return answer.json();
    }
    async start() {
      let data;
      try {
        data = await this.load();
      } catch (problem) {
        this.live.textContent = problem.message;
        const note = make(
          "p",
          `${problem.message} The table below is from the page itself.`,
          "cs-banner",
        );
        this.card.insertBefore(note, this.table);
        return;
      }
      this.model = new Model(data);
      if (this.model.empty) return;
      await Promise.all(
        [
          "400 11px Inter",
          "500 11px Inter",
          "600 11px Inter",
          "700 11px Inter",
          '400 11px "JetBrains Mono"',
        ].map((face) => document.fonts.load(face)),
      ).catch(() => []);
      this.painter = new Painter(this.canvas, this.model);
      this.fromHash();
      this.stage.hidden = false;
      this.table.hidden = true;
      this.bind();
      this.redraw(true);
    }
    fromHash() {
      const hash = new URLSearchParams(location.hash.slice(1));
      const from = Number(hash.get("from")),
        to = Number(hash.get("to"));
      if (from > 0 && to > from) this.model.show(from, to);
      this.wanted = hash.get("l");
      if (hash.get("view") === "table") this.show("table");
      if (this.wanted) {
        const i = this.model.data.links.findIndex((link) => String(link[4]) === this.wanted);
        if (i >= 0) this.pinLink(i, true);
      }
    }
    toHash() {
      const [from, to] = this.model.window,
        whole = this.model.whole,
        hash = new URLSearchParams();
      if (from !== whole[0] || to !== whole[1]) {
        hash.set("from", Math.round(from));
        hash.set("to", Math.round(to));
      }
      if (this.pin !== null) hash.set("l", this.model.data.links[this.pin]?.[4] ?? "");
      if (this.view === "table") hash.set("view", "table");
      history.replaceState(
        history.state,
        "",
        `${location.pathname}${location.search}${[...hash].length ? `#${hash}` : ""}`,
      );
    }
    redraw(said = false) {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => {
        this.painter.draw(this.pin !== null ? this.model.ends([this.pin]) : this.hover);
        if (this.pin !== null) this.placePanel();
      });
      if (said) {
        clearTimeout(this.later);
        this.later = setTimeout(() => {
          this.live.textContent = this.model.words();
          this.toHash();
          if (this.view === "table") this.fill();
          this.more();
        }, 250);
      }
    }
    // Bins come for a wide window; the rows of a narrow one are asked for when it is narrow enough.
    async more() {
      const { model } = this;
      if (!model.data.bins && !this.partial) return;
      const [from, to] = model.window;
      if (this.asked && from >= this.asked[0] && to <= this.asked[1] && !model.data.bins) return;
      if (this.asked && from === this.asked[0] && to === this.asked[1]) return;
      this.asked = [from, to];
      const turn = (this.turn = (this.turn || 0) + 1);
      try {
        const data = await this.load(from, to);
        if (turn !== this.turn) return;
        this.partial = true;
        const { whole } = model,
          life = model.data.life;
        model.set({ ...data, life: data.life ?? life });
        model.whole = whole;
        this.letGo();
        this.redraw();
        this.live.textContent = model.words();
      } catch (problem) {
        this.live.textContent = problem.message;
      }
    }
    bind() {
      const { canvas, model } = this;
      const point = (event) => {
        const box = canvas.getBoundingClientRect();
        return [event.clientX - box.left, event.clientY - box.top];
      };
      let drag = null;
      canvas.addEventListener("pointerdown", (event) => {
        const [x, y] = point(event);
        if (x < this.painter.left) return;
        const { brush } = this.painter;
        drag = {
          x,
          y,
          life: y < LIFE,
          window: [...model.window],
          moved: false,
          inBrush: y < LIFE && x >= brush.x - 4 && x <= brush.x + brush.w + 4,
          start: this.painter.lifeAt(x),
        };
        canvas.setPointerCapture(event.pointerId);
      });
      canvas.addEventListener("pointermove", (event) => {
        const [x, y] = point(event);
        if (drag && Math.abs(x - drag.x) > 3) {
          drag.moved = true;
          if (drag.life && !drag.inBrush) {
            const at = this.painter.lifeAt(x);
            model.show(Math.min(at, drag.start), Math.max(at, drag.start));
          } else {
            const scale = drag.life
              ? this.painter.lifeAt(x) - this.painter.lifeAt(drag.x)
              : (-(x - drag.x) / (this.painter.right - this.painter.left)) *
                (drag.window[1] - drag.window[0]);
            model.show(drag.window[0] + scale, drag.window[1] + scale);
          }
          this.redraw(true);
          return;
        }
        const found = this.painter.under(x, y);
        const links =
          found?.link !== undefined
            ? [found.link]
            : found?.group
              ? this.model.linksOfGroup(found.group)
              : [];
        canvas.style.cursor = found ? "pointer" : y < LIFE ? "ew-resize" : "crosshair";
        canvas.title = this.title(found);
        const next = links.length ? this.model.ends(links) : NONE;
        if ([...next.links].join() !== [...this.hover.links].join()) {
          this.hover = next;
          if (this.pin === null) this.redraw();
        }
      });
      canvas.addEventListener("pointerup", (event) => {
        const was = drag;
        drag = null;
        if (!was || was.moved) return;
        const [x, y] = point(event);
        if (was.life) {
          const length = model.window[1] - model.window[0],
            at = this.painter.lifeAt(x);
          model.show(at - length / 2, at + length / 2);
          this.redraw(true);
          return;
        }
        this.click(this.painter.under(x, y));
      });
      canvas.addEventListener("pointercancel", () => {
        drag = null;
      });
      canvas.addEventListener("pointerleave", () => {
        if (this.hover !== NONE) {
          this.hover = NONE;
          if (this.pin === null) this.redraw();
        }
      });
      canvas.addEventListener(
        "wheel",
        (event) => {
          if (
            !event.ctrlKey &&
            !event.shiftKey &&
            Math.abs(event.deltaY) < Math.abs(event.deltaX)
          ) {
            event.preventDefault();
            model.move(event.deltaX / 800);
            this.redraw(true);
            return;
          }
          if (document.activeElement !== canvas && !event.ctrlKey) return;
          event.preventDefault();
          const [x] = point(event);
          model.zoom(
            event.deltaY > 0 ? 1.25 : 0.8,
            this.painter.at(Math.max(this.painter.left, x)),
          );
          this.redraw(true);
        },
        { passive: false },
      );
      canvas.addEventListener("dblclick", (event) => {
        const [x] = point(event);
        model.zoom(0.4, this.painter.at(x));
        this.redraw(true);
      });
      document.addEventListener("keydown", (event) => this.key(event));
      for (const button of this.card.querySelectorAll("[data-zoom]"))
        button.addEventListener("click", () => this.zoom(button.dataset.zoom));
      for (const button of this.card.querySelectorAll("[data-view]"))
        button.addEventListener("click", () => this.show(button.dataset.view));
      document.addEventListener("cs:theme", () => {
        this.painter.theme();
        this.redraw();
      });
      new ResizeObserver(() => this.redraw()).observe(this.stage);
      matchMedia("print").addEventListener("change", () => this.redraw());
      addEventListener("hashchange", () => {
        this.fromHash();
        this.redraw(true);
      });
    }
    zoom(how) {
      if (how === "fit") this.model.fit();
      else this.model.zoom(how === "in" ? 0.6 : 1 / 0.6, this.middle());
      this.redraw(true);
    }
    // Zooming keeps what is pinned in sight.
    middle() {
      const link = this.pin === null ? null : this.model.data.links[this.pin];
      if (!link) return undefined;
      const at = this.model.events[link[0]][0],
        [from, to] = this.model.window;
      return at > from && at < to ? at : undefined;
    }
    key(event) {
      if (event.key === "Escape" && this.pin !== null) {
        this.letGo();
        return;
      }
      if (
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) ||
        document.querySelector("dialog[open]")
      )
        return;
      const focused = event.target === this.canvas;
      if (document.body.dataset.keys === "off" && !focused) return;
      const acts = {
        "+": () => this.zoom("in"),
        "=": () => this.zoom("in"),
        "-": () => this.zoom("out"),
        0: () => this.zoom("fit"),
        t: () => this.show(this.view === "lanes" ? "table" : "lanes"),
        n: () => this.step(1),
        p: () => this.step(-1),
        ...(focused
          ? {
              ArrowLeft: () => {
                this.model.move(-0.15);
                this.redraw(true);
              },
              ArrowRight: () => {
                this.model.move(0.15);
                this.redraw(true);
              },
              Enter: () => {
                if (this.pin !== null) this.panel.querySelector("a")?.focus();
              },
            }
          : {}),
      };
      if (acts[event.key]) {
        event.preventDefault();
        acts[event.key]();
      }
    }
    step(by) {
      const links = this.model.data.links;
      if (!links.length) return;
      const order = links
        .map((_, i) => i)
        .sort((a, b) => this.model.events[links[a][0]][0] - this.model.events[links[b][0]][0]);
      const at = order.indexOf(this.pin);
      this.pinLink(
        order[at < 0 ? (by > 0 ? 0 : order.length - 1) : (at + by + order.length) % order.length],
        true,
      );
    }
    click(found) {
      if (!found) {
        this.letGo();
        return;
      }
      if (found.mark) {
        if (
          typeof found.mark.href === "string" &&
          found.mark.href.startsWith("/") &&
          !found.mark.href.startsWith("//")
        )
          location.href = found.mark.href;
        return;
      }
      if (found.bin) {
        this.model.show(found.bin[0], found.bin[1]);
        this.redraw(true);
        return;
      }
      if (found.link !== undefined) {
        this.pinLink(found.link);
        return;
      }
      const links = this.model.linksOfGroup(found.group);
      if (links.length) {
        this.pinLink(links[0]);
        return;
      }
      if (found.group.members.length > 1) {
        const all = found.group.members.map((i) => this.model.events[i]),
          from = all[0][0],
          to = Math.max(...all.map((e) => e[0] + (e[1] || 0))),
          pad = Math.max(1000, (to - from) * 0.2);
        this.model.show(from - pad, to + pad);
        this.redraw(true);
        return;
      }
      const ref = this.model.events[found.group.members[0]][6];
      if (/^\d+-\d+$/.test(ref)) location.href = `/events/${ref}/`;
    }
    letGo() {
      if (this.pin === null && this.panel.hidden) return;
      this.pin = null;
      this.hover = NONE;
      this.panel.hidden = true;
      this.redraw(true);
    }
    show(view) {
      this.view = view;
      this.stage.hidden = view === "table";
      this.table.hidden = view !== "table";
      for (const button of this.card.querySelectorAll("[data-view]"))
        button.setAttribute("aria-pressed", String(button.dataset.view === view));
      if (view === "table") this.fill();
      this.toHash();
      if (view === "lanes") this.redraw();
    }
  }
  for (const card of document.querySelectorAll("[data-lanes]")) {
    const lanes = new Lanes(card);
    card.csLanes = lanes;
    lanes.start();
  }
})();
