// A file dropped on a source: sent with progress, answered with counts. Without it the form works.
"use strict";
(() => {
  const { $, announce } = window.cs;
  const drop = (form) => {
    if (form.dataset.ready) return;
    form.dataset.ready = "1";
    const zone = $(".cs-drop-zone", form),
      input = $("input[type=file]", form),
      box = $(".cs-drop-progress", form),
      bar = $("progress", box),
      words = $("[data-drop-words]", box);
    for (const kind of ["dragover", "dragenter"])
      zone.addEventListener(kind, (event) => {
        event.preventDefault();
        zone.classList.add("cs-over");
      });
    for (const kind of ["dragleave", "drop"])
      zone.addEventListener(kind, () => zone.classList.remove("cs-over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files.length) {
        input.files = event.dataTransfer.files;
        form.requestSubmit();
      }
    });
    form.addEventListener("submit", (event) => {
      if (!input.files.length) return;
      event.preventDefault();
      const request = new XMLHttpRequest();
      let read = 0;
      request.open("POST", form.action);
      request.setRequestHeader("Accept", "application/json");
      box.hidden = false;
      bar.value = 0;
      words.textContent = `Sending ${input.files[0].name}`;
      request.upload.addEventListener("progress", (step) => {
        if (step.lengthComputable) {
          bar.value = (100 * step.loaded) / step.total;
          words.textContent =
            step.loaded === step.total
              ? "Received; reading the records"
              : `Sending: ${Math.round((100 * step.loaded) / step.total)} %`;
        }
      });
      const lines = () =>
        request.responseText
          .split("\n")
          .map((line) => line.trim())
          .filter(Boolean);
      request.addEventListener("progress", () => {
        const all = lines();
        for (; read < all.length; read++)
          try {
            const step = JSON.parse(all[read]);
            if (step.of) {
              bar.value = (100 * step.done) / step.of;
              words.textContent = `Reading: ${step.done} of ${step.of}`;
            }
          } catch {
            return;
          }
      });
      request.addEventListener("error", () => {
        words.textContent =
          "The connection broke. Nothing was acknowledged; send it again, nothing is stored twice.";
      });
      request.addEventListener("load", () => {
        let answer = {};
        try {
          answer = JSON.parse(lines().at(-1));
        } catch {
          answer = {
            problem:
              request.status === 413
                ? "The file is too large."
                : `The answer could not be read (${request.status}).`,
          };
        }
        if (request.status >= 400 || answer.problem) {
          words.textContent = answer.problem || `Refused (${request.status}).`;
          announce(words.textContent);
          return;
        }
        bar.value = 100;
        words.textContent = `${answer.words} `;
        announce(words.textContent);
        const to = String(answer.url || "");
        if (to.startsWith("/") && !to.startsWith("//")) {
          const link = document.createElement("a");
          link.href = to;
          link.textContent = to.startsWith("/changes/") ? "Open the change" : "Open the deposit";
          words.append(link);
        }
      });
      request.send(new FormData(form));
    });
  };

  document.querySelectorAll("form[data-drop]").forEach(drop);
})();
