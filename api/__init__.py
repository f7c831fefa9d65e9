"""FastAPI: routers, authentication, live stream, console."""
