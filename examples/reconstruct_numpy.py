#!/usr/bin/env python3
"""Reconstructs a numpy array of frames by libvidtwin, through ctypes.

    reconstruct_numpy.py IN.npy OUT.npy     uint8 [frames, height, width, 3], of the model's size

The library is found by the loader, or where VIDTWIN_LIBRARY says.
"""

import ctypes
import os
import sys

import numpy as np

OK, AGAIN, END = 0, 1, 2
RGB24 = 1


class Frame(ctypes.Structure):
    _fields_ = [
        ("format", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("data", ctypes.c_void_p * 3),
        ("stride", ctypes.c_ssize_t * 3),
        ("pts", ctypes.c_int64),
    ]


class VidTwin:
    """The bundled model, or the one that VIDTWIN_MODEL names."""

    def __init__(self):
        self.library = ctypes.CDLL(os.environ.get("VIDTWIN_LIBRARY", "libvidtwin.so.1"))
        self.message = ctypes.create_string_buffer(1024)
        self.model = ctypes.c_void_p()
        major = self.library.vidtwin_api_version() >> 16
        if major != 1:
            raise RuntimeError(f"libvidtwin has interface {major}, 1 is needed")
        self.call("vidtwin_model_open", ctypes.byref(self.model), None)

    def call(self, name, *arguments):
        status = getattr(self.library, name)(
            *arguments, self.message, ctypes.c_size_t(len(self.message))
        )
        if status < 0:
            raise RuntimeError(f"{name}: {self.message.value.decode()}")
        return status

    def reconstruct(self, frames):
        """uint8 [frames, height, width, 3] -> the same; any strides but those within a pixel row."""
        session = ctypes.c_void_p()
        self.call("vidtwin_session_open", ctypes.byref(session), self.model, None)
        try:
            done = []

            def receive():
                while True:
                    out = np.empty(frames.shape[1:], np.uint8)
                    status = self.call("vidtwin_session_receive", session, describe(out))
                    if status != OK:
                        return status
                    done.append(out)

            for frame in frames:
                self.call("vidtwin_session_send", session, describe(frame))
                receive()
            self.call("vidtwin_session_flush", session)
            assert receive() == END
            return np.stack(done) if done else np.empty_like(frames)
        finally:
            self.library.vidtwin_session_close(ctypes.byref(session))

    def close(self):
        self.library.vidtwin_model_close(ctypes.byref(self.model))


def describe(array):
    """A frame that is this array's memory; its rows may lie anywhere, even upside down."""
    if array.dtype != np.uint8 or array.ndim != 3 or array.strides[1:] != (3, 1):
        raise ValueError(f"expected uint8 [height, width, 3] with dense rows, found {array.dtype} "
                         f"{array.shape} with strides {array.strides}")
    frame = Frame(RGB24, array.shape[1], array.shape[0])
    frame.data[0] = array.ctypes.data
    frame.stride[0] = array.strides[0]
    return ctypes.byref(frame)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    model = VidTwin()
    frames = np.load(sys.argv[1])
    result = model.reconstruct(frames)
    # Rows are where their strides say: upside down in memory is the same picture.
    flipped = np.ascontiguousarray(frames[:, ::-1])[:, ::-1]
    assert np.array_equal(model.reconstruct(flipped[:2]), model.reconstruct(frames[:2]))
    model.close()
    np.save(sys.argv[2], result)
    print(f"{len(result)} frames, PSNR "
          f"{10 * np.log10(255**2 / np.mean((result - frames.astype(float)) ** 2)):.2f} dB")
