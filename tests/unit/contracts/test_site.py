from pathlib import Path

import pytest

from contracts.site import Site, SiteError, read_site

PLAN = """
id = "north"
pilot = "usti-belehradska"
name = { cs = "Sever", en = "North" }
latitude = 50.66
longitude = 14.04
speed_limit_km_h = 50
signal_device = "signals"

[[approaches]]
id = "north"
name = { cs = "od severu", en = "from the north" }
area = [[0, 0], [3, 0], [3, 60]]
stop_line = [[0, 0], [3, 0]]

[[lines]]
id = "north-stop"
name = { cs = "Sever", en = "North" }
device = "cam-1"
role = "stop"
a = [0, 0]
b = [3, 0]
approach = "north"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plan_is_read_and_knows_its_devices(tmp_path: Path) -> None:
    site = read_site(write(tmp_path, PLAN))
    assert site.devices == ["cam-1", "signals"]
    assert site.lines[0].b == (3, 0)
    assert Site.model_validate_json(site.model_dump_json()) == site  # as the database keeps it


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('approach = "north"', 'approach = "south"', r"no approach 'south', only \['north'\]"),
        ("b = [3, 0]", "b = [0, 0]", "'north-stop' begins and ends at"),
        ("b = [3, 0]", "b = [nan, 0]", r"lines\.0\.b\.0"),
        ("latitude = 50.66", "latitude = 150.66", "latitude"),
        ('id = "north"\npilot', 'id = "North !"\npilot', "id"),
        ('role = "stop"', 'role = "go"', r"lines\.0\.role"),
        ("speed_limit_km_h = 50", "speed_limit = 50", "speed_limit_km_h"),
        ("area = [[0, 0], [3, 0], [3, 60]]", "area = [[0, 0], [3, 0]]", r"approaches\.0\.area"),
        ("latitude = 50.66", "latitude = ", "line 5"),
        ("[[lines]]", PLAN[PLAN.index("[[lines]]") :] + "[[lines]]", r"twice: \['north-stop'\]"),
    ],
)
def test_a_fault_is_named_with_file_and_key(
    old: str, new: str, complaint: str, tmp_path: Path
) -> None:
    assert old in PLAN
    with pytest.raises(SiteError, match=rf"(?s)site\.toml: .*{complaint}"):
        read_site(write(tmp_path, PLAN.replace(old, new, 1)))


def test_a_missing_plan_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"cannot be read \(No such file.*give the path"):
        read_site(tmp_path / "site.toml")


def test_a_plan_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_bytes(b"id = '\xff'")
    with pytest.raises(SiteError, match="utf-8"):
        read_site(tmp_path / "site.toml")
