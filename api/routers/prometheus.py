"""The API's own figures in Prometheus' text format."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.dependencies import Now
from api.routers.health import read_health

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' text format"}},
)
async def get_prometheus(request: Request, now: Now) -> Response:
    """Figures of requests, live streams, ingest lag and backlog."""
    meters = request.app.state.meters
    meters.take_health(await read_health(request.app.state, now))
    return Response(generate_latest(meters.registry), media_type=CONTENT_TYPE_LATEST)
