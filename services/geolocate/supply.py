"""
Where newer databases come from, each into a folder: npm packages, Debian's text files, MaxMind, a folder.

Nothing here puts a file in use; `services.geolocate.install` does, after it has
looked at what came.
"""

import hashlib
import http.client
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from services.chassis.errors import Misconfigured, Unavailable
from services.geolocate.build import PACKAGES, ipfire, packaged
from services.geolocate.geodata import LISTS

Say = Callable[[str], None]

DEBIAN = Path("/usr/share/tor")
_PATIENCE = timedelta(minutes=5).total_seconds()
_CHUNK = 256 * 1024
_LARGEST = 200 * 1024 * 1024
"""Bytes of one download or archive member; four times what the largest is today."""

_MAXMIND = "{base}/app/geoip_download?edition_id={edition}&license_key={key}&suffix={suffix}"
MAXMIND_EDITIONS = ("GeoLite2-Country", "GeoLite2-ASN")
_STEP = 10
"""Per cent of a download between two words about it."""


class MaxMind(NamedTuple):
    """Where MaxMind's files are fetched from, and with which licence key."""

    key: str
    base: str = "https://download.maxmind.com"


def from_npm(target: Path, work: Path, say: Say) -> None:
    """
    Build the databases of the npm packages into *target*; the client checks what it gets against the registry.

    Raises:
        Misconfigured: There is no npm here.
        Unavailable: The registry did not give a package.
    """
    if shutil.which("npm") is None:
        raise Misconfigured("npm is not installed; install it, or give a folder: vidare geodata update --from FOLDER")
    for package in PACKAGES:
        say(f"{package.source}: fetching {package.name}")
        made = subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", str(work), package.name],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        names = made.stdout.split()
        if made.returncode or not names:
            raise Unavailable(f"the npm registry (package {package.name})")
        archive, folder = work / names[-1], work / package.source
        say(f"{package.source}: {archive.name}, sha256 {sha256(archive)}")
        unpack(archive, folder)
        (target / f"{package.source}.mmdb").write_bytes(packaged(package, folder / "package"))


def from_debian(target: Path, say: Say, folder: Path = DEBIAN) -> None:
    """
    Build ``ipfire.mmdb`` from the files of Debian's ``tor-geoipdb`` into *target*.

    Raises:
        Misconfigured: The package is not installed, or its files are not what they were.
    """
    if not (folder / "geoip").is_file():
        raise Misconfigured(f"{folder}/geoip is missing; apt-get install tor-geoipdb, or give a folder with --from")
    say(f"ipfire: reading {folder}")
    try:
        (target / "ipfire.mmdb").write_bytes(ipfire(folder))
    except ValueError as error:
        raise Misconfigured(f"{folder}: not the files of tor-geoipdb ({error})") from error


def from_folder(target: Path, folder: Path, say: Say) -> None:
    """
    Copy databases and lists of *folder* into *target*.

    Raises:
        Misconfigured: There is none.
    """
    found = [*sorted(folder.glob("*.mmdb")), *(folder / name for name in LISTS if (folder / name).is_file())]
    if not found:
        raise Misconfigured(f"{folder}: no .mmdb file and no list there; name a folder that holds some")
    for path in found:
        say(f"{path.stem}: {path}, sha256 {sha256(path)}")
        shutil.copyfile(path, target / path.name)


def from_maxmind(target: Path, work: Path, maxmind: MaxMind, say: Say) -> None:
    """
    Fetch MaxMind's free databases into *target*; their checksums must agree.

    Raises:
        Unavailable: MaxMind did not give a file, or its checksum does not fit.
    """
    for edition in MAXMIND_EDITIONS:
        say(f"{edition.lower()}: fetching from MaxMind")
        archive = work / f"{edition}.tar.gz"
        archive.write_bytes(_download(maxmind, edition, "tar.gz", say))
        told = _download(maxmind, edition, "tar.gz.sha256", say).split() or [b""]
        if told[0].decode("ascii", "replace") != sha256(archive):
            raise Unavailable(f"MaxMind {edition} (the checksum does not fit)")
        say(f"{edition.lower()}: sha256 {sha256(archive)}, as MaxMind says")
        unpack(archive, work / edition)
        found = next((work / edition).rglob(f"{edition}.mmdb"), None)
        if found is None:
            raise Unavailable(f"MaxMind {edition} (no database in the archive)")
        shutil.copyfile(found, target / f"{edition.lower()}.mmdb")


def _download(maxmind: MaxMind, edition: str, suffix: str, say: Say) -> bytes:
    url = _MAXMIND.format(base=maxmind.base, edition=edition, key=maxmind.key, suffix=suffix)
    body, told = bytearray(), 0
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310  (the operator's own setting)
            whole = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(_CHUNK):
                body += chunk
                if len(body) > _LARGEST:
                    raise Unavailable(f"MaxMind {edition} (larger than {_LARGEST} bytes)")
                if whole > _CHUNK and (share := len(body) * 100 // whole) >= told + _STEP:
                    told = share
                    say(f"{edition.lower()}: {share} %")
    except urllib.error.HTTPError as error:
        error.close()
        raise Unavailable(f"MaxMind {edition} (HTTP {error.code})") from None
    except (OSError, ValueError, http.client.HTTPException):
        raise Unavailable(f"MaxMind {edition}") from None  # the address holds the key
    return bytes(body)


def unpack(archive: Path, folder: Path) -> None:
    """
    Unpack a ``.tgz`` into *folder*, plain files inside it only.

    Raises:
        Unavailable: The archive is damaged or holds something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.isfile() and member.size <= _LARGEST:
                    tar.extract(member, folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Unavailable(f"a whole archive ({archive.name} cannot be unpacked)") from error


def sha256(path: Path) -> str:
    """Hex digest of the file *path*."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
