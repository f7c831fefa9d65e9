"""The street network and its signal program, built for SUMO from the pilot's sources.

The built network is not kept: it depends on the version of netconvert, and building it takes
half a second.
"""

import subprocess
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import sumo

from simulators.errors import NetworkError
from simulators.signals import SignalPlan


class Network(NamedTuple):
    """Files that SUMO loads."""

    net: Path
    program: Path  # signal program and detectors


class Link(NamedTuple):
    """One signalled movement through the junction."""

    letter: int  # its place in SUMO's state
    edge: str  # where it comes from; of a crossing: the edge that it crosses
    straight: bool
    crossing: bool


def build_network(site_dir: Path, plan: SignalPlan, folder: Path) -> Network:
    """Build the network of a pilot into a folder.

    Raises
    ------
    NetworkError
        If netconvert refuses the sources.
    """
    source = site_dir / "network" / "junction"
    net = folder / "net.xml"
    command = [
        str(Path(sumo.SUMO_HOME) / "bin" / "netconvert"),
        *("--node-files", f"{source}.nod.xml", "--edge-files", f"{source}.edg.xml"),
        *("--connection-files", f"{source}.con.xml", "--output-file", str(net)),
        *("--walkingareas", "--no-turnarounds", "--offset.disable-normalization"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise NetworkError(done.stderr.strip())
    program = folder / "program.add.xml"
    program.write_text(_additional(plan, ET.parse(net).getroot()), encoding="utf-8")  # noqa: S314
    return Network(net, program)


def signalled_links(root: ET.Element, junction: str) -> list[Link]:
    """List the links of a junction's signals in the order of SUMO's state letters."""
    crossed = {
        edge.attrib["id"]: edge.attrib["crossingEdges"].split()
        for edge in root.iterfind("edge[@function='crossing']")
    }
    links = []
    for way in root.iterfind(f"connection[@tl='{junction}']"):
        crossing = way.attrib["to"] in crossed
        edge = next(e for e in crossed[way.attrib["to"]] if e.endswith("-in")) if crossing else ""
        links.append(
            Link(
                int(way.attrib["linkIndex"]),
                edge or way.attrib["from"],
                way.attrib["dir"] == "s",
                crossing,
            )
        )
    return sorted(links)


def _letter(plan: SignalPlan, link: Link, at: float) -> str:
    if link.crossing:
        return "G" if plan.walks(link.edge, at) else "r"
    colour = plan.colour(plan.phase_of(link.edge), at)
    # Turning traffic gives way to oncoming traffic, cyclists and pedestrians: small g.
    return "g" if colour == "G" and not link.straight else colour


def _additional(plan: SignalPlan, root: ET.Element) -> str:
    """Write the signal plan as SUMO's program, and a loop before each stop line."""
    links = signalled_links(root, plan.junction)
    extra = ET.Element("additional")
    program = ET.SubElement(
        extra, "tlLogic", id=plan.junction, type="static", programID="plan", offset="0"
    )
    times = plan.switch_times()
    for begin, end in zip(times, [*times[1:], plan.cycle_s], strict=True):
        state = "".join(_letter(plan, link, (begin + end) / 2) for link in links)
        ET.SubElement(program, "phase", duration=f"{end - begin:.1f}", state=state)
    for phase in plan.phase:
        edge = root.find(f"edge[@id='{phase.edge}']")
        if edge is None:
            msg = f"the signal plan's edge {phase.edge!r} is not in the network"
            raise NetworkError(msg)
        lane = edge.findall("lane")[-1]
        offset = edge.find("stopOffset")
        stop = float(lane.attrib["length"]) - float(
            offset.attrib["value"] if offset is not None else 0
        )
        ET.SubElement(
            extra,
            "inductionLoop",
            id=f"stop-{phase.number}",
            lane=lane.attrib["id"],
            pos=f"{stop - plan.detector_length_m - 0.5:.2f}",
            length=f"{plan.detector_length_m:.2f}",
            period="86400",
            file="NUL",
        )
    ET.indent(extra)
    return ET.tostring(extra, encoding="unicode")
