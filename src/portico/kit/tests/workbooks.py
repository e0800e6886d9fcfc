"""Reading a workbook as a spreadsheet does, for tests: each cell with its type and the format it is shown in."""

import io
import zipfile
from dataclasses import dataclass
from typing import Any

from lxml import etree

MAIN = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


@dataclass(frozen=True)
class Cell:
    """One cell: `kind` is `text`, `number` or `formula`; `shown` is its number format."""

    kind: str
    value: str
    shown: str = ""
    quoted: bool = False


def cells_of(content: bytes) -> list[list[Cell]]:
    """The rows of the first sheet; empty cells are left out of a row only where the file leaves them out."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        styles = etree.fromstring(archive.read("xl/styles.xml"))
        sheet = etree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
        strings = (
            etree.fromstring(archive.read("xl/sharedStrings.xml"))
            if "xl/sharedStrings.xml" in archive.namelist()
            else None
        )
    formats = {one.get("numFmtId"): one.get("formatCode") for one in styles.findall(".//x:numFmt", MAIN)}
    shown = [
        (formats.get(one.get("numFmtId"), one.get("numFmtId")), one.get("quotePrefix") == "1")
        for one in styles.findall("x:cellXfs/x:xf", MAIN)
    ]

    def cell(found: Any) -> Cell:
        look, quoted = shown[int(found.get("s", "0"))]
        if found.find("x:f", MAIN) is not None:
            return Cell("formula", found.findtext("x:f", "", MAIN))
        if found.get("t") == "inlineStr":
            return Cell("text", "".join(found.itertext()), look, quoted)
        if found.get("t") == "s":
            assert strings is not None
            return Cell("text", "".join(strings[int(found.findtext("x:v", "", MAIN))].itertext()), look, quoted)
        return Cell("number", found.findtext("x:v", "", MAIN), look, quoted)

    return [[cell(one) for one in row.findall("x:c", MAIN)] for row in sheet.findall(".//x:row", MAIN)]
