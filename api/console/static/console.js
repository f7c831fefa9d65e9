// The live half of the page: one stream of events feeds plan, signal heads and counters.

import { Plan } from "./plan.js";
import { Playback } from "./playback.js";

const FRAME = 33; // [ms] between drawings
const TEXT = 250; // [ms] between changes of the counters
const AGAIN = 5000; // [ms] until a refused stream is asked for again
const STALE = 10000; // [ms] without a frame
const PICTURE = 1000; // [ms] between pictures of a camera
const AFTER_FAULT = 15000; // [ms] until a camera that gave no picture is asked again
const GROUPS = ["vehicles", "cyclists", "pedestrians"];
const KEPT = 5000; // crossings and head changes that wait for their moment; full: the oldest go

const $ = (selector) => document.querySelector(selector);
const testId = (name) => $(`[data-testid="${name}"]`);

function put(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

class Counters {
  constructor(configuration) {
    this.counted = configuration.counted;
    this.groups = configuration.groups;
    this.format = new Intl.NumberFormat(configuration.locale);
    this.passed = new Map(); // of two minutes, by what makes a passage the same one
    this.heard = false;
  }

  reset() {
    this.passed.clear();
    this.heard = true;
  }

  take(crossing) {
    const { device, line, track, at_ms: at } = crossing;
    this.passed.set(`${device} ${line} ${track} ${at}`, crossing);
    if (this.passed.size > KEPT) this.passed.delete(this.passed.keys().next().value);
  }

  show(users, time) {
    if (!this.heard) return;
    const minute = Math.floor((time ?? 0) / 60000);
    for (const [key, crossing] of this.passed) {
      if (Math.floor(crossing.at_ms / 60000) < minute - 1) this.passed.delete(key);
    }
    for (const group of GROUPS) {
      const now = users.filter((user) => user.group === group).length;
      put(testId(`count-${group}-now`), time === null ? "–" : this.format.format(now));
      put(testId(`count-${group}-minute`), this.minute(group, minute, time));
    }
  }

  // A group that no line counts is not zero: nobody looks.
  minute(group, minute, time) {
    if (time === null || !this.counted[group].length) return "–";
    let count = 0;
    for (const crossing of this.passed.values()) {
      const fits = this.groups[crossing.class] === group && this.counted[group].includes(crossing.line);
      if (fits && crossing.at_ms <= time && Math.floor(crossing.at_ms / 60000) === minute) count += 1;
    }
    return this.format.format(count);
  }
}

class Heads {
  constructor(words) {
    this.words = words;
    this.waiting = [];
  }

  take(signal) {
    this.waiting.push(signal);
    if (this.waiting.length > KEPT) this.waiting.shift();
  }

  reset() {
    this.waiting.length = 0;
  }

  // A head changes when the plan has come to that moment.
  show(playback, now) {
    this.waiting = this.waiting.filter((signal) => {
      const time = playback.latest(now);
      if (time !== null && signal.at_ms > time && signal.at_ms < time + 5000) return true;
      const kind = signal.pedestrian ? "pedestrian" : "vehicle";
      for (const head of document.querySelectorAll(`[data-head="${signal.phase} ${kind}"]`)) {
        head.setAttribute("class", `head ${signal.shows} ${kind}`);
        head.querySelector("title").textContent = this.words[`signal.${signal.shows}`] ?? "";
      }
      return false;
    });
  }
}

class Live {
  constructor(configuration) {
    this.configuration = configuration;
    this.playback = new Playback(configuration);
    this.counters = new Counters(configuration);
    this.heads = new Heads(configuration.words);
    this.plan = new Plan($("#plan"));
    this.passing = [];
    this.drawn = 0;
    this.written = 0;
    this.heard = 0;
  }

  start() {
    this.connect();
    requestAnimationFrame((now) => this.frame(now));
  }

  connect() {
    const source = new EventSource(`/v1/live?site=${encodeURIComponent(this.configuration.site)}`);
    const on = (name, act) =>
      source.addEventListener(name, (event) => {
        this.heard = performance.now();
        act(JSON.parse(event.data));
      });
    on("reset", () => [this.playback, this.counters, this.heads].forEach((part) => part.reset()));
    on("tracks", (frame) => {
      this.playback.take(frame, performance.now());
      // The first window is a minute away; the mark must not wait for it.
      if (frame.simulated) testId("simulated").hidden = false;
    });
    on("signal", (signal) => this.heads.take(signal));
    on("crossing", (crossing) => {
      this.counters.take(crossing);
      this.passing.push(crossing);
      if (this.passing.length > KEPT) this.passing.shift();
    });
    on("state", () => {});
    source.onopen = () => (this.state = "live");
    source.onerror = () => {
      const refused = source.readyState === EventSource.CLOSED;
      this.state = refused ? "lost" : "connecting";
      // The browser comes back by itself after a cut, but not after a refusal.
      if (refused) setTimeout(() => this.connect(), AGAIN);
    };
  }

  frame(now) {
    requestAnimationFrame((next) => this.frame(next));
    if (now - this.drawn < FRAME) return;
    this.drawn = now;
    const users = this.playback.users(now).filter((user) => this.plan.shows(user));
    const time = this.playback.latest(now);
    this.plan.draw(users, incidents(), time);
    this.heads.show(this.playback, now);
    this.flash(time);
    if (now - this.written < TEXT) return;
    this.written = now;
    this.counters.show(users, time);
    this.tell(now);
  }

  flash(time) {
    this.passing = this.passing.filter(({ line, at_ms: at }) => {
      if (time === null || at > time) return true;
      const drawn = time - at < 1500 && $(`[data-line="${CSS.escape(line)}"]`);
      if (drawn) {
        drawn.classList.add("passed");
        setTimeout(() => drawn.classList.remove("passed"), 120);
      }
      return false;
    });
  }

  tell(now) {
    const state = this.state === "live" && now - this.heard > STALE ? "stale" : (this.state ?? "connecting");
    const shown = testId("live-state");
    if (!shown) return;
    shown.className = `link ${state}`;
    put(shown, this.configuration.words[`page.${state}`]);
  }
}

function incidents() {
  return [...document.querySelectorAll("[data-testid=incident][data-x]")].slice(0, 8).map((row) => ({
    x: Number(row.dataset.x),
    y: Number(row.dataset.y),
    at: Number(row.dataset.at),
    severity: row.dataset.severity,
  }));
}

// A new picture a second, only of tiles that are seen, one at a time per camera.
class Pictures {
  constructor(purpose) {
    this.purpose = encodeURIComponent(purpose);
    this.due = new Map();
    setInterval(() => this.look(), 250);
  }

  look() {
    if (document.hidden) return;
    const now = performance.now();
    for (const image of document.querySelectorAll("img[data-picture]")) {
      const address = image.dataset.picture;
      if (now < (this.due.get(address) ?? 0) || !image.checkVisibility()) continue;
      this.due.set(address, Infinity);
      this.fetch(image, address);
    }
  }

  fetch(image, address) {
    const next = new Image();
    next.onload = () => {
      next.alt = image.alt;
      next.dataset.picture = address;
      next.className = "shown";
      image.replaceWith(next); // setting `src` would ask the camera once more
      this.due.set(address, performance.now() + PICTURE);
    };
    next.onerror = () => {
      image.classList.remove("shown");
      this.due.set(address, performance.now() + AFTER_FAULT);
    };
    next.src = `${address}?purpose=${this.purpose}&t=${Date.now()}`;
  }
}

function runClock(locale) {
  const clock = testId("clock");
  const options = { timeZone: "Europe/Prague", hour: "2-digit", minute: "2-digit", second: "2-digit", day: "numeric", month: "numeric" };
  const format = new Intl.DateTimeFormat(locale, options);
  const tick = () => {
    const now = new Date();
    put(clock, format.format(now));
    clock.title = `${now.toISOString().slice(0, 19).replace("T", " ")} UTC`;
    setTimeout(tick, 1000 - (now % 1000));
  };
  tick();
}

// Vue puts the page together after this script has loaded.
function whenThere(selector, act) {
  const found = $(selector);
  if (found) act(found);
  else requestAnimationFrame(() => whenThere(selector, act));
}

whenThere("#plan", (element) => {
  const configuration = JSON.parse(element.dataset.configuration);
  runClock(configuration.locale);
  new Pictures(configuration.purpose);
  new Live(configuration).start();
});
