"""`cleanplate devices`: cameras, virtual cameras, GPUs and runtimes of this machine."""

from __future__ import annotations

import typer


def devices() -> None:
    """Lists cameras, virtual cameras and GPUs."""
    from live.cameras import list_cameras, lists_cameras, stable_path

    typer.echo("cameras (--camera)")
    if not lists_cameras():
        typer.echo("  0     the first; the next are 1, 2 (this system does not tell their names)")
    for camera in list_cameras():
        typer.echo(f"  {camera.path}  {camera.label}{f': {camera.problem}' if camera.problem else ''}")
        if (stable := stable_path(camera.path)) != camera.path:
            typer.echo(f"    always {stable}")
        for line in camera.formats:
            typer.echo(f"    {line}")
    typer.echo("  demo  the built-in scene\nvirtual cameras (--output virtualcam:DEVICE)")
    for line in _virtual_cameras():
        typer.echo(f"  {line}")
    typer.echo("runtimes and GPUs (--device)")
    for line in _runtimes():
        typer.echo(f"  {line}")


def _virtual_cameras() -> list[str]:
    import sys

    if sys.platform != "linux":
        return ["that of OBS Studio, without :DEVICE; `cleanplate doctor` tries it"]
    from live import v4l2

    lines = []
    for node in v4l2.nodes():
        if node.loopback:
            state = "free" if node.outputs else "fed by a program"
            lines.append(f"{node.path}  {node.card}, {state}")
    return lines or ["none; `cleanplate doctor` says how to get one"]


def _runtimes() -> list[str]:
    import os
    from importlib.metadata import version
    from pathlib import Path

    import openvino

    from core.runtime.graph import best_precision

    core, threads = openvino.Core(), os.cpu_count() or 1
    lines = [
        f"cpu   OpenVINO {version('openvino')}, {best_precision()}, "
        f"{threads} {'thread' if threads == 1 else 'threads'}, "
        f"{core.get_property('CPU', 'FULL_DEVICE_NAME')}"
    ]
    if Path("/dev/nvidiactl").exists():
        import torch

        if torch.cuda.is_available():
            lines += [
                f"cuda  torch {torch.__version__}, {torch.cuda.get_device_name(index)}"
                for index in range(torch.cuda.device_count())
            ]
        else:
            lines.append(f"cuda  not usable by torch {torch.__version__}; `cleanplate doctor` says why")
    else:
        lines.append(f"cuda  no NVIDIA GPU (torch {version('torch')} is installed)")
    return lines
