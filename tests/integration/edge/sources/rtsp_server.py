"""GStreamer's RTSP server with a camera whose every picture says when it was taken.

Runs under the unpacked interpreter (see `gstreamer.py`), whose bindings the tests' own does not
have: ``python3.13 rtsp_server.py '{"port": 8554, ...}'``. Prints a line when it listens. SIGUSR1
stops the pictures and starts them again, without a word to the clients.
"""

import json
import signal
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtspServer  # noqa: E402

WIDTH, HEIGHT = 320, 240
CELL_WIDTH, CELL_HEIGHT = WIDTH // 8, HEIGHT // 8
CODECS = {
    "h264": (
        "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 "
        "! rtph264pay config-interval=1"
    ),
    "jpeg": "jpegenc ! rtpjpegpay",
}


def picture(number):
    """Draw 64 bits as black and white cells, most significant first; chroma is grey."""
    rows = []
    for row in range(8):
        bits = number >> 56 - 8 * row & 0xFF
        line = b"".join(
            bytes([235 if bits >> 7 - column & 1 else 16]) * CELL_WIDTH for column in range(8)
        )
        rows.append(line * CELL_HEIGHT)
    return b"".join(rows) + bytes([128]) * (WIDTH * HEIGHT // 2)


class Camera:
    """Pushes pictures at a rate; each holds its number (12 bits) and its time [us] (52 bits)."""

    def __init__(self, rate):
        self.rate = rate
        self.silent = False
        self.number = 0
        self.running = None

    def configure(self, _factory, media):
        source = media.get_element().get_by_name("camera")
        if self.running is not None:  # one camera: of a media that has gone nothing is kept
            GLib.source_remove(self.running)
        self.running = GLib.timeout_add(1000 // self.rate, self.push, source)

    def push(self, source):
        if not self.silent and source.current_state == Gst.State.PLAYING:
            taken = time.time_ns() // 1000
            data = picture(self.number % 4096 << 52 | taken)
            self.number += 1
            buffer = Gst.Buffer.new_wrapped(data)
            buffer.pts = source.get_clock().get_time() - source.get_base_time()
            buffer.duration = Gst.SECOND // self.rate
            source.emit("push-buffer", buffer)
        return True

    def toggle(self):
        self.silent = not self.silent
        return True


def protect(server, factory, settings):
    """Ask for an account (digest), speak TLS, or both."""
    auth = GstRtspServer.RTSPAuth()
    if certificate := settings.get("certificate"):
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(certificate))
    role = "viewer"
    if user := settings.get("user"):
        auth.set_supported_methods(2)  # GST_RTSP_AUTH_DIGEST
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", role)
        auth.add_digest(user, settings["password"], token)
    else:
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", role)
        auth.set_default_token(token)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role(role, "media.factory.access", True)
    permissions.add_permission_for_role(role, "media.factory.construct", True)
    factory.set_permissions(permissions)
    server.set_auth(auth)


def main():
    settings = json.loads(sys.argv[1])
    Gst.init(None)
    rate = settings.get("rate", 10)
    camera = Camera(rate)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        "( appsrc name=camera is-live=true format=time caps=video/x-raw,format=I420,"
        f"width={WIDTH},height={HEIGHT},framerate={rate}/1 ! "
        f"{CODECS[settings.get('codec', 'h264')]} name=pay0 pt=96 )"
    )
    factory.set_shared(True)
    factory.connect("media-configure", camera.configure)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(settings["port"]))
    if settings.get("certificate") or settings.get("user"):
        protect(server, factory, settings)
    server.get_mount_points().add_factory("/camera", factory)
    if not server.attach(None):
        sys.exit(f"port {settings['port']} cannot be listened on")
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGUSR1, camera.toggle)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


main()
