// The work of an installer: mark, measure, look whether the grid lies on the street.
import { Stage } from "/stage.js";
import { WORDS } from "/words.js";

const $ = (id) => document.getElementById(id);
const KINDS = { line: "#5cc8ff", zone: "#c79bff", mask: "#ff7a6b" };
const GROUND = { ground: "#3d4a45", sidewalk: "#6f7a80", carriageway: "#2b2f33", crossing: "#e8e8e8", marking: "#ffffff", cycleway: "#8a4b3c", building: "#54463f" };
const work = { pairs: [], drawn: [] };
let about = { size: [1, 1], plan: [], save: false, geographic: false };
let mode = "point", chosen = -1, open = null, found = null, image = null, unit = "ground", asked = 0, timer = 0;
let language = localStorage.getItem("language") || (navigator.language.startsWith("cs") || navigator.language.startsWith("sk") ? "cs" : "en");
const say = (name, ...values) => { const word = WORDS[language][name]; return typeof word === "function" ? word(...values) : word; };

async function ask(path, body) {
  const answer = await fetch(path, body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error((await answer.text()) || answer.statusText);
  return answer.json();
}
const sent = (thorough) => ({ pairs: work.pairs.map(({ image: i, ground, lonlat }) => ({ image: i, ground, lonlat })), drawn: work.drawn.filter((s) => s.closed).map(({ kind, id, points }) => ({ kind, id, points })), thorough });

// A quick answer at once; the one that also looks for the lens when nobody has moved for a moment.
function changed() {
  show();
  clearTimeout(timer);
  timer = setTimeout(async () => { await fit(false); timer = setTimeout(() => fit(true), 700); }, 120);
}
async function fit(thorough) {
  const mine = ++asked;
  try {
    const said = await ask("/fit", sent(thorough));
    if (mine !== asked) return;
    found = said; $("fault").textContent = "";
  } catch (fault) {
    if (mine !== asked) return;
    found = null; $("fault").textContent = fault instanceof TypeError ? say("lost") : fault.message;
  }
  document.body.dataset.fit = thorough ? "thorough" : "quick";
  show();
}

const stage = new Stage($("picture"), {
  grab(at, reach) {
    let best = null, least = reach;
    for (const handle of handles()) {
      const away = Math.hypot(handle.at[0] - at[0], handle.at[1] - at[1]);
      if (away < least) { best = handle; least = away; }
    }
    return best;
  },
  move(handle, at) { handle.put(inside(at)); found = null; },
  drop(handle) { handle.choose(); changed(); },
  tap(at) { tapped(inside(at)); },
  draw,
});
const inside = ([u, v]) => [Math.min(Math.max(u, 0), about.size[0]), Math.min(Math.max(v, 0), about.size[1])].map((x) => Math.round(x * 10) / 10);
function handles() {
  if (mode === "point") return work.pairs.map((p, n) => ({ at: p.image, put: (to) => { p.image = to; }, choose: () => { chosen = n; } }));
  return work.drawn.filter((s) => s.kind === mode).flatMap((s) => s.points.map((p, n) => ({ at: p, put: (to) => { s.points[n] = to; }, choose: () => {} })));
}
function tapped(at) {
  if (mode === "point") {
    work.pairs.push({ image: at, ground: null, lonlat: null });
    chosen = work.pairs.length - 1;
    changed();
    $("rows").querySelector(".chosen input")?.focus({ preventScroll: false });
    return;
  }
  if (!(mode in KINDS)) return;
  if (!open) { open = { kind: mode, id: fresh(), points: [], closed: false }; work.drawn.push(open); }
  open.points.push(at);
  if (mode === "line" && open.points.length === 2) close();
  changed();
}
function fresh() {
  if (mode === "mask") return "";
  for (let n = 1; ; n += 1) if (!work.drawn.some((s) => s.id === `${mode}-${n}`)) return `${mode}-${n}`;
}
function close() { if (open) { open.closed = true; open = null; } }

function draw(c, s) {
  if (image) { const [x, y] = s.at; c.drawImage(image, x, y, s.size[0] * s.scale, s.size[1] * s.scale); }
  const trace = (points) => { c.beginPath(); points.forEach((p, n) => { const [x, y] = s.screen(p); n ? c.lineTo(x, y) : c.moveTo(x, y); }); };
  if (found?.grid) {
    c.save(); c.beginPath(); c.rect(...s.at, s.size[0] * s.scale, s.size[1] * s.scale); c.clip();
    c.strokeStyle = "#ffe34dcc"; c.lineWidth = 1;
    for (const line of found.grid.lines) { trace(line); c.stroke(); }
    c.restore();
    c.font = "14px system-ui"; c.fillStyle = "#ffe34d"; c.fillText(say("grid", found.grid.apart_m), 10, s.canvas.clientHeight - 12);
  }
  for (const shape of work.drawn) {
    c.strokeStyle = c.fillStyle = KINDS[shape.kind]; c.lineWidth = 3;
    trace(shape.points);
    if (shape.kind !== "line" && shape.closed) { c.closePath(); c.globalAlpha = 0.25; c.fill(); c.globalAlpha = 1; }
    c.stroke();
    shape.points.forEach((p) => { const [x, y] = s.screen(p); c.fillRect(x - 4, y - 4, 8, 8); });
    if (shape.points.length) { const [x, y] = s.screen(shape.points[0]); c.font = "15px system-ui"; c.fillText(shape.id, x + 8, y - 8); }
  }
  work.pairs.forEach((pair, n) => {
    const [x, y] = s.screen(pair.image), row = rowOf(n), bad = row && !row.used;
    c.strokeStyle = bad ? "#ff7a6b" : n === chosen ? "#2fb5a0" : "#ffffff"; c.lineWidth = 2.5;
    c.beginPath(); c.arc(x, y, 11, 0, 2 * Math.PI); c.moveTo(x - 16, y); c.lineTo(x - 4, y); c.moveTo(x + 4, y); c.lineTo(x + 16, y);
    c.moveTo(x, y - 16); c.lineTo(x, y - 4); c.moveTo(x, y + 4); c.lineTo(x, y + 16); c.stroke();
    c.font = "bold 16px system-ui"; c.lineWidth = 4; c.strokeStyle = "#000a"; c.fillStyle = "#fff";
    c.strokeText(n + 1, x + 13, y - 10); c.fillText(n + 1, x + 13, y - 10);
  });
}
const rowOf = (n) => { const at = found?.rows?.indexOf(n) ?? -1; return at < 0 || !found.pairs ? null : found.pairs[at]; };

function show() {
  document.documentElement.lang = language;
  document.title = say("title");
  document.querySelectorAll("[data-word]").forEach((e) => { e.textContent = say(e.dataset.word); });
  $("language").textContent = language === "cs" ? "English" : "Česky";
  $("language").lang = language === "cs" ? "en" : "cs";
  document.querySelectorAll("nav button").forEach((b) => b.setAttribute("aria-selected", String(b.dataset.mode === mode)));
  const planned = mode === "point" && about.plan.length > 0;
  const missing = mode === "point" && found?.missing ? ` ${say("missing", found.missing)}` : "";
  $("hint").textContent = say(`hint${mode[0].toUpperCase()}${mode.slice(1)}`) + (planned ? ` ${say("hintPlan")}` : "") + missing;
  $("unit").hidden = mode !== "point" || !about.geographic;
  $("result").hidden = mode !== "done";
  $("finish").textContent = say(about.save ? "finishSave" : "finish");
  if ($("plan").hidden === planned) { $("plan").hidden = !planned; }
  rows();
  $("findings").replaceChildren(...(found?.findings ?? []).map((f) => {
    const item = document.createElement("li");
    item.dataset.code = f.code;
    item.textContent = say(f.code === "wrong" ? "wrongPairs" : f.code, f.code === "wrong" ? { pairs: numbered() } : f.values);
    return item;
  }));
  stage.draw();
  plan.draw();
}
const numbered = () => found.rows.filter((_, at) => !found.pairs[at].used).map((n) => n + 1).join(", ");

// Rows are made anew only when there are others, so that a keyboard on the screen stays open.
let made = "";
function rows() {
  const shapes = work.drawn.map((s, n) => [s, n]).filter(([s]) => s.kind === mode);
  const kind = [language, mode, unit, mode === "point" ? work.pairs.length : shapes.map(([s, n]) => `${n}${s.closed}`).join()].join("|");
  if (kind !== made) {
    made = kind;
    $("rows").replaceChildren(...(mode === "point" ? work.pairs.map(pairRow) : shapes.map(([s, n], i) => shapeRow(s, n, i))));
  }
  if (mode === "point") [...$("rows").children].forEach((item, n) => {
    const row = rowOf(n), error = item.querySelector(".error");
    item.classList.toggle("chosen", n === chosen);
    item.classList.toggle("wrong", Boolean(row) && !row.used);
    const places = work.pairs[n][unit];
    item.querySelectorAll("input").forEach((input, axis) => { if (document.activeElement !== input) input.value = places ? places[axis] : input.value; });
    error.hidden = !row;
    if (row) {
      error.textContent = say("error", number(row.error_m, 2), number(row.error_px, 1), row.left_out_m === null ? null : number(row.left_out_m, 2)) + (row.used ? "" : ` – ${say("wrong")}`);
      error.className = `error ${row.error_m > 0.5 ? "bad" : row.error_m < 0.2 ? "good" : ""}`;
    }
  });
  else [...$("rows").children].forEach((item) => {
    const shape = work.drawn[item.dataset.at], place = found?.places?.find((p) => p.name === `${shape.kind} ${shape.id}`);
    const closing = item.querySelector("[data-testid=close]");
    if (closing) closing.disabled = shape.points.length < 3;
    item.querySelector(".error").textContent = place ? say("place", place.sd_m === null ? null : number(place.sd_m, 2)) : "";
  });
}
const number = (x, digits) => (x === null ? "?" : x.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
function make(tag, properties, ...children) { const e = Object.assign(document.createElement(tag), properties); e.append(...children); return e; }
function pairRow(pair, n) {
  const names = unit === "ground" ? ["east", "north"] : ["lon", "lat"];
  const inputs = names.map((name, axis) => make("input", {
    type: "text", inputMode: unit === "ground" ? "text" : "decimal", placeholder: say(name), ariaLabel: `${n + 1} ${say(name)}`, value: pair[unit]?.[axis] ?? "", autocomplete: "off",
    onfocus: () => { chosen = n; show(); },
    oninput: () => {
      const read = inputs.map((i) => (i.value.trim() === "" ? NaN : Number(i.value.trim().replace(",", ".").replace("−", "-"))));
      pair.ground = pair.lonlat = null;
      if (read.every(Number.isFinite)) pair[unit] = read;
      changed();
    },
  }));
  inputs.forEach((i, axis) => { i.dataset.testid = `${names[axis]}-${n + 1}`; });
  const remove = make("button", { type: "button", textContent: "✕", ariaLabel: `${say("remove")} ${n + 1}`, onclick: () => { work.pairs.splice(n, 1); chosen = -1; found = null; made = ""; changed(); } });
  return make("li", {}, make("button", { type: "button", className: "number", textContent: n + 1, onclick: () => { chosen = n; show(); } }), ...inputs, remove, make("span", { className: "error" }));
}
function shapeRow(shape, at, n) {
  const remove = make("button", { type: "button", textContent: "✕", ariaLabel: `${say("remove")} ${shape.id || n + 1}`, onclick: () => { if (open === shape) open = null; work.drawn.splice(at, 1); made = ""; changed(); } });
  const name = shape.kind === "mask" ? make("span", { textContent: say("masks") }) : make("input", {
    type: "text", value: shape.id, placeholder: say("nameless"), ariaLabel: say("nameless"), pattern: "[a-z0-9][a-z0-9\\-]{0,62}", autocapitalize: "off",
    oninput: (e) => { if (e.target.validity.valid && e.target.value) { shape.id = e.target.value; changed(); } },
  });
  const act = !shape.closed ? make("button", { type: "button", textContent: say("close"), disabled: shape.points.length < 3, onclick: () => { close(); made = ""; changed(); } })
    : make("button", { type: "button", textContent: say("turn"), hidden: shape.kind !== "line", onclick: () => { shape.points.reverse(); changed(); } });
  if (!shape.closed) act.dataset.testid = "close";
  const item = make("li", { className: "shape" }, make("span", { className: "number", textContent: n + 1 }), name, act, remove, make("span", { className: "error" }));
  item.dataset.at = at;
  return item;
}

// The site plan: metres, north up.
const plan = new Stage($("plan"), {
  grab: () => null, move() {}, drop() {},
  tap(at) {
    const pair = work.pairs[chosen];
    if (!pair) return;
    const corners = about.plan.flatMap((s) => s.points).map((p) => [p, Math.hypot(...[0, 1].map((k) => p[k] - metres(at)[k]))]).sort((a, b) => a[1] - b[1]);
    const near = corners[0] && corners[0][1] * plan.scale < 14 ? corners[0][0] : metres(at);
    unit = "ground"; document.querySelector("[name=unit][value=ground]").checked = true;
    pair.lonlat = null; pair.ground = near.map((x) => Math.round(x * 100) / 100);
    changed();
  },
  draw(c, s) {
    const put = (p) => s.screen([p[0] - area[0], area[3] - p[1]]);
    for (const shape of about.plan) {
      c.beginPath(); shape.points.forEach((p, n) => { const [x, y] = put(p); n ? c.lineTo(x, y) : c.moveTo(x, y); });
      c.closePath(); c.fillStyle = GROUND[shape.kind] ?? "#555"; c.fill();
    }
    work.pairs.forEach((pair, n) => {
      if (!pair.ground) return;
      const [x, y] = put(pair.ground);
      c.beginPath(); c.arc(x, y, 7, 0, 2 * Math.PI); c.fillStyle = n === chosen ? "#2fb5a0" : "#ffe34d"; c.fill();
      c.fillStyle = "#000"; c.font = "bold 11px system-ui"; c.textAlign = "center"; c.fillText(n + 1, x, y + 4); c.textAlign = "start";
    });
  },
});
let area = [0, 0, 1, 1];  // west, south, east, north [m]
const metres = ([u, v]) => [u + area[0], area[3] - v];

// A picture of the camera shows the street only when its process knows what is background.
let loading = false;
async function renew() {
  if (loading) return;
  loading = true;
  try {
    for (;;) {
      const answer = await fetch(`/picture.jpg?${Date.now()}`);
      if (answer.ok) { image = await createImageBitmap(await answer.blob()); break; }
      if (answer.status !== 503) throw new Error(answer.statusText);
      const left = Math.ceil(Number(answer.headers.get("X-Learning")));
      $("waiting").textContent = left > 0 ? say("learning", left) : say("opening");
      await new Promise((later) => { setTimeout(later, 1000); });
    }
    $("waiting").textContent = "";
    document.body.dataset.picture = "shown";
  } catch { $("waiting").textContent = say("lost"); } finally { loading = false; }
  stage.draw();
}

$("renew").onclick = renew;
$("language").onclick = () => { language = language === "cs" ? "en" : "cs"; localStorage.setItem("language", language); show(); };
$("closer").onclick = () => stage.zoom(1.5);
$("farther").onclick = () => stage.zoom(1 / 1.5);
document.querySelectorAll("nav button").forEach((b) => { b.onclick = () => {
  if (open && open.points.length < 3) work.drawn.splice(work.drawn.indexOf(open), 1);
  close(); mode = b.dataset.mode; changed();
}; });
document.querySelectorAll("[name=unit]").forEach((r) => { r.onchange = () => { unit = r.value; show(); }; });
$("finish").onclick = async () => {
  try { const said = await ask("/finish", sent(true)); $("block").value = said.block; $("said").textContent = said.said; $("fault").textContent = ""; }
  catch (fault) { $("fault").textContent = fault instanceof TypeError ? say("lost") : fault.message; }
};
$("copy").onclick = async () => {
  $("block").select();
  if (navigator.clipboard) await navigator.clipboard.writeText($("block").value); else document.execCommand("copy");
  $("said").textContent = say("copied");
};

async function begin() {
  about = await ask("/begin");
  work.pairs = about.pairs.map((p) => ({ image: p.image, ground: p.ground, lonlat: null }));
  work.drawn = about.drawn.map((s) => ({ ...s, closed: true }));
  const points = about.plan.filter((s) => s.kind !== "ground").flatMap((s) => s.points);
  if (points.length) {
    const near = points.filter((p) => Math.hypot(...p) < 45), used = near.length > 3 ? near : points;
    const [x, y] = [0, 1].map((k) => used.map((p) => p[k]));
    area = [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)];
    plan.set([area[2] - area[0], area[3] - area[1]]);
  }
  stage.set(about.size);
  changed();
  await renew();
}
begin().catch((fault) => { $("fault").textContent = fault.message; });
