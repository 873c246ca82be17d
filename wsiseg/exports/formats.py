"""The formats to which masks are exported, by the names that users type."""

from __future__ import annotations

from wsiseg.exports.format import ExportFormat
from wsiseg.registry import Registry

FORMATS: Registry[ExportFormat] = Registry(
    "export",
    "wsiseg.exports",
    {
        "geojson": "wsiseg.exports.geojson:GEOJSON",
        "ome-tiff": "wsiseg.exports.ome_tiff:OME_TIFF",
        "tiff": "wsiseg.exports.tiff:TIFF",
        "dicom-seg": "wsiseg.exports.dicom_seg:DICOM_SEG",
        "png": "wsiseg.exports.png:PNG",
        "overlay": "wsiseg.exports.overlay:OVERLAY",
    },
)
