"""The ONVIF part of IPyCam, a virtual camera that others made, in front of an RTSP server.

``python onvif_camera.py '{"port": 8080, "rtsp_port": 8554, ...}'``: its device and media service
and its answers to WS-Discovery, on 127.0.0.1; it prints a line when it listens. Its own streams
need programs that are not there, so the addresses it gives are those of the RTSP server.
"""

import json
import sys

from ipycam.camera import IPCamera, ReusableThreadingTCPServer
from ipycam.config import CameraConfig
from ipycam.discovery import WSDiscoveryServer
from ipycam.http import IPCameraHTTPHandler


def main() -> None:
    settings = json.loads(sys.argv[1])
    config = CameraConfig(
        name=settings["name"],
        local_ip="127.0.0.1",
        onvif_port=settings["port"],
        rtsp_port=settings["rtsp_port"],
        username=settings["user"],
        password=settings["password"],
        main_stream_name="camera",
        sub_stream_name="camera",
    )
    IPCameraHTTPHandler.camera = camera = IPCamera(config)
    WSDiscoveryServer(camera.onvif).start()
    with ReusableThreadingTCPServer(("127.0.0.1", config.onvif_port), IPCameraHTTPHandler) as http:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        http.serve_forever()


if __name__ == "__main__":
    main()
