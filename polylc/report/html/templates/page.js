"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // ---- dark and light: the system's choice, until the reader makes one
  const root = document.documentElement, theme = document.getElementById("theme");
  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const nameIt = () => { theme.textContent = isDark() ? "light" : "dark"; theme.setAttribute("aria-label", `show in ${theme.textContent} colours`); };
  theme.hidden = false;
  nameIt();
  const redraw = () => { nameIt(); all("canvas").forEach((c) => c.draw && c.draw()); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; redraw(); });

  // ---- what is folded opens where a link leads to it, and on paper
  const fill = (details) => { // of a page of very many sections what is folded is text until it is opened
    const held = details.querySelector(":scope > script.later");
    if (!held) return;
    held.outerHTML = held.textContent.replaceAll("<\\/script", "</script").replaceAll("<\\!--", "<!--");
    setUp(details);
  };
  const openAt = () => {
    const name = decodeURIComponent(location.hash.slice(1)), around = document.getElementById(name.split("-").slice(0, 2).join("-"));
    if (around && around.tagName === "DETAILS") fill(around);
    const target = name && document.getElementById(name);
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", openAt);
  let folded = [];
  addEventListener("beforeprint", () => { all("details").forEach(fill); folded = all("details:not([open])"); folded.forEach((d) => { d.open = true; }); });
  addEventListener("afterprint", () => folded.forEach((d) => { d.open = false; }));

  // ---- tables: sorted by a heading, filtered by words and by conditions such as regions>10
  const number = (text) => { const found = text.match(/-?\d+(\.\d+)?(e[-+]?\d+)?/i); return found ? Number(found[0]) : NaN; };
  const plain = (text) => text.toLowerCase().replace(/\s+/g, "");
  for (const table of all("table.sortable")) {
    const body = table.tBodies[0], heads = all("thead th", table);
    const texts = new Map([...body.rows].map((row) => [row, [...row.cells].map((cell) => cell.textContent.trim())]));
    heads.forEach((head, at) => head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const numeric = head.classList.contains("number"), key = (row) => texts.get(row)[at];
      const rows = [...body.rows].sort((a, b) => {
        if (!numeric) return (up ? 1 : -1) * key(a).localeCompare(key(b));
        const x = number(key(a)), y = number(key(b));
        if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y); // what is not known comes last
        return up ? x - y : y - x;
      });
      body.append(...rows);
    }));
    const form = document.createElement("div");
    form.className = "filter";
    form.innerHTML = '<label>Filter <input type="search" ></label><output></output>';
    table.closest(".scroll").before(form);
    const input = form.querySelector("input"), told = form.querySelector("output");
    const counted = heads.findLast((head, at) => at < 3 && head.classList.contains("number") && head.textContent.trim());
    input.placeholder = counted ? `words, or ${plain(counted.textContent)}>10` : "words";
    const names = heads.map((head) => plain(head.textContent));
    const test = (word) => {
      const found = word.match(/^([^<>=]+)(<=|>=|<|>|=)(.+)$/), at = found ? names.indexOf(plain(found[1])) : -1;
      if (at < 0) return (cells) => cells.some((text) => text.toLowerCase().includes(word));
      const value = Number(found[3]);
      if (isNaN(value)) return (cells) => plain(cells[at]) === found[3];
      const compare = { "<": (x) => x < value, ">": (x) => x > value, "<=": (x) => x <= value, ">=": (x) => x >= value, "=": (x) => x === value };
      return (cells) => compare[found[2]](number(cells[at]));
    };
    const filter = () => {
      const tests = input.value.toLowerCase().split(/\s+/).filter(Boolean).map(test);
      let shown = 0;
      for (const [row, cells] of texts) { row.hidden = !tests.every((fits) => fits(cells)); shown += !row.hidden; }
      told.textContent = tests.length ? `${shown} of ${texts.size} rows` : "";
    };
    input.addEventListener("input", filter);
  }

  // ---- regions of a picture: what is known of the one under the pointer, or chosen by the arrow keys
  const digits = (value) => (Number.isInteger(value) ? String(value) : Number(value.toPrecision(6)).toString());
  const affine = (row, axes) => row.slice(0, -1).map((a, j) => `${a < 0 ? "\u2212" : "+"} ${digits(Math.abs(a))}\u00b7${axes[j]}`).join(" ").replace(/^\+ /, "")
    + ` ${row.at(-1) < 0 ? "\u2212" : "+"} ${digits(Math.abs(row.at(-1)))}`;
  const words = (data, r) => {
    const parts = [`region ${r}`, `gradient norm ${digits(data.norm[r])}`];
    if (data.class && data.class[r] >= 0) parts.push(`class ${data.class[r]} at its inner point`);
    if (data.pattern) parts.push(`pattern ${data.pattern[r]}`);
    if (data.map) data.map[r].forEach((row, j) => parts.push(`f${j} = ${affine(row, data.axes)}`));
    return parts.join("; ");
  };
  const once = (figure, begin) => { // a page may have hundreds of pictures: each is set up when it is first seen
    const seen = new IntersectionObserver((entries) => { if (entries.some((e) => e.isIntersecting)) { seen.disconnect(); begin(figure); } });
    seen.observe(figure);
  };
  const inPixels = (svg, data, told) => { // the colour of each pixel of a second image is the number of its region
    if (!data.ids) return;
    const spot = svg.querySelector(".spot"), count = data.norm.length, image = new Image(), canvas = document.createElement("canvas");
    let pen = null, here = -1;
    image.onload = () => {
      [canvas.width, canvas.height] = [image.width, image.height];
      pen = canvas.getContext("2d", { willReadFrequently: true });
      pen.drawImage(image, 0, 0);
    };
    image.src = data.ids;
    const show = (r) => {
      here = r;
      spot.setAttribute("visibility", r < 0 ? "hidden" : "visible");
      if (r >= 0) { spot.setAttribute("cx", data.at[r][0]); spot.setAttribute("cy", data.at[r][1]); }
      told.textContent = r < 0 ? data.hint : words(data, r);
    };
    show(-1);
    svg.addEventListener("pointermove", (event) => {
      if (!pen) return;
      const box = svg.getBoundingClientRect();
      const [x, y] = [(event.clientX - box.left) / box.width * canvas.width, (event.clientY - box.top) / box.height * canvas.height];
      const [red, green, blue] = pen.getImageData(Math.floor(x), Math.floor(y), 1, 1).data, r = red + 256 * green + 65536 * blue - 1;
      if (r !== here) show(r);
    });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) { event.preventDefault(); show((here + step + count) % count); }
    });
  };
  const flat = (figure) => {
    const svg = figure.querySelector(".regions"), data = JSON.parse(figure.querySelector("script").textContent), told = figure.querySelector(".told");
    const cells = all("g.cells path", svg);
    all(".tools button", figure).forEach((button, _, buttons) => button.addEventListener("click", () => {
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      all("g.layer", svg).forEach((layer) => { layer.style.display = layer.dataset.layer === button.dataset.layer ? "" : "none"; });
    }));
    if (!cells.length) { inPixels(svg, data, told); return; }
    let here = -1;
    const show = (r) => {
      if (cells[here]) cells[here].classList.remove("here");
      here = r;
      if (!cells[r]) { told.textContent = data.hint; return; }
      cells[r].classList.add("here");
      told.textContent = words(data, Number(cells[r].dataset.r));
    };
    show(-1);
    svg.addEventListener("pointermove", (event) => { const at = cells.indexOf(event.target); if (at >= 0 && at !== here) show(at); });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) { event.preventDefault(); show((here + step + cells.length) % cells.length); }
    });
  };

  // ---- three dimensions: cells drawn from back to front, turned by dragging or by the arrow keys
  const solid = (figure) => {
    const canvas = figure.querySelector("canvas"), data = JSON.parse(figure.querySelector("script").textContent), told = figure.querySelector(".told");
    const pen = canvas.getContext("2d"), apart = figure.querySelector("input");
    let turn = 0.6, tilt = 0.45, faces = [];
    canvas.draw = () => {
      const ink = getComputedStyle(root).getPropertyValue("--paper"), size = Math.min(canvas.width, canvas.height) * 0.28;
      const [ct, st, cl, sl] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)], gap = Number(apart.value);
      const look = ([x, y, z]) => { const u = ct * x + st * y, v = -st * x + ct * y; return [u, cl * z + sl * v, cl * v - sl * z]; };
      faces = data.faces.map(([r, corners]) => {
        const c = data.centres[r], seen = corners.map((k) => look(data.corners[k].map((value, j) => value + gap * c[j])));
        return { r, seen, depth: seen.reduce((sum, p) => sum + p[2], 0) / seen.length };
      }).sort((a, b) => b.depth - a.depth);
      pen.clearRect(0, 0, canvas.width, canvas.height);
      pen.lineWidth = 0.8;
      for (const face of faces) {
        const scale = size / (1 + 0.6 * gap);
        face.path = new Path2D();
        face.seen.forEach(([x, y], k) => face.path[k ? "lineTo" : "moveTo"](canvas.width / 2 + scale * x, canvas.height / 2 - scale * y));
        face.path.closePath();
        pen.fillStyle = data.colour[face.r];
        pen.strokeStyle = ink;
        pen.fill(face.path);
        pen.stroke(face.path);
      }
    };
    let held = null;
    canvas.addEventListener("pointerdown", (event) => { held = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointerup", () => { held = null; });
    canvas.addEventListener("pointermove", (event) => {
      if (held) {
        turn += (event.clientX - held[0]) / 120;
        tilt += (event.clientY - held[1]) / 120;
        held = [event.clientX, event.clientY];
        canvas.draw();
        return;
      }
      const box = canvas.getBoundingClientRect(), x = (event.clientX - box.left) * canvas.width / box.width, y = (event.clientY - box.top) * canvas.height / box.height;
      const found = faces.findLast((face) => pen.isPointInPath(face.path, x, y));
      told.textContent = found ? words(data, found.r) : data.hint;
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowRight: [0.1, 0], ArrowLeft: [-0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
      if (step) { event.preventDefault(); turn += step[0]; tilt += step[1]; canvas.draw(); }
    });
    apart.addEventListener("input", () => canvas.draw());
    told.textContent = data.hint;
    canvas.draw();
  };

  const setUp = (within) => {
    all("svg.regions", within).forEach((each) => once(each.closest("figure"), flat));
    all("canvas.complex", within).forEach((each) => once(each.closest("figure"), solid));
  };
  setUp(document);
  all("script.later").forEach((held) => held.parentElement.addEventListener("toggle", (event) => fill(event.target)));
  openAt();
})();
