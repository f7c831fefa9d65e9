"""What can go wrong in a simulated street."""


class SimulatorError(Exception):
    """A simulated street cannot run; the text says why."""


class NetworkError(SimulatorError):
    """The street network could not be built from its sources."""


class StreetError(SimulatorError):
    """SUMO refuses the street; the text is SUMO's."""


class SignalPlanError(SimulatorError):
    """The signal plan cannot be used; the text names file and fault."""


class WorldBusyError(SimulatorError):
    """SUMO runs one simulation in a process: close the other world first."""


class UnknownCameraError(SimulatorError):
    """The site plan has no camera of this device."""
