"""From an output SPEC on the command line to a sink."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from core.errors import SettingsError
from live.media import Clip
from live.panel import Panel
from live.sinks.base import Sink

KINDS = ("virtualcam", "webrtc", "whip", "window", "file", "null")
WITH_REST = ("virtualcam", "whip", "file")  # what follows the colon says which


def open_sink(
    spec: str,
    size: tuple[int, int],
    fps: float,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    whip_token: str = "",
    whip_mbps: float = 2.5,
    transparent: bool = False,
    clip: Clip | None = None,
    force: bool = False,
    panel: Panel | None = None,
) -> Sink:
    """Opens what SPEC names: `virtualcam[:device]`, `webrtc`, `whip:URL`, `window`, `file:PATH`, `null`.

    Args:
        size: (width, height) of the pictures to come; fps: their rate.
        host, port: where webrtc listens.
        whip_token, whip_mbps: what logs in at whip's server, and the most that is sent there.
        transparent: the pictures to come are straight foregrounds; files then keep the alpha.
        clip: rate, clock and sound that a file gets; None for a live recording.
        force: a file that is there already may be replaced.
        panel: what webrtc's page tells, and may turn.
    Raises:
        SettingsError: no such kind. DeviceError, MediaError: it cannot be opened.
    """
    kind, rest = parsed_output(spec)
    if kind == "virtualcam":
        from live.sinks.virtualcam import VirtualCameraSink

        return VirtualCameraSink(size, fps, device=rest or None)
    if kind == "file":
        from live.sinks.file import FileSink

        return FileSink(Path(rest).expanduser(), size, clip, transparent=transparent, force=force)
    if kind == "webrtc":
        from live.sinks.webrtc import WebRtcSink

        return WebRtcSink(size, fps, host, port, panel)
    if kind == "whip":
        from live.sinks.whip import WhipSink

        return WhipSink(rest, size, fps, token=whip_token, mbps=whip_mbps)
    if kind == "window":
        from live.sinks.window import WindowSink

        return WindowSink(size)
    from live.sinks.null import NullSink

    return NullSink()


def parsed_output(spec: str) -> tuple[str, str]:
    """The kind, and what follows its colon: a device, a path or a URL, which may have colons of its own.

    Raises:
        SettingsError: no such kind, or what follows does not belong to it. What may be a password or a key in
            a URL is not shown.
    """
    kind, _, rest = spec.partition(":")
    if kind not in KINDS:
        near = get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"allowed are {', '.join(KINDS)}"
        if kind in ("http", "https"):
            hint = f"for a media server write whip: before it, whip:{kind}://…"
        raise SettingsError(f"unknown output {f'{kind}:…' if '//' in rest else spec!r}: {hint}")
    if kind == "file" and not rest:
        raise SettingsError("output 'file' needs a path: file:clip.mp4, file:clip.mov or file:folder")
    if kind == "whip":
        from live.web.endpoint import parsed_endpoint

        parsed_endpoint(rest)
    if rest and kind not in WITH_REST:
        instead = "; the port is --port, or port under [web]" if kind == "webrtc" else ""
        raise SettingsError(f"output {spec!r}: {kind} takes nothing after the colon{instead}")
    return kind, rest
