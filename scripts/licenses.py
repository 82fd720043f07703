"""List the licenses of everything that the default installation brings; end with 1 where one of them is a GPL.

    make licenses

Read from the metadata of the installed packages, from ``monai_tbkd`` along what each needs without extras. A GPL, LGPL
or AGPL is refused unless the package may be used under another license instead ("OR"); so is a package that
names none.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata

from packaging.requirements import Requirement

_GPL = re.compile(r"\b[AL]?GPL|GNU (Lesser |Library |Affero )?General Public", re.IGNORECASE)
_LONGEST = 90


def dependencies(name: str) -> dict[str, metadata.Distribution]:
    """A package and all that it needs here, without extras.

    Raises:
        PackageNotFoundError: one of them is not installed.
    """
    found: dict[str, metadata.Distribution] = {}
    wanted = [name]
    while wanted:
        key = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
        if key in found:
            continue
        found[key] = metadata.distribution(key)
        needs = map(Requirement, found[key].requires or [])
        wanted += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


def license_of(package: metadata.Distribution) -> str:
    """The license as the package states it, in one line; empty where it states none."""
    said = package.metadata
    classifiers = [each for each in said.get_all("Classifier") or [] if each.startswith("License")]
    classifiers = [each.rsplit(" :: ", 1)[-1] for each in classifiers]
    text = said.get("License-Expression") or "; ".join(classifiers) or (said.get("License") or "")
    text = " ".join(text.split())
    return "" if text.upper() == "UNKNOWN" else text


def refused(license_text: str) -> str:
    """Why a license may not be in the default installation; empty where it may."""
    if not license_text:
        return "no license stated"
    choices = re.split(r"\s+OR\s+", license_text)
    return "GPL" if all(_GPL.search(each) for each in choices) else ""


def main() -> int:
    """Print the table; 1 where a package may not be there."""
    faults = 0
    packages = dependencies("monai_tbkd")
    for name, package in sorted(packages.items()):
        text = license_of(package)
        fault = refused(text)
        faults += bool(fault)
        shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
        sys.stdout.write(f"{name:26} {package.version:18} {shown}{f'   <-- {fault}' if fault else ''}\n")
    sys.stdout.write(f"{len(packages)} packages, {faults} that may not be there.\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
