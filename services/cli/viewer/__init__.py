"""A trace viewer in the browser, without Docker: Zipkin's own jar, fed with the spans that are kept on this machine."""

from services.cli.viewer.process import Running, Viewer

__all__ = ["Running", "Viewer"]
