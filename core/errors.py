"""The errors that a person can act on. Everything else is a bug and shows its traceback."""


class CleanplateError(Exception):
    """One sentence: what, which value, what is allowed, what to do."""


class SettingsError(CleanplateError):
    """A setting or a flag is unknown, of the wrong type, or out of range."""


class DeviceError(CleanplateError):
    """A camera, a virtual camera, a GPU or a port cannot be used."""


class AbsentDeviceError(DeviceError):
    """There is none, as far as the system tells."""


class MediaError(CleanplateError):
    """A picture or a video cannot be read or written."""


class PlateError(CleanplateError):
    """A plate cannot be recorded, read or used."""


class WeightsError(CleanplateError):
    """A network's weights are missing, damaged or of another shape."""
