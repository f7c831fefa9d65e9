"""`tepna analytics`: metrics of each minute."""

import asyncio
import logging
import multiprocessing
import signal
from typing import Annotated

import typer

from analytics.indicators.follow import Follower
from analytics.jobs.worker import Worker
from analytics.settings import AnalyticsSettings
from contracts.clock import utc_now
from contracts.errors import SettingsError
from storage.pool import open_pool

app = typer.Typer(no_args_is_help=True, help="Metrics of each minute.")


@app.callback()
def _analytics() -> None:
    """Metrics of each minute."""


@app.command()
def run(
    workers: Annotated[int | None, typer.Option(help="Processes that compute windows.")] = None,
) -> None:
    """Compute dirty windows until SIGTERM or SIGINT."""
    try:
        settings = AnalyticsSettings.load(workers=workers)
    except SettingsError as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(2) from fault
    context = multiprocessing.get_context("spawn")
    more = [
        context.Process(target=_work, args=(settings,), daemon=True)
        for _ in range(settings.workers - 1)
    ]
    for process in more:
        process.start()
    _work(settings)
    for process in more:
        process.terminate()
    for process in more:
        process.join()


def _work(settings: AnalyticsSettings) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_serve(settings))


async def _serve(settings: AnalyticsSettings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with open_pool(settings, name="tepna-analytics") as pool:
        worker = Worker(pool, settings, utc_now, closed=Follower(utc_now))
        await worker.run(_orphaned_too(stopping))


def _orphaned_too(stopping: asyncio.Event) -> asyncio.Event:
    """Stop a further worker when the process that started it is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        asyncio.get_running_loop().add_reader(parent.sentinel, stopping.set)
    return stopping
