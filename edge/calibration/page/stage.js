// A canvas that shows something larger than itself: pinch, wheel and drag; taps and drags of handles.
const NEAR = 22;  // how near a finger must be to a handle, in pixels of the screen
const STILL = 8;  // a finger that moves less has tapped

export class Stage {
  // events: tap(point), grab(point, reach) -> handle or null, move(handle, point), drop(handle), draw(context, stage)
  constructor(canvas, events) {
    Object.assign(this, { canvas, events, size: [1, 1], scale: 1, at: [0, 0], fingers: new Map(), held: null, loupe: null });
    new ResizeObserver(() => { this.fit(); }).observe(canvas);
    canvas.addEventListener("pointerdown", (e) => this.down(e));
    canvas.addEventListener("pointermove", (e) => this.moved(e));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (e) => this.up(e));
    canvas.addEventListener("wheel", (e) => { e.preventDefault(); this.zoom(Math.exp(-e.deltaY / 400), this.place(e)); }, { passive: false });
  }
  set(size) { if (size[0] !== this.size[0] || size[1] !== this.size[1]) { this.size = size; this.fit(); } else { this.draw(); } }
  place(e) { const box = this.canvas.getBoundingClientRect(); return [e.clientX - box.left, e.clientY - box.top]; }
  point([x, y]) { return [(x - this.at[0]) / this.scale, (y - this.at[1]) / this.scale]; }
  screen([u, v]) { return [u * this.scale + this.at[0], v * this.scale + this.at[1]]; }
  fit() {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    if (!w || !h) return;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = w * ratio; this.canvas.height = h * ratio;
    this.scale = Math.min(w / this.size[0], h / this.size[1]);
    this.at = [(w - this.size[0] * this.scale) / 2, (h - this.size[1] * this.scale) / 2];
    this.draw();
  }
  zoom(factor, about = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    const least = 0.5 * Math.min(this.canvas.clientWidth / this.size[0], this.canvas.clientHeight / this.size[1]);
    const fixed = this.point(about);
    this.scale = Math.min(Math.max(this.scale * factor, least), least * 60);
    this.at = [about[0] - fixed[0] * this.scale, about[1] - fixed[1] * this.scale];
    this.draw();
  }
  down(e) {
    this.canvas.setPointerCapture(e.pointerId);
    const place = this.place(e);
    this.fingers.set(e.pointerId, { from: place, at: place, far: false });
    this.held = this.fingers.size === 1 ? this.events.grab(this.point(place), NEAR / this.scale) : null;
    if (this.held) { this.loupe = place; this.draw(); }
  }
  moved(e) {
    const finger = this.fingers.get(e.pointerId);
    if (!finger) return;
    const before = finger.at, place = this.place(e);
    const others = [...this.fingers.entries()].filter(([id]) => id !== e.pointerId).map(([, f]) => f);
    finger.at = place;
    if (Math.hypot(place[0] - finger.from[0], place[1] - finger.from[1]) > STILL) finger.far = true;
    if (others.length) {
      const fixed = others[0].at;
      finger.far = others[0].far = true;
      const was = Math.hypot(before[0] - fixed[0], before[1] - fixed[1]), is = Math.hypot(place[0] - fixed[0], place[1] - fixed[1]);
      if (was > 1) this.zoom(is / was, fixed);
    } else if (this.held) {
      this.loupe = place;
      if (finger.far) this.events.move(this.held, this.point(place));
      this.draw();
    } else if (finger.far) {
      this.at = [this.at[0] + place[0] - before[0], this.at[1] + place[1] - before[1]];
      this.draw();
    }
  }
  up(e) {
    const finger = this.fingers.get(e.pointerId);
    this.fingers.delete(e.pointerId);
    if (!finger) return;
    const held = this.held;
    this.held = this.loupe = null;
    if (held) this.events.drop(held);
    else if (!finger.far && e.type === "pointerup") this.events.tap(this.point(finger.at));
    this.draw();
  }
  draw() {
    const ratio = window.devicePixelRatio || 1, c = this.canvas.getContext("2d");
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.events.draw(c, this);
    if (this.loupe) this.magnify(c, ratio);
  }
  // the finger hides what it points at: show it, three times as large, in the corner farther from the finger
  magnify(c, ratio) {
    const side = Math.min(150, this.canvas.clientWidth / 2.5), [x, y] = this.loupe;
    const left = x > this.canvas.clientWidth / 2 ? 8 : this.canvas.clientWidth - side - 8;
    const part = side / 3;
    const copy = document.createElement("canvas");
    copy.width = copy.height = part * ratio;
    copy.getContext("2d").drawImage(this.canvas, (x - part / 2) * ratio, (y - part / 2) * ratio, part * ratio, part * ratio, 0, 0, part * ratio, part * ratio);
    c.save();
    c.beginPath(); c.rect(left, 8, side, side); c.clip();
    c.drawImage(copy, left, 8, side, side);
    c.strokeStyle = "#2fb5a0"; c.lineWidth = 4; c.strokeRect(left, 8, side, side);
    c.lineWidth = 1; c.beginPath();
    c.moveTo(left + side / 2, 8); c.lineTo(left + side / 2, 8 + side);
    c.moveTo(left, 8 + side / 2); c.lineTo(left + side, 8 + side / 2); c.stroke();
    c.restore();
  }
}
