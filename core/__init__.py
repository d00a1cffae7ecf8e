"""Arrays in, arrays out: plate, alignment, matting, composition. No devices, sockets, threads or settings."""

import sys

# Else `import openvino`, unasked, tells Google Analytics in a forked process, cameras and all, and keeps an
# identity of the user in ~/intel (openvino/tools/ovc/__init__.py). With its module out of reach it takes the
# stub that it has for systems without it. Where somebody imported it before us, it is theirs.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
