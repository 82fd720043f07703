"use strict";
/* The table of images: what to show stands in the address after #, so that links within the page filter it too. */
(() => {
  const source = document.getElementById("data");
  const form = document.querySelector(".filters");
  if (!source || !form) return;
  const data = JSON.parse(source.textContent);
  const images = data.images.map((values, place) => {
    const image = { place };
    data.columns.forEach((column, i) => { image[column] = values[i]; });
    image.lower = image.name.toLowerCase();
    return image;
  });
  const results = Object.keys(data.results);
  const body = document.querySelector(".images tbody");
  const count = document.querySelector(".found-count");
  const more = document.querySelector("button.more");
  const heads = [...document.querySelectorAll(".images thead button")];
  let limit = data.at_once;

  const escaped = (text) => text.replace(/[&<>"']/g, (c) => `&${{ "&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "#x27" }[c]};`);

  function row(image) {
    const name = escaped(image.name), link = escaped(image.page);
    let picture = image.picture ? `<img src="${escaped(image.picture)}" alt="" loading="lazy">` : "";
    if (picture && link) picture = `<a href="${link}" tabindex="-1" aria-hidden="true">${picture}</a>`;
    const shade = data.shades[image.result] || "undecided";
    let score = "";
    if (image.score !== null) {
      const line = image.threshold === null ? "" : `<b style="left:${image.threshold.toFixed(1)}%"></b>`;
      score = `<span class="bar ${shade}"><i style="width:${image.score.toFixed(1)}%"></i>${line}</span>${image.score.toFixed(1)}`;
    }
    let why = image.codes.map((c) => `<code title="${escaped(data.meanings[c])}">${escaped(c)}</code>`).join(", ");
    if (image.score === null) why += ` ${escaped(data.meanings[image.codes[0]])}`;
    return `<tr><td class="thumb">${picture}</td>`
      + `<th scope="row">${link ? `<a href="${link}">${name}</a>` : name}</th>`
      + `<td class="score">${score}</td>`
      + `<td class="result text"><span class="badge ${shade}">${escaped(data.results[image.result])}</span></td>`
      + `<td class="boxes">${image.boxes === null ? "" : image.boxes}</td>`
      + `<td class="why text">${why}</td></tr>`;
  }

  const keys = {
    name: (image) => image.place,
    score: (image) => image.score,
    boxes: (image) => image.boxes,
    result: (image) => results.indexOf(image.result),
  };

  function compare(order) {
    const falling = order.startsWith("-");
    const key = keys[falling ? order.slice(1) : order] || keys.score;
    return (a, b) => {
      const x = key(a), y = key(b);
      if (x === null || y === null) return (x === null) - (y === null) || a.place - b.place; // without a value: last
      return (falling ? y - x : x - y) || a.place - b.place;
    };
  }

  function wanted() {
    const given = new URLSearchParams(location.hash.slice(1));
    return {
      q: given.get("q") || "", show: given.get("show") || "", why: given.get("why") || "",
      min: given.get("min") || "", max: given.get("max") || "", sort: given.get("sort") || "-score",
    };
  }

  function shown(want) {
    const part = want.q.toLowerCase();
    // the last bar holds a score of 100 as well
    const high = want.max === "" || Number(want.max) >= 100 ? Infinity : Number(want.max);
    const low = want.min === "" ? -Infinity : Number(want.min);
    return images.filter((image) => image.lower.includes(part)
      && (!want.show || image.result === want.show)
      && (!want.why || image.codes.includes(want.why))
      && ((want.min === "" && want.max === "") || (image.score !== null && image.score >= low && image.score < high)));
  }

  function draw() {
    const want = wanted();
    for (const name of ["q", "show", "why", "sort"]) {
      const field = form.elements[name];
      if (field.value !== want[name]) field.value = want[name];
    }
    const found = shown(want).sort(compare(want.sort));
    body.innerHTML = found.slice(0, limit).map(row).join("");
    const range = want.min || want.max ? ` with a score of ${want.min || 0} to ${want.max || 100}` : "";
    const all = found.length <= limit ? "" : `, the first ${limit} shown`;
    count.textContent = `${found.length} of ${images.length} images${range}${all}`;
    more.hidden = found.length <= limit;
    for (const head of heads) {
      const own = head.dataset.sort.replace("-", "") === want.sort.replace("-", "");
      const cell = head.parentElement;
      if (own) cell.setAttribute("aria-sort", want.sort.startsWith("-") ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
  }

  function ask(change) {
    const want = { ...wanted(), ...change };
    if (want.sort === "-score") want.sort = "";
    const given = new URLSearchParams(Object.entries(want).filter(([, value]) => value !== ""));
    limit = data.at_once;
    location.replace(`#${given}`);
  }

  window.addEventListener("hashchange", () => {
    limit = data.at_once;
    draw();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => ask({ [event.target.name]: event.target.value }));
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    location.replace("#all"); // a bare # would go to the top of the page
  });
  heads.forEach((head) => head.addEventListener("click", () => {
    const now = wanted().sort, first = head.dataset.sort;
    const other = first.startsWith("-") ? first.slice(1) : `-${first}`;
    ask({ sort: now === first ? other : first });
  }));
  // a link to images also goes to them
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link) document.getElementById("images").scrollIntoView();
  });
  more.addEventListener("click", () => {
    limit += data.at_once;
    draw();
  });
  draw();
})();
