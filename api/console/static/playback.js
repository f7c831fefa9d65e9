// Plays the tracks of the live stream back, a moment late, so that everything glides.

const DELAY = 900; // [ms] behind the newest sample: the next batch has arrived by then
const KEPT = 4000; // [ms] of points that a track keeps
const TRAIL = 1600; // [ms]
const COAST = 350; // [ms] a road user moves on without news
const FAR_BEHIND = 5000; // [ms] what is shown jumps to the present
const LATE = 5000; // [ms] older than the newest: a backlog, of no use to a live picture
const SILENT = 4000; // [ms] without anything new: nobody is shown, what comes next is the present
const TRACKS = 2000; // of one device; full: the oldest is forgotten

// One device's samples, and the time at which they are shown: it runs evenly, a little slower when
// samples get scarce, a little faster when they pile up, and never past the newest.
class Device {
  constructor() {
    this.tracks = new Map();
    this.newest = -Infinity;
    this.heard = -Infinity;
    this.shown = null; // captured time that is shown
    this.at = 0; // when it was that
  }

  // Says whether this is news.
  hear(at, now) {
    if (now - this.heard > SILENT) this.restart(at, now);
    if (at < this.newest - LATE) return false;
    this.newest = Math.max(this.newest, at);
    this.heard = now;
    return true;
  }

  restart(at, now) {
    this.tracks.clear();
    this.newest = at;
    this.shown = at - DELAY;
    this.at = now;
  }

  // Captured time to show now; null if nothing has been heard for a while.
  time(now) {
    if (this.shown === null || now - this.heard > SILENT) return null;
    const ahead = this.newest - this.shown;
    const rate = ahead > 1.7 * DELAY ? 1.3 : ahead < 0.4 * DELAY ? 0.8 : 1;
    this.shown = Math.min(this.shown + rate * (now - this.at), this.newest);
    if (ahead > FAR_BEHIND) this.shown = this.newest - DELAY;
    this.at = now;
    return this.shown;
  }
}

export class Playback {
  constructor(configuration) {
    this.groups = configuration.groups;
    this.sizes = configuration.sizes;
    this.devices = new Map();
  }

  reset() {
    this.devices.clear();
  }

  device(name) {
    let device = this.devices.get(name);
    if (!device) this.devices.set(name, (device = new Device()));
    return device;
  }

  take(frame, now) {
    const device = this.device(frame.device);
    if (!device.hear(frame.at_ms, now)) return;
    for (const user of frame.users) {
      let track = device.tracks.get(user.track);
      if (!track) {
        if (device.tracks.size >= TRACKS) device.tracks.delete(device.tracks.keys().next().value);
        device.tracks.set(user.track, (track = { points: [] }));
      }
      track.kind = user.class;
      const [length, width] = this.sizes[user.class] ?? this.sizes.unknown;
      track.length = user.length_m || length;
      track.width = user.width_m || width;
      user.t_ms.forEach((t, i) => {
        const last = track.points.at(-1);
        if (last && t <= last.t) return;
        const degrees = user.heading_deg[i];
        const heading = degrees === null ? (last?.heading ?? null) : (degrees * Math.PI) / 180;
        track.points.push({ t, x: user.x_m[i], y: user.y_m[i], heading, speed: user.speed_km_h[i] ?? 0 });
      });
    }
  }

  // When, by the clock of a device, the plan is; null if it has not been heard.
  time(name, now) {
    return this.devices.get(name)?.time(now) ?? null;
  }

  // Latest time that is shown of any device.
  latest(now) {
    let latest = null;
    for (const device of this.devices.values()) {
      const time = device.time(now);
      if (time !== null && (latest === null || time > latest)) latest = time;
    }
    return latest;
  }

  // Road users to draw now, each once however many cameras see it.
  users(now) {
    const shown = [];
    for (const device of this.devices.values()) {
      const time = device.time(now);
      if (time === null) continue;
      for (const [number, track] of device.tracks) {
        prune(track, time);
        if (!track.points.length) {
          device.tracks.delete(number);
          continue;
        }
        const user = place(track, time);
        if (!user) continue;
        user.device = device;
        user.group = this.groups[track.kind] ?? "vehicles";
        if (!shown.some((other) => same(user, other))) shown.push(user);
      }
    }
    return shown;
  }
}

function prune(track, time) {
  const last = track.points.at(-1);
  if (last && last.t < time - COAST) track.points.length = 0;
  let old = 0;
  while (old < track.points.length - 1 && track.points[old + 1].t < time - KEPT) old += 1;
  if (old) track.points.splice(0, old);
}

// Where a track is at a time, interpolated; null before its first point.
function place(track, time) {
  const { points } = track;
  let after = points.findIndex((point) => point.t > time);
  if (after === 0) return null;
  if (after < 0) after = points.length;
  const a = points[after - 1];
  const b = points[after];
  const trail = points.filter((point) => point.t > time - TRAIL && point.t <= time);
  const base = { kind: track.kind, length: track.length, width: track.width, speed: a.speed, trail };
  if (!b) {
    const ahead = a.heading === null ? 0 : ((time - a.t) / 1000) * (a.speed / 3.6);
    return { ...base, x: a.x + ahead * Math.cos(a.heading), y: a.y + ahead * Math.sin(a.heading), heading: a.heading };
  }
  const share = (time - a.t) / (b.t - a.t);
  const turn = Math.atan2(Math.sin(b.heading - a.heading), Math.cos(b.heading - a.heading));
  const heading = a.heading === null ? b.heading : a.heading + share * turn;
  return { ...base, x: a.x + share * (b.x - a.x), y: a.y + share * (b.y - a.y), heading };
}

// Two cameras' view of one road user: of one group and nearer than two can stand.
function same(user, other) {
  if (user.device === other.device || user.group !== other.group) return false;
  const near = user.group === "vehicles" ? 2.5 : 0.9;
  return Math.hypot(user.x - other.x, user.y - other.y) < near;
}
