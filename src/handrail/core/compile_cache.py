"""Compiled code is kept between processes, in a folder that JAX's compilation cache reads.

JAX decides what is compiled anew: its key is a digest of the program, the compiler's options and
flags, and jaxlib's version. This module is the store below it. JAX's own store writes entries in
place, so a writer that is killed leaves a damaged one that stays. A bound on its size needs a lock
for every read, and stops all writing once a writer was killed in between. Here an entry is a file
that appears whole or not at all, begins with its digest, and is removed where that is wrong. No
error of the disk reaches a run: the code is compiled, as it would be without the folder.

Compiled code is executed. The folder is made for its owner alone; one that others may write to
is as dangerous as a program that others may change.
"""

import contextlib
import hashlib
import logging
import os
import platform
import tempfile
import time
from pathlib import Path

from handrail.core.errors import first_line

VARIABLE = "HANDRAIL_CACHE"
LIMIT = 2**30  # bytes of all entries together
SOME = 2**25  # bytes that a process writes between two looks at the sum of all
STALE = 3600.0  # seconds after which a temporary file belongs to a writer that was killed
LEAST_SECONDS = 0.0  # of compiling, to be kept
DIGEST = hashlib.sha256().digest_size
SUFFIX, PART = ".compiled", ".part"

LOG = logging.getLogger(__name__)


def keep_compiled() -> None:
    """Tells JAX to keep compiled code; to be called before the process compiles anything.

    Has no effect where the variable `HANDRAIL_CACHE` is empty or the user has no home, where JAX
    was told of a folder already (`JAX_COMPILATION_CACHE_DIR`), and where this version of JAX takes
    no store of ours.
    """
    root = cache_folder()
    if root is None:
        return
    import jax
    from jax._src import compilation_cache  # JAX has no public way to give it a store

    if getattr(jax.config, "jax_compilation_cache_dir", None) is not None:
        return
    if not hasattr(compilation_cache, "get_file_cache"):
        LOG.debug("JAX %s takes no store of compiled code", jax.__version__)
        return
    folder = root / f"jax-{jax.__version__}-{machine_digest()}"
    compilation_cache.get_file_cache = _store_of_ours  # pyrefly: ignore[bad-assignment]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)
    # files of XLA's own beside ours would be part of no bound
    jax.config.update("jax_persistent_cache_enable_xla_caches", "none")
    jax.config.update("jax_compilation_cache_dir", str(folder))


def cache_folder() -> Path | None:
    """The folder of compiled code, an absolute path; None where none is kept.

    `HANDRAIL_CACHE`, else `handrail/compiled` in `XDG_CACHE_HOME`, else in `~/.cache`.
    """
    named = os.environ.get(VARIABLE)
    try:
        if named is not None:
            return Path(named).expanduser().absolute() if named else None
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        if not base.is_absolute():  # the standard says that others are to be ignored
            base = Path.home() / ".cache"
    except RuntimeError:  # no home
        return None
    return base / "handrail" / "compiled"


def machine_digest() -> str:
    """What compiled code depends on beside JAX's own key: processor, threads, versions, flags.

    JAX's key holds the names of a processor's features only as far as the backend tells them, and
    no model; XLA compiles for the model, and divides work among as many threads as there are.
    """
    import jaxlib

    parts = (
        *processor(),
        str(usable_cores()),
        jaxlib.__version__,
        *(os.environ.get(name, "") for name in ("XLA_FLAGS", "NPROC", "PJRT_NPROC")),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def processor() -> tuple[str, ...]:
    """Model and features of this machine's processor; where they cannot be read, its host."""
    system = (platform.system(), platform.machine(), platform.processor())
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return (*system, platform.node())
    fields = (
        "vendor_id", "cpu family", "model", "model name", "stepping", "flags",
        "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features",
    )  # fmt: skip
    found = {line for line in lines if line.partition(":")[0].strip() in fields}
    return (*system, *sorted(found)) if found else (*system, platform.node())


def processor_name() -> str:
    """The model of this machine's processor, or what is known of it."""
    named = [
        line.partition(":")[2].strip() for line in processor() if line.startswith("model name")
    ]
    return named[0] if named else platform.processor() or platform.machine()


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Store:
    """Entries by key: files below a folder, the least recently used of all folders beside it go.

    Any number of processes may use it at once.
    """

    def __init__(self, folder: Path):
        """`folder` holds the entries; the bound is on those of all folders beside it."""
        self._path = folder
        self._writes = True
        self._unseen = SOME  # bytes written since the last look

    def get(self, key: str) -> bytes | None:
        """What was stored under the key; None where nothing was, or where it is damaged."""
        path = self._file(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        value = content[DIGEST:]
        if content[:DIGEST] == _digest(key, value):
            with contextlib.suppress(OSError):
                os.utime(path)  # the file system may not keep when a file was read
            return value
        LOG.debug("%s is damaged: its code is compiled anew", path)
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def put(self, key: str, value: bytes) -> None:
        """Stores a value; the first failure is told, and is the last attempt of the process."""
        if not self._writes:
            return
        try:
            self._write(self._file(key), _digest(key, value) + value)
            self._unseen += len(value)
            if self._unseen > SOME:
                self._unseen = 0
                prune(self._path.parent)
        except OSError as error:
            self._writes = False
            LOG.warning(
                "compiled code is not kept (%s); the variable %s names another folder, "
                "and if it is empty none is used",
                first_line(error),
                VARIABLE,
            )

    def _file(self, key: str) -> Path:
        return self._path / (hashlib.sha256(key.encode()).hexdigest() + SUFFIX)

    def _write(self, path: Path, content: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.mkdir(mode=0o700, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path, suffix=PART)
        try:
            with open(handle, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise


def prune(root: Path, limit: int = LIMIT) -> None:
    """Removes what was not used for longest until nine tenths of `limit` (bytes) are left.

    Nothing goes as long as the limit is kept, but for what killed writers left.
    """
    entries = []
    for path in root.glob("jax-*/*"):
        with contextlib.suppress(OSError):  # another process may have removed it
            found = path.stat()
            if path.suffix == SUFFIX:
                entries.append((found.st_mtime, found.st_size, path))
            elif path.suffix == PART and found.st_mtime < time.time() - STALE:
                path.unlink()
    total = sum(size for _, size, _ in entries)
    if total <= limit:
        return
    for _, size, path in sorted(entries):
        if total <= 0.9 * limit:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size


def _store_of_ours(path: str) -> tuple[Store, str]:
    """In place of the function by which JAX makes its own store."""
    return Store(Path(path)), path


def _digest(key: str, value: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\0" + value).digest()
