// What every page does in the browser: clocks, keys, copy, toasts, the decision form.
// Pages work without it. Writes text only, never markup: names on a page are foreign text.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const announce = (words) => {
    const box = $("#announcer");
    if (box) box.textContent = words;
  };

  // --- Time: the server's clock goes on here, so that a wrong clock of the reader moves nothing.
  const served = document.body.dataset.now ? Date.parse(document.body.dataset.now) : Date.now();
  const started = performance.now();
  const now = () => served + (performance.now() - started);
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
  const two = (n) => String(n).padStart(2, "0");
  const full = (ms) => {
    const d = new Date(ms);
    return `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]} ${d.getUTCFullYear()} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())} UTC`;
  };
  const span = (ms) => {
    let s = Math.floor(Math.abs(ms) / 1000);
    const d = Math.floor(s / 86400);
    s %= 86400;
    const h = Math.floor(s / 3600);
    s %= 3600;
    const m = Math.floor(s / 60);
    s %= 60;
    if (d > 2) return `${d} d`;
    if (d) return h ? `${d} d ${h} h` : `${d} d`;
    if (h) return m ? `${h} h ${m} min` : `${h} h`;
    if (m) return m < 2 && s ? `${m} min ${s} s` : `${m} min`;
    return `${s} s`;
  };
  const clock = (ms) => {
    let s = Math.floor(ms / 1000);
    const d = Math.floor(s / 86400);
    s %= 86400;
    return `${d ? `${d} d ` : ""}${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  };
  const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const tick = () => {
    const at = now();
    for (const el of $$("time[data-due]")) {
      const left = Date.parse(el.dateTime) - at;
      const words =
        left <= 0
          ? `${span(left)} over`
          : el.dataset.due === "clock"
            ? clock(left)
            : `in ${span(left)}`;
      if (el.textContent !== words) el.textContent = words;
      el.classList.toggle("cs-due-over", left <= 0);
      el.classList.toggle("cs-due-soon", left > 0 && left <= 3600000);
    }
    const top = $("#clock time");
    if (top) top.textContent = full(at);
  };
  const zones = (root) => {
    for (const el of $$("time[datetime]", root))
      if (!el.dataset.zone) {
        el.dataset.zone = "1";
        const d = new Date(el.dateTime);
        if (!Number.isNaN(+d)) el.title = `${el.title || full(+d)}\n${zone.format(d)} (your zone)`;
      }
  };
  setInterval(tick, 1000);

  // --- Theme
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-theme-form]");
    if (!form || !window.csTheme) return;
    event.preventDefault();
    window.csTheme(document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark");
    announce(`Theme: ${document.documentElement.dataset.bsTheme}`);
  });
  const profile = $("form input[name=profile]");
  if (profile)
    profile.form.addEventListener("submit", () => {
      const chosen = $("input[name=theme]:checked", profile.form);
      if (chosen && window.csTheme) window.csTheme(chosen.value);
    });

  // --- Copy, dismiss, help
  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      event.preventDefault();
      try {
        await navigator.clipboard.writeText(copy.dataset.copy);
        announce("Copied");
        copy.classList.add("cs-green-text");
        setTimeout(() => copy.classList.remove("cs-green-text"), 1500);
      } catch {
        announce("The browser refused to copy");
      }
      return;
    }
    const gone = event.target.closest("[data-dismiss]");
    if (gone) {
      gone.closest(".cs-toast").remove();
      return;
    }
    if (event.target.closest("[data-help]")) {
      event.preventDefault();
      help();
      return;
    }
    if (event.target.closest("[aria-disabled=true]")) {
      event.preventDefault();
      announce(event.target.closest("[aria-disabled=true]").title);
    }
    for (const open of $$("details.cs-menu[open], details.cs-ask[open]"))
      if (!open.contains(event.target)) open.open = false;
  });
  const help = () => {
    const box = $("#help");
    if (box && box.showModal && !box.open) box.showModal();
  };
  const toasts = () => {
    for (const toast of $$(".cs-toast"))
      if (!toast.dataset.seen) {
        toast.dataset.seen = "1";
        const undo = $("[data-undo]", toast);
        if (undo) setTimeout(() => toast.remove(), 8000);
        else if (!toast.classList.contains("cs-toast-error"))
          setTimeout(() => toast.remove(), 12000);
      }
  };

  // --- Rows: j k o x; what is under the pointer never moves
  const rows = () => $$("table[data-rows] tbody tr").filter((row) => row.offsetParent !== null);
  const here = () => $("tr.cs-here") || $("tr.cs-row-on");
  const walk = (step) => {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(here());
    const next =
      all[
        Math.min(all.length - 1, Math.max(0, at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step))
      ];
    here()?.classList.remove("cs-here");
    next.classList.add("cs-here");
    next.scrollIntoView({ block: "nearest" });
    const link = $("a.cs-row-link", next);
    if (link) link.focus({ preventScroll: true });
    announce(next.textContent.trim().replace(/\s+/g, " ").slice(0, 160));
  };
  const typing = (el) =>
    el &&
    (el.isContentEditable ||
      /^(TEXTAREA|SELECT)$/.test(el.tagName) ||
      (el.tagName === "INPUT" && !/^(checkbox|radio|button|submit)$/.test(el.type)));
  const GO = {
    h: "/",
    q: "/queue/",
    i: "/identities/",
    f: "/findings/",
    s: "/sources/",
    l: "/ledger/",
    u: "/unclaimed/",
  };
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      $("#search")?.focus();
      $("#search")?.select();
      return;
    }
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      const form = event.target.closest?.("form.cs-decide") || $("form[data-decide]");
      if (form && !$("fieldset[disabled]", form)) {
        event.preventDefault();
        form.requestSubmit();
      }
      return;
    }
    if (event.key === "Escape") {
      for (const open of $$("details.cs-menu[open], details.cs-ask[open]")) {
        open.open = false;
        $("summary", open)?.focus();
      }
      if (typing(event.target)) event.target.blur();
      return;
    }
    if (
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      typing(event.target) ||
      document.body.dataset.keys === "off" ||
      $("dialog[open]")
    )
      return;
    if (event.target.closest?.("canvas") && "+-=0nptArrowLeftArrowRight".includes(event.key))
      return;
    if (performance.now() - going < 1200 && GO[event.key]) {
      going = 0;
      location.href = GO[event.key];
      return;
    }
    switch (event.key) {
      case "j":
        walk(1);
        break;
      case "k":
        walk(-1);
        break;
      case "o": {
        const link = here() && $("a.cs-row-link", here());
        if (link) link.click();
        break;
      }
      case "x": {
        const box = here() && $("input[data-select]", here());
        if (box && !box.disabled) {
          box.checked = !box.checked;
          box.dispatchEvent(new Event("change", { bubbles: true }));
        } else if (box) {
          const why = document.getElementById(box.getAttribute("aria-describedby"));
          announce(why ? why.textContent.trim() : "This row cannot be selected.");
        } else if (here()) announce("Rows of this list cannot be selected.");
        break;
      }
      case "/": {
        const field = $("[data-filter]") || $("#search");
        if (field) {
          event.preventDefault();
          field.focus();
        }
        break;
      }
      case "?":
        help();
        break;
      case "g":
        going = performance.now();
        break;
      case "[":
      case "]": {
        const link = $(`a[data-key="${event.key}"]`);
        if (link) link.click();
        break;
      }
      default:
        if (/^[1-7]$/.test(event.key)) {
          const box = $(`input[data-key="${event.key}"]`);
          if (box && !box.matches(":disabled")) {
            box.checked = true;
            box.focus();
            box.dispatchEvent(new Event("change", { bubbles: true }));
          }
        }
    }
  });

  // --- The decision: the dry run and the button follow the chosen answer
  const decide = () => {
    for (const form of $$("form[data-decide]")) {
      const chosen = $("input[name=answer]:checked", form);
      for (const box of $$("[data-dry-run]", form))
        box.classList.toggle("cs-shown", Boolean(chosen) && box.dataset.dryRun === chosen.value);
      const words = $("[data-sign-words]", form);
      if (words)
        words.textContent = chosen
          ? `Sign: ${$("b", chosen.closest("label")).textContent.trim().toLowerCase()}`
          : "Sign";
      const fields = $(".cs-proposal-fields", form);
      if (fields && chosen && (chosen.value === "narrow" || chosen.value === "replace"))
        fields.open = true;
    }
  };
  const bulk = () => {
    for (const bar of $$("[data-bulk]")) {
      const n = $$("input[data-select]:checked").length;
      bar.classList.toggle("cs-shown", n > 0);
      $("[data-bulk-count]", bar).textContent = `${n} selected`;
    }
  };
  document.addEventListener("change", () => {
    decide();
    bulk();
  });
  // The item that is open already is not fetched again: a half-made answer would be lost.
  document.addEventListener(
    "click",
    (event) => {
      const open = event.target.closest(".cs-items tr.cs-row-on a.cs-row-link");
      if (!open || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      $("form[data-decide] input[name=answer]:not(:disabled)")?.focus();
    },
    true,
  );
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".cs-items a.cs-row-link");
    if (link && !event.ctrlKey && !event.metaKey) {
      for (const row of $$(".cs-items tr.cs-row-on")) {
        row.classList.remove("cs-row-on");
        row.removeAttribute("aria-current");
      }
      const row = link.closest("tr");
      row.classList.add("cs-row-on");
      row.setAttribute("aria-current", "true");
    }
  });
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    const form = event.target;
    if (form.method !== "post" || form.matches("[data-drop]")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 4000);
  });

  const settle = (root = document) => {
    zones(root);
    decide();
    bulk();
    toasts();
  };
  document.addEventListener("htmx:after:swap", () => settle());
  settle();
  tick();
  window.cs = { $, announce };
})();
