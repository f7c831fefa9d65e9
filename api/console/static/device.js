// The page of one device: asks for a reason first, then for pictures, live views and commands.

const REFRESH = 3000; // [ms]
const LARGEST = 4 << 20; // bytes of a part of the live view
const $ = (selector) => document.querySelector(selector);
const main = $("main[data-device]");
const words = JSON.parse(main?.dataset.words ?? "{}");
const address = `/v1/devices/${main?.dataset.device}`;

function say(text) {
  $("#said").textContent = text;
  $("#said").hidden = !text;
}

// Why somebody looks or asks; without it nothing is shown.
function reason() {
  const given = $("#reason").value.trim();
  say(given.length < 3 ? words.reason_first : "");
  if (given.length >= 3) return given;
  $("#reason").focus();
  return null;
}

const purpose = (given) => `purpose=${encodeURIComponent(given)}`;

async function detail(answer) {
  const problem = await answer.json().catch(() => ({}));
  return problem.detail ?? String(answer.status);
}

// Pictures of a multipart stream whose parts state their length.
async function* pictures(body) {
  const reader = body.getReader();
  const text = new TextDecoder("latin1");
  let kept = new Uint8Array();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const more = new Uint8Array(kept.length + value.length);
    more.set(kept);
    more.set(value, kept.length);
    kept = more;
    for (;;) {
      const head = text.decode(kept.subarray(0, 1024));
      const end = head.indexOf("\r\n\r\n") + 4;
      const length = Number(/content-length: *(\d+)/i.exec(head.slice(0, end))?.[1]);
      if (end < 4 || !(kept.length >= end + length)) break;
      const captured = /x-captured: *(\S+)/i.exec(head.slice(0, end))?.[1];
      yield { captured, jpeg: new Blob([kept.slice(end, end + length)], { type: "image/jpeg" }) };
      kept = kept.slice(end + length);
    }
    if (kept.length > LARGEST) throw new TypeError("no picture");
  }
}

class View {
  constructor() {
    this.image = $("[data-testid=live] img");
    this.caption = $("[data-testid=live] figcaption");
    this.running = null;
    $("#begin").addEventListener("click", () => (this.running ? this.running.abort(words.ended) : this.begin(false)));
    $("#through").addEventListener("click", () => this.begin(true));
  }

  async begin(through) {
    const given = reason();
    if (given === null || this.running) return;
    const running = (this.running = new AbortController());
    const seconds = 60 * Number($("#minutes").value);
    $("#unreachable").hidden = true;
    $("#begin").textContent = words.end;
    this.tell(words.opening);
    const until = Date.now() + 1000 * seconds;
    const timer = setTimeout(() => running.abort(words.over), 1000 * seconds);
    try {
      const said = await this.watch(await (through ? this.throughPlatform(given, running) : this.directly(given, seconds, running)), until);
      this.tell(said ?? words.broke_off);
    } catch (fault) {
      this.tell(running.signal.aborted ? running.signal.reason : words.broke_off);
    } finally {
      clearTimeout(timer);
      running.abort();
      this.running = null;
      $("#begin").textContent = words.begin;
    }
  }

  throughPlatform(given, { signal }) {
    return fetch(`${address}/live?${purpose(given)}`, { signal });
  }

  // From the camera itself: what a browser says of an address that it cannot or must not reach is one and the same.
  async directly(given, seconds, { signal }) {
    const permitted = await fetch(`${address}/permit?${purpose(given)}&seconds=${seconds}`, { signal });
    if (!permitted.ok) return permitted;
    const { url, token } = await permitted.json();
    const headers = { Authorization: `Bearer ${token}` };
    try {
      return await fetch(url, { headers, signal, credentials: "omit", cache: "no-store" });
    } catch (fault) {
      $("#unreachable").hidden = signal.aborted;
      throw fault;
    }
  }

  async watch(answer, until) {
    if (answer.status === 401) return words.no_permit;
    if (!answer.ok) return `${words.refused} ${await detail(answer)}`;
    const clock = new Intl.DateTimeFormat(words.locale, { timeZone: "Europe/Prague", timeStyle: "medium" });
    for await (const { captured, jpeg } of pictures(answer.body)) {
      const shown = URL.createObjectURL(jpeg);
      this.image.onload = () => URL.revokeObjectURL(shown);
      this.image.src = shown;
      this.image.className = "shown";
      this.image.hidden = this.caption.hidden = false;
      const left = Math.max(0, Math.round((until - Date.now()) / 1000));
      const clockLeft = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      this.caption.textContent = `${words.captured} ${clock.format(new Date(captured))} · ${words.left} ${clockLeft}`;
    }
    return Date.now() >= until ? words.over : null;
  }

  tell(text) {
    this.image.hidden = this.caption.hidden = true;
    $("#live-said").textContent = text;
  }
}

async function show(snapshot) {
  const given = reason();
  if (given === null) return;
  const [image, text] = [$("#snapshot img"), $("#snapshot p")];
  image.hidden = true;
  text.textContent = words.opening;
  $("#snapshot").showModal();
  const answer = await fetch(`${address}/snapshots/${snapshot}?${purpose(given)}`).catch(() => null);
  if (!answer?.ok) {
    text.textContent = words.no_snapshot;
    return;
  }
  const shown = URL.createObjectURL(await answer.blob());
  image.onload = () => URL.revokeObjectURL(shown);
  image.src = shown;
  image.hidden = false;
  text.textContent = "";
}

async function ask(type) {
  const given = reason();
  if (given === null) return;
  const body = JSON.stringify({ do: { type }, purpose: given });
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`${address}/commands`, { method: "POST", headers, body }).catch(() => null);
  if (!answer?.ok) say(`${words.not_asked} ${answer ? await detail(answer) : ""}`);
  refresh();
}

// Where the focus is, so that it is found again in what takes its place; null: nobody could say.
function focused(part) {
  const { activeElement: element } = document;
  if (!part.contains(element)) return "";
  if (element.dataset.snapshot) return `[data-snapshot="${element.dataset.snapshot}"]`;
  return element.tagName === "SUMMARY" ? `#${element.parentElement.id} > summary` : null;
}

// What changed on the page is replaced; what is open stays open, and what has the focus keeps it.
const known = new Map();
let lost = false;
async function refresh() {
  const answer = document.hidden ? null : await fetch(location.href).catch(() => ({ ok: false }));
  if (!answer) return;
  if (lost === answer.ok) say(answer.ok ? "" : words.lost);
  lost = !answer.ok;
  if (lost) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const name = part.dataset.part;
    const there = $(`[data-part="${name}"]`);
    const focus = focused(there);
    if (known.get(name) === part.innerHTML || focus === null) continue;
    known.set(name, part.innerHTML);
    const open = [...there.querySelectorAll("details[open]")].map((each) => each.id);
    there.replaceChildren(...part.childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focus) there.querySelector(focus)?.focus();
  }
}

if (main) {
  for (const part of document.querySelectorAll("[data-part]")) known.set(part.dataset.part, part.innerHTML);
  if ($("#begin")) new View();
  document.addEventListener("click", ({ target }) => {
    if (target.dataset.snapshot) show(target.dataset.snapshot);
    if (target.dataset.ask) ask(target.dataset.ask);
  });
  setInterval(refresh, REFRESH);
}
