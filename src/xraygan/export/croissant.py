"""Croissant metadata: what a data set's files and fields are, for machines.

Source: Croissant format specification 1.0, https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from typing import Any

from xraygan.export.source import Synthetic
from xraygan.sampling.encode import NOTICE

CROISSANT = "croissant.json"
_TABLE = "metadata.jsonl"
_FIELDS = {
    "label": ("sc:Text", "The class that the generator was asked for."),
    "seed": ("sc:Integer", "Seed of the latents."),
    "index": ("sc:Integer", "Which image of the seed."),
    "psi": ("sc:Float", "Truncation: 1 is none."),
    "model_sha256": ("sc:Text", "SHA-256 of the generator's weights."),
}


def croissant(source: Synthetic, table_sha256: str, licence: str | None) -> dict[str, Any]:
    """The JSON-LD of an imagefolder export.

    Args:
        source: what was exported.
        table_sha256: of `train/metadata.jsonl`.
        licence: name or address, as the owner gives it.
    """
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "synthetic-chest-x-rays",
        "description": (
            f"{len(source)} synthetic chest X-rays of the classes "
            f"{', '.join(source.counts)}. {NOTICE}"
        ),
        "version": "1.0.0",
        "isLiveDataset": False,
        "distribution": [_table(table_sha256), _images()],
        "recordSet": [_records(), _pictures()],
    }
    return described | ({"license": licence} if licence else {})


def _table(sha256: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": _TABLE,
        "name": _TABLE,
        "description": "A row an image: its file, class and provenance.",
        "contentUrl": f"train/{_TABLE}",
        "encodingFormat": "application/jsonlines",
        "sha256": sha256,
    }


def _images() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "images",
        "name": "images",
        "description": "Grey PNG files, one folder a class.",
        "encodingFormat": "image/png",
        "includes": "train/*/*.png",
    }


def _records() -> dict[str, Any]:
    fields = {"file_name": ("sc:Text", "The image's file, from the folder train."), **_FIELDS}
    of_table = {"fileObject": {"@id": _TABLE}}
    return _record_set(
        "records",
        "One record an image.",
        [
            (name, kind, text, {**of_table, "extract": {"column": name}})
            for name, (kind, text) in fields.items()
        ],
    )


def _pictures() -> dict[str, Any]:
    """The images themselves: no row of the table can be joined by more than the file's path."""
    fields = (
        ("path", "sc:Text", "The file, from the folder above train.", "fullpath"),
        ("image", "sc:ImageObject", "The image.", "content"),
    )
    of_files = {"fileSet": {"@id": "images"}}
    return _record_set(
        "pictures",
        "One record an image file: train/ and its file_name, and its content.",
        [
            (name, kind, text, {**of_files, "extract": {"fileProperty": what}})
            for name, kind, text, what in fields
        ],
    )


def _record_set(
    name: str, text: str, fields: list[tuple[str, str, str, dict[str, Any]]]
) -> dict[str, Any]:
    """Of fields by name, type, description and source."""
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": text,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{field}",
                "name": field,
                "description": said,
                "dataType": kind,
                "source": source,
            }
            for field, kind, said, source in fields
        ],
    }


_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification gives."""
