# SPDX-License-Identifier: GPL-2.0-or-later
"""libhylics for programs of the guest that are Python: $HYLICS_LIBRARY is its path."""

import ctypes
import os

_library = ctypes.CDLL(os.environ["HYLICS_LIBRARY"], use_errno=True)
_library.hylics_sendfile.restype = ctypes.c_ssize_t
_library.hylics_sendfile.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int64),
                                     ctypes.c_size_t]


def sendfile(sock, fd, offset, count):
    """hylics_sendfile(), as os.sendfile(): bytes accepted, or OSError."""
    at = ctypes.c_int64(offset)
    done = _library.hylics_sendfile(sock, fd, ctypes.byref(at), count)
    if done < 0:
        raise OSError(ctypes.get_errno(), "hylics_sendfile")
    assert at.value == offset + done
    return done
