"""What a run found: `report.json` for machines, `report.html` for people, made from the stored documents."""

from .build import RunDocuments, build_report
from .model import Report
from .page import render_page

__all__ = ["Report", "RunDocuments", "build_report", "render_page"]
