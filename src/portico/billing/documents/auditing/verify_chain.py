"""Checks the archive that this file came with: unpack the ZIP, then run `python3 verify_chain.py` in its folder.

Needs Python 3.9 or newer and nothing else. README.txt says in words what is done here, so that you can do it your own way.
"""

import csv
import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FACTS = {"date": "issued_on", "due_date": "due_on", "type": "type", "currency": "currency"}
AMOUNTS = {"net": "net", "vat": "vat_total", "total": "total"}
faults: "list[str]" = []


def fault(number: str, what: str) -> None:
    """Something is wrong with a document."""
    faults.append(f"{number}: {what}")


def sha256(*parts: bytes) -> str:
    """The hash of all parts, one after the other."""
    return hashlib.sha256(b"".join(parts)).hexdigest()


def canonical(value: object) -> bytes:
    """A value as it was written before it was hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def minor(text: str) -> "int | None":
    """An amount with its point as a whole number of the currency's smallest unit; None for what is no amount."""
    plain = text.replace(".", "").replace("-", "", 1)
    return int(text.replace(".", "")) if plain.isdigit() else None


with (HERE / "index.csv").open(encoding="utf-8-sig", newline="") as file:
    index = {row["number"]: row for row in csv.DictReader(file)}
heads = json.loads((HERE / "heads.json").read_text(encoding="utf-8"))["series"]
follows = {series: [head["before_first"], head["first_place"]] for series, head in heads.items()}
with (HERE / "chain.jsonl").open(encoding="utf-8") as links:
    for link in map(json.loads, links):
        block, number = link["block"], link["block"]["number"]
        series, year, place = number.split("-")
        before, expected = follows[series]
        for missing in range(expected, int(place)):
            fault(f"{series}-{year}-{missing:05d}", "is missing")
        if link["previous"] != before:
            fault(number, "does not follow the document before it")
        if sha256(bytes.fromhex(link["previous"]), canonical(block)) != link["hash"]:
            fault(number, "its number, dates, amounts or hash were changed")
        for part in ("content", "buyer"):  # null once it was erased: the chain holds without it
            if link[part] and sha256(bytes.fromhex(link[part]["salt"]), canonical(link[part]["value"])) != block[part]:
                fault(number, f"its {part} was changed")
        follows[series] = [link["hash"], int(place) + 1]
        row = index.pop(number, None)
        if row is None:
            fault(number, "is not in index.csv")
            continue
        for name, called in FACTS.items():
            if row[name] != (block[called] or ""):
                fault(number, f"index.csv says another {name} than the chain: {row[name]}, not {block[called]}")
        for name, called in AMOUNTS.items():
            if minor(row[name]) != block[called]:
                fault(
                    number,
                    f"index.csv says another {name} than the chain: {row[name]}, not {block[called]} of the smallest unit",
                )
        for name, hashed in ((row["file"], row["sha256"]), (row["xml_file"], row["xml_sha256"])):
            if name and not (HERE / name).is_file():
                fault(number, f"{name} is missing")
            elif name and sha256((HERE / name).read_bytes()) != hashed:
                fault(number, f"{name} was changed")
for series, head in heads.items():
    if follows[series] != [head["last_hash"], head["last_place"] + 1]:
        fault(head["last_number"], "the chain does not end with it")
    print(f"{series}: {head['documents']} documents to {head['last_number']}, hash {head['last_hash']}")
for number in index:
    fault(number, "is in index.csv and not in the chain")
print("\n".join(faults) or "Every number, hash and file is in order.")
sys.exit(1 if faults else 0)
