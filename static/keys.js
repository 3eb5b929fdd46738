// Keys of the queue and of a case, beside those of every page (app.js): a number on a row goes to
// that answer, Enter goes on to what is missing and never signs by itself.
// Pages work without it. Does nothing while somebody types, or when letters are switched off.
"use strict";
(() => {
  const { $, announce } = window.cs;
  const typing = (el) =>
    el.isContentEditable ||
    /^(TEXTAREA|SELECT)$/.test(el.tagName) ||
    (el.tagName === "INPUT" && !/^(checkbox|radio|button|submit)$/.test(el.type));

  // The fragment of an address of ours: the answer that somebody chose on the row.
  const wanted = /^#answer-([1-5])$/.exec(location.hash);
  if (wanted) {
    history.replaceState(null, "", location.pathname + location.search);
    const box = $(`form[data-decide] input[data-key="${wanted[1]}"]`);
    if (box && !box.matches(":disabled")) {
      box.checked = true;
      box.focus();
      box.dispatchEvent(new Event("change", { bubbles: true }));
      announce(`Chosen: ${$("b", box.closest("label")).textContent.trim()}. Enter goes on.`);
    } else announce("This answer is not possible here");
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || $("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const answer = event.target.closest?.("form[data-decide] input[name=answer]");
    if (answer && event.key === "Enter") {
      // Never a signature by a slip: first the reason, then the button, which says what it signs.
      event.preventDefault();
      const reason = $("textarea[name=reason]", answer.form);
      if (answer.checked && reason.value.trim()) $("[data-sign]", answer.form).focus();
      else reason.focus();
      return;
    }
    if (typing(event.target) || document.body.dataset.keys === "off") return;
    const row = $("tr.cs-here");
    const link = row && !$("form[data-decide]") && $("a.cs-row-link", row);
    if (link && /^[1-5]$/.test(event.key)) {
      event.preventDefault();
      location.href = `${link.href}#answer-${event.key}`;
    }
  });
})();
