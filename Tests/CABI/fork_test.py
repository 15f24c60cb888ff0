"""A model that was opened before os.fork, as by PyTorch's data loaders: the child computes.

    fork_test.py libvidtwin.so.1 MODEL_FOLDER        needs no package
"""
import ctypes
import os
import signal
import sys
import threading


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("config", ctypes.c_char_p),
                ("checkpoint", ctypes.c_char_p), ("model", ctypes.c_char_p),
                ("threads", ctypes.c_int32), ("precision", ctypes.c_int32),
                ("log", ctypes.c_void_p), ("log_user", ctypes.c_void_p)]


class Frame(ctypes.Structure):
    _fields_ = [("format", ctypes.c_int32), ("width", ctypes.c_int32), ("height", ctypes.c_int32),
                ("reserved", ctypes.c_int32), ("data", ctypes.c_void_p * 3),
                ("stride", ctypes.c_ssize_t * 3), ("pts", ctypes.c_int64)]


library = ctypes.CDLL(sys.argv[1])
message = ctypes.create_string_buffer(1024)
text = (message, ctypes.c_size_t(len(message)))


def call(name, *arguments):
    status = getattr(library, name)(*arguments, *text)
    assert status >= 0, (name, message.value)
    return status


options, model = Options(), ctypes.c_void_p()
assert library.vidtwin_model_options_default(ctypes.byref(options), ctypes.c_size_t(56)) == 0
options.model, options.threads, options.precision = sys.argv[2].encode(), 2, 1
call("vidtwin_model_open", ctypes.byref(model), ctypes.byref(options))


def reconstruct(seed):
    session = ctypes.c_void_p()
    call("vidtwin_session_open", ctypes.byref(session), model, None)
    pixels = ctypes.create_string_buffer(64 * 64 * 3)
    frame = Frame(1, 64, 64, 0)
    frame.data[0], frame.stride[0] = ctypes.addressof(pixels), 64 * 3
    for t in range(16):
        pixels.raw = bytes((i * seed + t) % 256 for i in range(64 * 64 * 3))
        call("vidtwin_session_send", session, ctypes.byref(frame))
    result = b""
    while call("vidtwin_session_receive", session, ctypes.byref(frame)) == 0:
        result += pixels.raw
    library.vidtwin_session_close(ctypes.byref(session))
    return result


def child(expected):
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        signal.alarm(60)
        with os.fdopen(writer, "wb") as out:
            out.write(reconstruct(3))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as data:
        found = data.read()
    assert os.waitpid(process, 0)[1] == 0
    assert expected is None or found == expected, len(found)
    return found


first = child(None)  # before the parent computed anything
assert len(first) == 16 * 64 * 64 * 3 and reconstruct(3) == first
stop = threading.Event()
other = threading.Thread(target=lambda: [reconstruct(5) for _ in iter(stop.is_set, True)])
other.start()
for _ in range(8):
    child(first)
stop.set()
other.join()
assert reconstruct(3) == first
print("os.fork: the children of Python compute what their parent does")
