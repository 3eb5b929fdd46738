// What the lanes say in words: the pinned panel of a link, titles, and the window as a table.
// Writes text only: names in it are foreign.
"use strict";
window.csLanes = window.csLanes || {};
(() => {
  const { STRENGTHS, VERDICTS, stamp, difference } = window.csLanes;
  const make = (tag, words, name) => {
    const el = document.createElement(tag);
    if (words !== undefined) el.textContent = String(words).slice(0, 400);
    if (name) el.className = name;
    return el;
  };

  class Words {
    title(found) {
      if (!found) return "";
      if (found.mark) return `${found.mark.label || found.mark.kind}, ${stamp(found.mark.at)} UTC`;
      if (found.bin) return `${found.bin[3]} events, ${found.bin[4]} outside; click to zoom`;
      if (found.link !== undefined) {
        const link = this.model.data.links[found.link];
        return `${STRENGTHS[link[2]]}: ${link[3]}`;
      }
      const events = found.group.members.map((i) => this.model.events[i]);
      return `${events.length > 1 ? `${events.length} × ` : ""}${events[0][5]}, ${stamp(events[0][0])} UTC, ${VERDICTS[events[0][4]]}`.slice(
        0,
        300,
      );
    }
    pinLink(i, bring = false) {
      this.pin = i;
      const [cause, effect, strength, proof, id] = this.model.data.links[i],
        a = this.model.events[cause],
        b = this.model.events[effect];
      if (bring) {
        const [from, to] = this.model.window,
          first = Math.min(a[0], b[0]),
          last = Math.max(a[0], b[0]);
        if (first < from || last > to) {
          const length = Math.max(to - from, (last - first) * 1.5);
          this.model.show((first + last) / 2 - length / 2, (first + last) / 2 + length / 2);
        }
      }
      const { panel } = this;
      panel.replaceChildren();
      const head = make("p");
      head.append(
        make("b", `Link ${id ?? i + 1}`),
        make("span", "tool call caused API event", "cs-muted"),
        make("span", STRENGTHS[strength], `cs-badge cs-${strength === 1 ? "inferred" : "outline"}`),
        make(
          "span",
          VERDICTS[b[4]],
          `cs-badge ${["cs-green", "cs-red", "cs-ring", "cs-grey"][b[4]]}`,
        ),
      );
      const times = make("p");
      times.append(
        make("code", a[5]),
        make("span", stamp(a[0], "ms")),
        make("span", "→"),
        make("code", b[5]),
        make("span", `${stamp(b[0], "ms")} UTC, ${difference(b[0] - a[0])}`),
      );
      const why = make("p");
      why.append(make("span", `Proof: ${proof}.`));
      const links = [
        ["Open the call", a[6]],
        ["Open the event", b[6]],
      ];
      for (const [words, ref] of links)
        if (/^\d+-\d+$/.test(ref)) {
          const link = make("a", words);
          link.href = `/events/${ref}/`;
          why.append(link);
        }
      panel.append(head, times, why);
      panel.hidden = false;
      this.redraw(true);
    }
    placePanel() {
      const link = this.model.data.links[this.pin],
        end = this.painter.ends?.get(link?.[1]) || this.painter.ends?.get(link?.[0]);
      const { panel } = this;
      if (!end) {
        panel.style.left = `${this.painter.left + 12}px`;
        panel.style.top = `${this.painter.marksY + 34}px`;
        return;
      }
      const w = Math.min(520, this.painter.width - 24),
        right = end.x + 24 + w < this.painter.width;
      panel.style.left = `${Math.max(8, right ? end.x + 24 : end.x - w - 24)}px`;
      panel.style.top = `${Math.min(this.painter.height - panel.offsetHeight - 6, end.y + 26)}px`;
    }
    // The same window as a table: what a screen reader reads and what can be sorted.
    fill() {
      const { model } = this;
      if (model.data.bins) {
        this.live.textContent = `${model.words()}; narrow the window to list them`;
        return;
      }
      this.table.classList.add("cs-client");
      const COLUMNS = ["At, UTC", "Lane", "What", "Took", "Authority", "Link"];
      const rows = model
        .visible()
        .slice(0, 2000)
        .map((i) => {
          const e = model.events[i],
            link = (model.linksOf.get(i) || []).reduce(
              (best, l) => Math.max(best, model.data.links[l][2]),
              0,
            );
          return {
            sort: [
              e[0],
              model.data.lanes[e[2]]?.title ?? "",
              String(e[5]),
              e[1] || 0,
              VERDICTS[e[4]],
              link,
            ],
            ref: e[6],
            cells: [
              stamp(e[0], "day") + " " + stamp(e[0], "ms"),
              model.data.lanes[e[2]]?.title ?? "",
              e[5] + (e[7] > 1 ? ` × ${e[7]}` : ""),
              e[1] ? difference(e[1]).slice(1) : "–",
              VERDICTS[e[4]],
              STRENGTHS[link] || "–",
            ],
          };
        });
      const { column, up } = this.sort;
      rows.sort(
        (a, b) =>
          (a.sort[column] > b.sort[column] ? 1 : a.sort[column] < b.sort[column] ? -1 : 0) *
          (up ? 1 : -1),
      );
      const table = make("table", undefined, "cs-table"),
        head = table.createTHead().insertRow(),
        body = table.createTBody();
      table.dataset.rows = "";
      COLUMNS.forEach((words, i) => {
        const th = make("th");
        th.scope = "col";
        const button = make("button", words);
        button.type = "button";
        button.addEventListener("click", () => {
          this.sort = { column: i, up: this.sort.column === i ? !this.sort.up : true };
          this.fill();
          this.table.querySelectorAll("th button")[i].focus();
        });
        th.append(button);
        if (i === column) th.setAttribute("aria-sort", up ? "ascending" : "descending");
        head.append(th);
      });
      for (const row of rows) {
        const tr = body.insertRow();
        row.cells.forEach((words, i) => {
          const td = tr.insertCell();
          td.dataset.label = COLUMNS[i];
          if (i === 0 && /^\d+-\d+$/.test(row.ref)) {
            const link = make("a", words, "cs-row-link");
            link.href = `/events/${row.ref}/`;
            td.append(link);
          } else if (i === 4 && row.sort[4] !== "inside")
            td.append(
              make(
                "span",
                words,
                `cs-badge ${words === "outside" ? "cs-red" : words === "not judged" ? "cs-grey" : "cs-ring"}`,
              ),
            );
          else td.textContent = words;
        });
      }
      const scroll = make("div", undefined, "cs-scroll");
      scroll.tabIndex = 0;
      scroll.setAttribute("role", "region");
      scroll.setAttribute("aria-label", "Events of the window");
      scroll.append(table);
      this.table.replaceChildren(
        scroll,
        make(
          "p",
          `${model.words()}${model.visible().length > 2000 ? "; the first 2,000 are listed, narrow the window for more" : ""}`,
          "cs-foot-note",
        ),
      );
    }
  }
  Object.assign(window.csLanes, { Words, make });
})();
