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
  const apply = () => {
    const choice = stored() || root.dataset.bsTheme || "system";
    const wanted = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
    if (root.dataset.bsTheme !== wanted || !root.dataset.js) {
      root.dataset.bsTheme = wanted;
      document.dispatchEvent(new CustomEvent("cs:theme", { detail: wanted }));
    }
  };
  // The server's choice counts only until this script has written its own.
  const fromServer = root.dataset.bsTheme;
  root.dataset.js = "on";
  if (!stored() && fromServer) root.dataset.bsTheme = fromServer;
  else apply();
  if (!root.dataset.bsTheme) apply();
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
