"""Checkpoint files: written atomically, read as weights only."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import pickle
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Union

import numpy as np
import torch

from ..compat.foreign_objects import inert_pickle, is_plain_archive, without_placeholders
from ..options.common import TRUST_FLAG

#: environment variable that does for library use what TRUST_FLAG does for the tools: allow arbitrary pickles
TRUST_VARIABLE = 'MMSEG_UDA_TRUST_CHECKPOINT'

PathLike = Union[str, os.PathLike]


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used; the message names the file and the remedy."""


def _numpy_scalars() -> Any:
    """Allow NumPy scalars in meta data: stock MMSeg writes them when ``save_best`` is on, and they run no code."""
    allow = getattr(torch.serialization, 'safe_globals', None)
    if allow is None:
        return contextlib.nullcontext()
    core = getattr(np, '_core', None) or np.core
    kinds = [core.multiarray.scalar, np.dtype]
    kinds += [type(np.dtype(name)) for name in ('float64', 'float32', 'int64', 'int32', 'bool')]
    return allow(kinds)


def load_checkpoint_file(
    path: PathLike, map_location: Any = 'cpu', weights_only: Optional[bool] = None
) -> dict[str, Any]:
    """Read a checkpoint without executing what it may contain.

    Args:
        path: the file, of torch or ``.safetensors``.
        map_location: as in ``torch.load``.
        weights_only: True refuses pickles with foreign objects; False trusts the file. Default: True unless the
            environment variable ``MMSEG_UDA_TRUST_CHECKPOINT`` is 1 (which ``--trust-checkpoint`` of the tools sets).

    Raises:
        FileNotFoundError, CheckpointError: each names the file and the remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint '{path}' does not exist")
    if path.suffix == '.safetensors':
        return _load_safetensors(path, map_location)
    if weights_only is None:
        weights_only = os.environ.get(TRUST_VARIABLE, '0') != '1'
    try:
        with _numpy_scalars() if weights_only else contextlib.nullcontext(), warnings.catch_warnings():
            warnings.simplefilter('ignore', FutureWarning)
            loaded = torch.load(str(path), map_location=map_location, weights_only=weights_only)
    except (pickle.UnpicklingError, ModuleNotFoundError) as error:
        inert = load_inert(path, map_location)
        if inert is not None:
            return inert
        if isinstance(error, ModuleNotFoundError):
            raise CheckpointError(
                f"'{path}' holds objects of the package {error.name}, which is not installed: pip install "
                f'{error.name}, or save its state_dict alone'
            ) from error
        named = re.search(r'(?:GLOBAL|class) ([\w.]+)', str(error))  # torch's text advises to switch the protection off
        if weights_only and named:
            raise CheckpointError(
                f"'{path}' holds more than weights (the object {named.group(1).rstrip('.')}) and was not loaded, "
                f'because unpickling it could run code. If you trust its origin, pass {TRUST_FLAG} (or set '
                f'{TRUST_VARIABLE}=1)'
            ) from None
        raise CheckpointError(
            f"'{path}' is not a readable checkpoint ({_reason(error)}): download or copy it again"
        ) from error
    except Exception as error:  # an unpickler that meets arbitrary bytes may raise anything
        raise CheckpointError(
            f"'{path}' is truncated or not a checkpoint ({_reason(error)}): download or copy it again"
        ) from error
    if not isinstance(loaded, dict):
        raise CheckpointError(f"'{path}' holds a {type(loaded).__name__} instead of a dict of weights")
    return loaded


def _load_safetensors(path: Path, map_location: Any) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(str(path), device=str(map_location))
    except SafetensorError as error:
        raise CheckpointError(
            f"'{path}' is truncated or not a safetensors file ({_reason(error)}): download or copy it again"
        ) from error


def load_inert(path: PathLike, map_location: Any = 'cpu') -> Optional[dict[str, Any]]:
    """The weights of a training file of another framework, whose other objects are not needed and not built.

    Returns:
        The content without foreign objects; None if the file names anything that is neither a weight nor of a known
        framework, or holds no weights.
    """
    try:
        if not is_plain_archive(path):
            return None
        loaded = torch.load(str(path), map_location=map_location, pickle_module=inert_pickle, weights_only=False)
        loaded = without_placeholders(loaded)
        if not isinstance(loaded, dict) or not any(map(torch.is_tensor, state_dict_of(loaded).values())):
            return None
    except Exception:  # an unpickler that meets arbitrary bytes may raise anything
        return None
    logging.getLogger('mmseg').warning('%s: objects of other packages in it are left out, the weights are read', path)
    return loaded


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return next((line.strip() for line in lines if re.match(r'\s*(WeightsUnpickler|Unsupported)', line)), lines[0])[
        :200
    ]


def state_dict_of(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a checkpoint: under ``state_dict``, ``model``, or the whole file; a ``module.`` prefix is
    dropped."""
    state = checkpoint
    for key in ('state_dict', 'model'):
        if isinstance(checkpoint.get(key), Mapping):
            state = checkpoint[key]
            break
    return {key[len('module.') :] if key.startswith('module.') else key: value for key, value in state.items()}


def save_checkpoint_file(checkpoint: Mapping[str, Any], path: PathLike) -> None:
    """Write ``checkpoint`` so that ``path`` always is either the old or the whole new file, even when the process is
    killed.

    The file is streamed to a temporary name in the same folder, flushed to the disk, and renamed.

    Raises:
        OSError: the disk is full, a quota is reached ...: names the file; an older one of that name is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        with open(temporary, 'wb', buffering=0) as file:
            writer = _Writer(file)
            try:
                torch.save(dict(checkpoint), writer)  # type: ignore[arg-type]
            except RuntimeError as error:  # torch says where in its own code it stood, not what went wrong
                raise writer.error or error from error
            os.fsync(file.fileno())


class _Writer:
    """A file for ``torch.save`` that remembers what the system has refused."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.error: Optional[OSError] = None

    def write(self, data: Any) -> int:
        """Write all of ``data``."""
        left = memoryview(data)
        try:
            while len(left):
                left = left[self._file.write(left) :]
        except OSError as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and rename it over ``path`` on success; leave nothing behind on
    failure.

    Raises:
        OSError: what the system says, with the name of the file.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f'.{path.name}.', suffix='.tmp', dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    temporary.chmod(0o666 & ~_umask())  # mkstemp allows the owner only; others may read what they could before
    try:
        yield temporary
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def cannot_write(path: PathLike, error: OSError) -> OSError:
    """``error`` with the name of the file that could not be written and, where the disk is full, with the remedy."""
    text = f"cannot write '{path}': {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        text = (
            f"the disk is full ({error.strerror}): cannot write '{path}'. What was written before is intact: make "
            'room (checkpoint_config.max_keep_ckpts keeps fewer checkpoints) and go on'
        )
    return type(error)(error.errno or 0, text)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if os.name != 'posix':
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def plain(value: Any) -> Any:
    """``value`` made of str, int, float, bool, None, list, dict and tensors only, so that weights-only loading reads
    it."""
    if value is None or isinstance(value, (bool, str, torch.Tensor)):
        return str(value) if isinstance(value, str) and type(value) is not str else value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, range)):
        return [plain(item) for item in value]
    return str(value)
