// Sets light or dark before the first paint: the reader's choice, else the system's.
// Owns the attribute data-bs-theme; knows nothing of the page.
"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    const cookie = document.cookie.match(/(?:^|; )cs_theme=(light|dark|system)/);
    if (cookie) return cookie[1];
    try {
      return localStorage.getItem("cs-theme");
    } catch {
      return null;
    }
  };
  // The account's choice counts until this browser has one of its own.
  const fromServer = root.dataset.bsTheme;
  const apply = () => {
    const choice = stored() || fromServer || "system";
    const wanted = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
    if (root.dataset.bsTheme !== wanted) {
      root.dataset.bsTheme = wanted;
      document.dispatchEvent(new CustomEvent("cs:theme", { detail: wanted }));
    }
  };
  root.dataset.js = "on";
  apply();
  dark.addEventListener("change", apply);
  window.csTheme = (choice) => {
    document.cookie = `cs_theme=${choice}; path=/; max-age=31536000; samesite=lax`;
    try {
      localStorage.setItem("cs-theme", choice);
    } catch {
      /* the cookie is enough */
    }
    apply();
  };
})();
