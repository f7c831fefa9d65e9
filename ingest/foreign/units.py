"""Units of the SenML registry in UCUM, and the few names by which other formats call theirs."""

from typing import Final

SENML: Final = {
    # RFC 8428, section 12.1; what is spelt the same is not listed, see `ucum`.
    "kg": "kg",
    "bit/s": "bit/s",
    "lat": "deg",
    "lon": "deg",
    "pH": "[pH]",
    "dB": "dB",
    "dBW": "dB[W]",
    "Bspl": "B[SPL]",
    "count": "1",
    "/": "1",
    "%": "%",
    "%RH": "%",
    "%EL": "%",
    "EL": "s",
    "1/s": "/s",
    "1/min": "/min",
    "beat/min": "/min",
    "beats": "1",
    "S/m": "S/m",
    "Wh": "W.h",
    "VA": "V.A",
    "VAs": "V.A.s",
    "var": "V.A",
    "vars": "V.A.s",
    "J/m": "J/m",
    "kg/m3": "kg/m3",
    "deg": "deg",
    "kat": "mol/s",
    "NTU": "{NTU}",
    # RFC 8798: secondary units, and those that were registered since.
    "h": "h",
    "km/h": "km/h",
    "min": "min",
    "MB": "MBy",
    "KiB": "KiBy",
    "B": "By",
    "GB": "GBy",
    "Mbit/s": "Mbit/s",
    "B/s": "By/s",
    "MB/s": "MBy/s",
    "mV": "mV",
    "kVA": "kV.A",
    "kvar": "kV.A",
    "kWh": "kW.h",
    "Wh/km": "W.h/km",
    "varh": "V.A.h",
    "kvarh": "kV.A.h",
    "VAh": "V.A.h",
    "kVAh": "kV.A.h",
    "Ah": "A.h",
    "hPa": "hPa",
    "degF": "[degF]",
    "dBm": "dB[mW]",
    "g/l": "g/L",
    "l": "L",
    "m3": "m3",
    "l/s": "L/s",
    "ppm": "[ppm]",
    "ppb": "[ppb]",
    "mph": "[mi_i]/h",
    "ft": "[ft_i]",
}

SPOKEN: Final = {
    "C": "Cel",
    "°C": "Cel",
    "F": "[degF]",
    "°F": "[degF]",
    "K": "K",
    "%": "%",
    "kWh": "kW.h",
    "hPa": "hPa",
    "mmHg": "mm[Hg]",
    "lx": "lx",
    "dBm": "dB[mW]",
    "µg/m³": "ug/m3",
}
"""Units as devices write them for people."""


def ucum(senml: str) -> str:
    """UCUM's spelling of a unit of the SenML registry; what is not listed is spelt the same.

    >>> ucum("%RH"), ucum("Cel")
    ('%', 'Cel')
    """
    return SENML.get(senml, senml)


def spoken(text: str) -> str:
    """UCUM's spelling of a unit as a device writes it for people."""
    return SPOKEN.get(text, text)
