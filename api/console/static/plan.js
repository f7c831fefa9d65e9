// Draws the living on the plan: boxes with a nose for vehicles, a wedge for cyclists, dots.

const COLOURS = { vehicles: "#7fa6cf", cyclists: "#4fc1a0", pedestrians: "#c7a2ea" };
const HEAVY = new Set(["truck", "bus", "tram", "van"]);
const RINGS = { notice: "#9fb6cc", serious: "#f0b44c", severe: "#ff7a6b" };
const RING_FOR = 20000; // [ms] an incident is marked
const SMALLEST = 3; // [px] radius of a dot, however far the plan is zoomed out

export class Plan {
  constructor(ground) {
    this.ground = ground;
    this.svg = ground.querySelector("svg");
    this.canvas = ground.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    new ResizeObserver(() => this.fit()).observe(ground);
    this.fit();
  }

  fit() {
    const { width, height } = this.ground.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    const box = this.svg.viewBox.baseVal;
    this.scale = Math.min(width / box.width, height / box.height);
    const left = (width - this.scale * box.width) / 2 - this.scale * box.x;
    const top = (height - this.scale * box.height) / 2 - this.scale * box.y;
    this.transform = [ratio * this.scale, 0, 0, -ratio * this.scale, ratio * left, ratio * top];
    [this.west, this.east] = [-left / this.scale, (width - left) / this.scale];
    [this.south, this.north] = [(top - height) / this.scale, top / this.scale];
    const bar = this.ground.querySelector(".scale");
    bar.style.width = `${10 * this.scale}px`;
    bar.firstElementChild.textContent = "10 m";
  }

  // Whether a place lies within what can be seen of the plan.
  shows({ x, y }) {
    return x >= this.west && x <= this.east && y >= this.south && y <= this.north;
  }

  draw(users, incidents, time) {
    const { context } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(...this.transform);
    for (const user of users) this.trail(user);
    for (const user of users) this.user(user);
    for (const incident of incidents) this.ring(incident, time);
  }

  trail(user) {
    if (user.trail.length < 2 || user.speed < 2) return;
    const { context } = this;
    context.strokeStyle = COLOURS[user.group];
    context.globalAlpha = 0.28;
    context.lineWidth = user.group === "vehicles" ? 0.9 : 0.4;
    context.lineCap = "round";
    context.beginPath();
    user.trail.forEach((point, i) => (i ? context.lineTo(point.x, point.y) : context.moveTo(point.x, point.y)));
    context.lineTo(user.x, user.y);
    context.stroke();
    context.globalAlpha = 1;
  }

  user(user) {
    const { context } = this;
    context.save();
    context.translate(user.x, user.y);
    context.rotate(user.heading ?? 0);
    context.fillStyle = COLOURS[user.group];
    context.strokeStyle = "#0d1215";
    context.lineWidth = 0.18;
    context.beginPath();
    if (user.group === "vehicles" && user.heading !== null) this.box(user);
    else if (user.group === "vehicles") context.arc(0, 0, user.width / 2, 0, 2 * Math.PI);
    else if (user.group === "cyclists") this.wedge();
    else context.arc(0, 0, Math.max(0.55, SMALLEST / this.scale), 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    context.restore();
  }

  // The position is the middle of the box; the pale end is the front.
  box({ length, width, kind }) {
    const { context } = this;
    const [l, w] = [length / 2, width / 2];
    context.roundRect(-l, -w, length, width, 0.35);
    context.fill();
    context.stroke();
    context.beginPath();
    context.fillStyle = HEAVY.has(kind) ? "#d9e4f0" : "#b9d0e8";
    context.rect(l - Math.min(1.1, length / 4), -w + 0.15, Math.min(0.7, length / 6), width - 0.3);
  }

  wedge() {
    const size = Math.max(1.1, (1.4 * SMALLEST) / this.scale);
    this.context.moveTo(size, 0);
    this.context.lineTo(-0.8 * size, 0.65 * size);
    this.context.lineTo(-0.8 * size, -0.65 * size);
    this.context.closePath();
  }

  ring({ x, y, at, severity }, time) {
    const age = time - at;
    if (!(age >= 0 && age < RING_FOR)) return;
    const { context } = this;
    context.globalAlpha = 1 - age / RING_FOR;
    context.strokeStyle = RINGS[severity] ?? RINGS.notice;
    context.lineWidth = 0.35;
    context.beginPath();
    context.arc(x, y, 2.5, 0, 2 * Math.PI);
    context.stroke();
    context.globalAlpha = 1;
  }
}
