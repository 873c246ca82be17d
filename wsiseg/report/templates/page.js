"use strict";
(() => {
  const root = document.documentElement;
  const all = (what, inside = document) => [...inside.querySelectorAll(what)];
  root.classList.add("scripted");

  // What lies over the slide.
  const layers = all("[data-toggle]");
  const showLayers = () => {
    for (const box of layers) {
      for (const image of all(`[data-layer="${box.dataset.toggle}"]`)) image.hidden = !box.checked;
    }
  };
  const sliders = all("[data-opacity]");
  const setOpacity = (value) => {
    root.style.setProperty("--mask", value / 100);
    for (const slider of sliders) slider.value = value;
    for (const told of all('output[for="opacity"]')) told.value = `${value} %`;
  };
  for (const box of layers) box.addEventListener("change", showLayers);
  for (const slider of sliders) slider.addEventListener("input", () => setOpacity(slider.value));
  for (const box of all("[data-marks]")) {
    const showMarks = () => root.classList.toggle("no-marks", !box.checked);
    box.addEventListener("change", showMarks);
    showMarks();
  }
  showLayers();
  if (sliders.length) setOpacity(sliders[0].value);

  // A field, as large as the window.
  const zoom = document.getElementById("zoom");
  if (zoom) {
    const fields = all(".fields figure");
    const place = zoom.querySelector(".zoom-place");
    let current = 0;
    const show = (number) => {
      current = (number + fields.length) % fields.length;
      const field = fields[current];
      place.replaceChildren(field.querySelector(".stack").cloneNode(true));
      zoom.querySelector("strong").textContent =
        `${current + 1} of ${fields.length}: ${field.querySelector("figcaption span").firstChild.textContent}`;
      if (!zoom.open) zoom.showModal();
    };
    fields.forEach((field, number) => {
      field.querySelector("[data-enlarge]").addEventListener("click", () => show(number));
      field.querySelector(".stack").addEventListener("click", () => show(number));
    });
    for (const button of all("[data-step]", zoom)) {
      button.addEventListener("click", () => show(current + Number(button.dataset.step)));
    }
    zoom.querySelector("[data-close]").addEventListener("click", () => zoom.close());
    zoom.addEventListener("click", (event) => { if (event.target === zoom) zoom.close(); });
    zoom.addEventListener("close", () => {
      place.replaceChildren();
      fields[current].querySelector("[data-enlarge]").focus();
    });
    zoom.addEventListener("keydown", (event) => {
      if (event.target.matches("input")) return;
      if (event.key === "ArrowLeft") show(current - 1);
      if (event.key === "ArrowRight") show(current + 1);
    });
  }

  for (const button of all("[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
      } catch {
        // Where a page may not write to the clipboard, it is marked, to be copied by hand.
        getSelection().selectAllChildren(text);
      }
    });
  }

  // The cohort's table: a click sorts, a second one the other way round; empty cells stay last.
  for (const table of all("[data-sortable]")) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const key = (row, column) => {
      const cell = row.cells[column];
      if (cell.classList.contains("n")) return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
      return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
    };
    heads.forEach((head, column) => {
      const button = head.querySelector("[data-sort]");
      if (!button) return;
      button.addEventListener("click", () => {
        const numbers = head.classList.contains("n");
        const before = head.getAttribute("aria-sort");
        const order = before ? (before === "ascending" ? "descending" : "ascending") : numbers ? "descending" : "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const rows = [...body.rows].map((row) => [key(row, column), row]);
        rows.sort(([a], [b]) => {
          if (a === null || b === null) return (a === null) - (b === null);
          return sign * (typeof a === "number" ? a - b : a.localeCompare(b));
        });
        body.append(...rows.map(([, row]) => row));
      });
    });
  }
  for (const field of all("[data-find]")) {
    const rows = all(".cohort tbody tr");
    field.addEventListener("input", () => {
      const wanted = field.value.toLowerCase();
      for (const row of rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
      const left = rows.filter((row) => !row.hidden).length;
      document.querySelector('output[for="find"]').value = wanted ? `${left} of ${rows.length}` : "";
    });
  }

  // Paper has no buttons to open what is closed.
  addEventListener("beforeprint", () => {
    for (const each of all("details:not([data-screen])")) each.open = true;
  });
})();
