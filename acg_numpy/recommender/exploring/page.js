// What do the controls show?  Weights are softmax(scores / temperature), conditions the weighed sum of what tokens add,
// layer-normed where the conditioner's are.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  for (const name of ["scores", "added", "bias", "gain", "shift", "centre", "plane"]) data[name] = floats(data[name]);
  const U = data.users.length, N = data.domains.length, H = data.heads, K = data.tokens.length, D = data.dim;
  const NEAREST = 8, TOKENS = 24, CLOUD = Math.min(500, Math.ceil(4e5 / (H * K))), ENDS = 20, NAMED = 6, LETTERS = 28;
  const HEIGHTS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]; // of the bars' axis, where tokens are many
  const at = (id) => document.getElementById(id);
  const shown = { a: 0, b: Math.min(1, U - 1), compare: false, domain: 0, head: 0, temperature: 1 };

  function floats(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer); // little-endian, whatever the machine
    return Float64Array.from({ length: bytes.length / 4 }, (_, n) => view.getFloat32(4 * n, true));
  }

  // ---- the mathematics

  function weights(user, domain, head, t = shown.temperature) { // (K,); at 0 the largest score, or equal ones, get all
    const start = ((user * N + domain) * H + head) * K, { scores } = data, P = new Float64Array(K);
    let top = -Infinity, total = 0; // loops, for the slider asks for millions of weights
    for (let k = 0; k < K; k++) top = Math.max(top, scores[start + k]);
    for (let k = 0; k < K; k++) {
      P[k] = t === 0 ? Number(scores[start + k] === top) : Math.exp((scores[start + k] - top) / t);
      total += P[k];
    }
    for (let k = 0; k < K; k++) P[k] /= total;
    return P;
  }

  const known = (user, domain) => data.reachable[user * N + domain] === "1";

  function condition(user, domain) { // (D,)
    const c = Float64Array.from(data.bias), { added } = data;
    for (let h = 0, start = domain * H * K * D; h < H; h++) {
      const P = weights(user, domain, h);
      for (let k = 0; k < K; k++, start += D) for (let i = 0; i < D; i++) c[i] += P[k] * added[start + i];
    }
    return normed ? layerNorm(c) : c;
  }

  const normed = data.gain.length > 0;

  function layerNorm(c) {
    const mean = c.reduce((sum, one) => sum + one, 0) / D;
    const variance = c.reduce((sum, one) => sum + (one - mean) ** 2, 0) / D;
    const scale = 1 / Math.sqrt(variance + 1e-5);
    return c.map((one, i) => (one - mean) * scale * data.gain[i] + data.shift[i]);
  }

  const dot = (x, y) => x.reduce((sum, one, i) => sum + one * y[i], 0);
  const cosine = (x, y) => dot(x, y) / Math.max(Math.sqrt(dot(x, x) * dot(y, y)), 1e-300);

  const axes = [data.plane.subarray(0, D), data.plane.subarray(D)];
  const origin = axes.map((axis) => dot(data.bias, axis) - dot(data.centre, axis));
  const addedOnPlane = axes.map((axis) =>
    Float64Array.from({ length: N * H * K }, (_, n) => dot(data.added.subarray(n * D, (n + 1) * D), axis)));

  function place(user, domain) { // of the condition on the plane, (2,), without making the condition unless it is normed
    if (normed) {
      const c = condition(user, domain);
      return axes.map((axis) => dot(c, axis) - dot(data.centre, axis));
    }
    const point = [...origin];
    for (let h = 0; h < H; h++) {
      const P = weights(user, domain, h), start = (domain * H + h) * K;
      for (let k = 0; k < K; k++) for (const axis of [0, 1]) point[axis] += P[k] * addedOnPlane[axis][start + k];
    }
    return point;
  }

  // ---- words

  const percent = (weight) => (100 * weight).toFixed(1) + "%";
  const count = (n) => n.toLocaleString("en");
  const short = (name) => { // by whole letters, and not at its end, in which ids differ
    const letters = Array.from(name);
    if (letters.length <= LETTERS) return name;
    return letters.slice(0, LETTERS - 10).join("") + "…" + letters.slice(-9).join("");
  };
  const plain = (name) => short(name).replace(/&/g, "&amp;").replace(/</g, "&lt;"); // where Plotly would read markup
  const called = (who) => `${who.toUpperCase()}: ${plain(data.users[shown[who]])}`;
  const compared = () => (shown.compare ? ["a", "b"] : ["a"]);

  function temperatureText(temperature) {
    if (temperature === 0) return "0: all to the highest score";
    if (temperature === Infinity) return "infinite: the same to all";
    return temperature.toPrecision(2) + (temperature === 1 ? ", as trained" : "");
  }

  function element(kind, text, className = "") {
    const made = document.createElement(kind);
    made.textContent = text;
    made.className = className;
    return made;
  }

  function draw(id, changes, layout = {}) { // changes: of each trace, in place of what it had
    const traces = at(id).data.map((trace, n) => ({ ...trace, ...changes[n] }));
    Plotly.react(id, traces, { ...at(id).layout, ...layout });
  }

  // ---- the page

  function choose() { // of many tokens those with most weight as trained, in their order
    const tokens = Array.from({ length: K }, (_, k) => k);
    if (K <= TOKENS) return tokens;
    const P = compared().map((who) => weights(shown[who], shown.domain, shown.head, 1));
    const most = tokens.map((k) => Math.max(...P.map((weight) => weight[k])));
    return tokens.sort((x, y) => most[y] - most[x] || x - y).slice(0, TOKENS).sort((x, y) => x - y);
  }

  function showAttention() {
    const { domain, head } = shown;
    const P = ["a", "b"].map((who) =>
      compared().includes(who) && known(shown[who], domain) ? weights(shown[who], domain, head) : null);
    const tokens = choose();
    const names = tokens.map((k) => data.tokens[k]);
    const top = Math.max(1 / K, ...P.flatMap((weight) => (weight ? tokens.map((k) => weight[k]) : [])));
    const range = [0, K > TOKENS ? 1.02 * (HEIGHTS.find((height) => height >= top) ?? 1) : 1.02];
    draw("attention", P.map((weight, n) => ({
      x: names,
      y: weight ? tokens.map((k) => weight[k]) : names.map(() => 0),
      name: called("ab"[n]),
      visible: n === 0 || shown.compare,
      hovertemplate: `${"AB"[n]}, %{x}: %{y:.1%}<extra></extra>`,
    })), { yaxis: { ...at("attention").layout.yaxis, range } });
    const spread = compared().map((who, n) => {
      if (!P[n]) return `${who.toUpperCase()}: nothing known`;
      const nats = P[n].reduce((sum, weight) => sum - (weight > 0 ? weight * Math.log(weight) : 0), 0);
      return `${who.toUpperCase()} spreads over ${Math.exp(nats).toFixed(1)} of ${count(K)} tokens`;
    });
    const cut = tokens.length === K ? "" :
      ` Here and below: the ${TOKENS} of ${count(K)} tokens to which this head, as trained, gives most.`;
    at("spread").textContent = spread.join("; ") + " (the exponential of the entropy)." + cut;

    const rows = tokens.map((k) => {
      const row = document.createElement("tr"), name = element("th", data.tokens[k]);
      const items = data.tokenItems[domain][head][k].filter((n) => n >= 0).map((n) => data.items[n]);
      name.scope = "row";
      row.append(name, ...P.map((weight, n) => element("td", weight ? percent(weight[k]) : "–", "ab"[n])));
      row.append(element("td", items.map(short).join(", ")));
      row.lastChild.title = items.join("\n");
      return row;
    });
    at("tokens").tBodies[0].replaceChildren(...rows);
    showHeads(P.map((weight) => (weight ? tokens : [])), names);
  }

  function showHeads(tokens, names) { // in colours that mean the same for both
    const heads = Array.from({ length: H }, (_, h) => h);
    const maps = compared().map((who, n) => heads.map((h) => {
      const P = weights(shown[who], shown.domain, h);
      return tokens[n].map((k) => P[k]);
    }));
    const zmax = Math.max(1 / K, ...maps.flat(2));
    for (const [n, who] of compared().entries())
      draw("heads-" + who, [{
        x: names, y: heads.map((h) => "head " + h), z: maps[n], zmax,
        hovertemplate: "%{y}, %{x}: %{z:.1%}<extra></extra>",
      }]);
  }

  function showNearest() {
    const { domain } = shown, allUsers = Array.from({ length: U }, (_, user) => user);
    const conditions = allUsers.map((user) => (known(user, domain) ? condition(user, domain) : null));
    for (const who of compared()) {
      const mine = conditions[shown[who]];
      const near = allUsers.filter((user) => mine && user !== shown[who] && conditions[user])
        .map((user) => [cosine(mine, conditions[user]), user]).sort((x, y) => y[0] - x[0] || x[1] - y[1]);
      at("nearest-" + who).replaceChildren(...near.slice(0, NEAREST).map(([likeness, user]) => {
        const row = document.createElement("li"), button = element("button", short(data.users[user]));
        button.type = "button";
        button.title = "compare with " + data.users[user];
        button.addEventListener("click", () => compareWith(who, user));
        row.append(button, ` ${likeness.toFixed(4)}`);
        return row;
      }));
    }
    const others = conditions.filter(Boolean).length - Number(Boolean(conditions[shown.a]));
    at("among").textContent = `Of the ${count(others)} others on this page of whom something is known outside ` +
      `${data.domains[domain]}, those whose conditions there point most the same way, with the cosine. Choose one to ` +
      "compare.";
    if (shown.compare) {
      const [x, y] = [conditions[shown.a], conditions[shown.b]];
      if (x && y) at("among").append(` Between A and B it is ${cosine(x, y).toFixed(4)}.`);
    }
  }

  function showPlane() {
    const step = Math.max(1, Math.ceil((U * N) / CLOUD));
    const clouds = [[[], []], [[], []]];
    for (let user = 0; user < U; user += step)
      for (let d = 0; d < N; d++)
        if (known(user, d)) {
          const point = place(user, d), cloud = clouds[Number(d === shown.domain)];
          cloud[0].push(point[0]);
          cloud[1].push(point[1]);
        }
    const ways = ["a", "b"].map((who) => data.domains.map((_, d) => // the condition in each domain, null where unknown
      compared().includes(who) && known(shown[who], d) ? condition(shown[who], d) : null));
    const paths = ways.map((way, n) => {
      const met = way.flatMap((c, d) => (c ? [d] : [])), points = met.map((d) => place(shown["ab"[n]], d));
      return {
        x: points.map((point) => point[0]),
        y: points.map((point) => point[1]),
        text: met.map((d) => (N <= NAMED || d === shown.domain ? plain(data.domains[d]) : "")),
        customdata: met.map((d) => `${"AB"[n]} in ${plain(data.domains[d])}`),
        marker: { ...at("plane").data[2 + n].marker, size: met.map((d) => (d === shown.domain ? 16 : 9)) },
        name: called("ab"[n]),
        visible: n === 0 || shown.compare,
      };
    });
    const titles = ["users in other domains", "users in " + plain(data.domains[shown.domain])];
    draw("plane", [...clouds.map(([x, y], n) => ({ x, y, name: titles[n] })), ...paths]);
    const points = clouds[0][0].length + clouds[1][0].length;
    at("cloud").textContent = step > 1 ? `The cloud shows ${count(points)} conditions, of one user in ${step}.` : "";

    at("here").textContent = data.domains[shown.domain];
    at("moves").tBodies[0].replaceChildren(...data.domains.map((name, d) => {
      const row = document.createElement("tr"), title = element("th", short(name));
      title.scope = "row";
      title.title = name;
      row.append(title, ...ways.map((way, n) => {
        const here = way[shown.domain];
        return element("td", way[d] && here ? cosine(way[d], here).toFixed(3) : "–", "ab"[n]);
      }));
      return row;
    }));
  }

  function show() { // who, where, and attention
    document.body.classList.toggle("comparing", shown.compare);
    for (const id of ["search-b", "user-b"]) at(id).disabled = !shown.compare;
    at("temperature-text").textContent = temperatureText(shown.temperature);
    at("temperature").setAttribute("aria-valuetext", temperatureText(shown.temperature));
    for (const who of ["a", "b"])
      for (const title of document.querySelectorAll(".name-" + who))
        title.textContent = `${who.toUpperCase()}: ${data.users[shown[who]]}`;
    const lost = compared().filter((who) => !known(shown[who], shown.domain));
    at("notice").textContent = lost.map((who) => `Nothing is known of ${who.toUpperCase()} outside ` +
      `${data.domains[shown.domain]}: there the condition is zeros, and attention goes nowhere.`).join(" ");
    showAttention();
  }

  function showConditions() {
    showNearest();
    showPlane();
  }

  // However fast the slider moves, a frame draws one of the two, in turns: attention follows at once, conditions next.
  const halves = [show, showConditions], stale = [false, false];
  let turn = 1, asked = false;
  function later() {
    stale.fill(true);
    if (!asked) requestAnimationFrame(next);
    asked = true;
  }

  function next() {
    if (stale[1 - turn]) turn = 1 - turn;
    stale[turn] = false;
    halves[turn]();
    asked = stale.includes(true);
    if (asked) requestAnimationFrame(next);
  }

  // ---- the controls

  function options(select, names, values = names.map((_, n) => n)) {
    select.replaceChildren(...values.map((n) => new Option(short(names[n]), n)));
  }

  function search(who) { // the list narrows to the ids that hold the text; the first of them, or the same, is chosen
    const wanted = at("search-" + who).value.trim().toLowerCase();
    const ids = data.users.map((_, user) => user);
    const found = wanted ? ids.filter((user) => data.users[user].toLowerCase().includes(wanted)) : ids;
    const exact = ids.find((user) => data.users[user].toLowerCase() === wanted);
    if (exact !== undefined) shown[who] = exact;
    else if (found.length && !found.includes(shown[who])) shown[who] = found[0];
    options(at("user-" + who), data.users, found.length ? found : [shown[who]]);
    at("user-" + who).value = shown[who];
    const missing = data.total > U ? `none of the ${count(U)} on this page, of ${count(data.total)}: ` +
      "acg explore --user ID puts one in" : "none";
    at("matches-" + who).textContent = !wanted ? "" : found.length ? `${count(found.length)} of ${count(U)}` : missing;
    later();
  }

  function compareWith(who, user) {
    const other = who === "a" ? "b" : "a";
    shown.compare = at("compare").checked = true;
    shown[other] = user;
    at("search-" + other).value = "";
    search(other);
    at("user-" + other).focus();
  }

  function paint() { // in the colours of the page, light or dark; and as wide as now there is room
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
    const axes = {};
    for (const axis of ["xaxis", "yaxis"])
      Object.assign(axes, { [axis + ".gridcolor"]: colour("--grid"), [axis + ".linecolor"]: colour("--line") });
    const layout = { autosize: true, "font.color": colour("--text"), "hoverlabel.bgcolor": colour("--panel"),
      "hoverlabel.font.color": colour("--text"), ...axes };
    for (const id of ["attention", "heads-a", "heads-b", "plane"]) Plotly.relayout(id, layout);
    Plotly.restyle("attention", { "marker.color": [colour("--a"), colour("--b-fill")],
      "marker.pattern.fgcolor": colour("--page") });
    Plotly.restyle("plane", { "marker.color": [colour("--a"), colour("--b-fill")],
      "line.color": [colour("--a"), colour("--b-fill")] }, [2, 3]);
  }

  options(at("domain"), data.domains);
  options(at("head"), Array.from({ length: H }, (_, h) => "head " + h));
  const first = data.users.findIndex((_, user) => known(user, 0));
  shown.a = Math.max(first, 0);
  shown.b = Math.min(shown.a + 1, U - 1);
  for (const who of ["a", "b"]) {
    search(who);
    at("search-" + who).addEventListener("input", () => search(who));
    at("user-" + who).addEventListener("change", (event) => { shown[who] = Number(event.target.value); later(); });
  }
  for (const id of ["domain", "head"])
    at(id).addEventListener("change", (event) => { shown[id] = Number(event.target.value); later(); });
  at("compare").addEventListener("change", (event) => {
    shown.compare = event.target.checked;
    for (const half of halves) half();
    dispatchEvent(new Event("resize")); // what was hidden had no width
  });
  at("temperature").addEventListener("input", (event) => {
    const step = Number(event.target.value);
    shown.temperature = step === ENDS ? 0 : step === -ENDS ? Infinity : 10 ** (-step / 10);
    later();
  });
  at("trained").addEventListener("click", () => {
    at("temperature").value = 0;
    at("temperature").dispatchEvent(new Event("input"));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  paint();
  for (const half of halves) half();
})();
