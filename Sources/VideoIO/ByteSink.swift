import CFFmpeg
import Glibc

/// A file or pipe that libav writes to. Regular files are written under a temporary name in the
/// same folder and renamed when everything is there.
final class ByteSink {
    private(set) var context: UnsafeMutablePointer<AVIOContext>?
    /// Why writing failed, if it did.
    private(set) var failure: VideoIOError?
    /// The temporary file's name, while there is one.
    private(set) var temporaryPath: String?

    private let url: String
    private let isSeekable: Bool
    private var descriptor: Int32

    /// Opens a file or pipe to write; one that is `input` is refused.
    init(url: String, overwrite: Bool, input: FileIdentity?) throws(VideoIOError) {
        self.url = url
        var status = stat()
        if url == "-" {
            if isatty(1) == 1 {
                throw .usage(
                    "standard output is a terminal: frames are not written to it; give -o FILE or "
                        + "a pipe")
            }
            descriptor = 1
            isSeekable = false
        } else if stat(url, &status) == 0 && status.st_mode & S_IFMT != S_IFREG {
            if status.st_mode & S_IFMT == S_IFDIR {
                throw .usage("\(url): expected a file to write, found a folder")
            }
            descriptor = Glibc.open(url, O_WRONLY | O_CLOEXEC)  // a pipe or a device
            isSeekable = false
        } else {
            if stat(url, &status) == 0 {
                if input == FileIdentity(status) {
                    throw .usage("\(url): the output is the input; give another name")
                }
                if !overwrite { throw .usage("\(url) exists; -y overwrites it") }
            }
            let temporary = ByteSink.temporaryName(url)
            descriptor = Glibc.open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            temporaryPath = temporary
            isSeekable = true
        }
        if descriptor < 0 {
            throw .failure(
                url: url, problem: "cannot be written: \(String(cString: strerror(errno)))")
        }
        let bufferSize: Int32 = 1 << 16
        let owner = Unmanaged.passUnretained(self).toOpaque()
        context = avio_alloc_context(
            av_malloc(Int(bufferSize))?.assumingMemoryBound(to: UInt8.self), bufferSize, 1, owner,
            nil,
            { owner, buffer, count in
                guard let owner, let buffer else { return vt_error_io }
                return Unmanaged<ByteSink>.fromOpaque(owner).takeUnretainedValue()
                    .write(buffer, Int(count))
            },
            isSeekable
                ? { owner, offset, whence in
                    guard let owner else { return Int64(vt_error_io) }
                    return Unmanaged<ByteSink>.fromOpaque(owner).takeUnretainedValue()
                        .seek(offset, whence)
                } : nil)
        if context == nil { throw .failure(url: url, problem: "no memory") }
    }

    deinit { abandon() }

    private static func temporaryName(_ url: String) -> String {
        let parts = url.split(separator: "/", omittingEmptySubsequences: false)
        let name = ".\(parts.last ?? "").\(getpid()).tmp"
        return (parts.dropLast().map(String.init) + [name]).joined(separator: "/")
    }

    /// Everything was written: the file gets its name.
    func finish() throws(VideoIOError) {
        avio_flush(context)
        if let failure { throw failure }
        if let temporary = temporaryPath {
            let status = close(descriptor)
            descriptor = -1
            guard status == 0, rename(temporary, url) == 0 else {
                throw .failure(url: url, problem: String(cString: strerror(errno)))
            }
            temporaryPath = nil
        }
        release()
    }

    /// Removes what was written so far (nothing can be taken back from a pipe).
    func abandon() {
        if let temporary = temporaryPath { unlink(temporary) }
        temporaryPath = nil
        release()
    }

    private func release() {
        if let open = context {
            av_freep(&open.pointee.buffer)
            avio_context_free(&context)
        }
        if descriptor > 2 { close(descriptor) }
        descriptor = -1
    }

    private func write(_ buffer: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
        var done = 0
        while done < count {
            let written = Glibc.write(descriptor, buffer + done, count - done)
            if written > 0 {
                done += written
            } else if errno == EAGAIN {
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&entry, 1, -1)
            } else if errno != EINTR {
                if failure == nil {
                    failure =
                        errno == EPIPE
                        ? .brokenPipe(url: url)
                        : .failure(
                            url: url == "-" ? "standard output" : url,
                            problem: "writing failed: \(String(cString: strerror(errno)))")
                }
                return vt_error_io
            }
        }
        return Int32(truncatingIfNeeded: count)
    }

    private func seek(_ offset: Int64, _ whence: Int32) -> Int64 {
        if whence & AVSEEK_SIZE != 0 {
            var status = stat()
            return fstat(descriptor, &status) == 0 ? Int64(status.st_size) : Int64(vt_error_io)
        }
        let result = lseek(descriptor, Int(offset), whence & ~AVSEEK_FORCE)
        return result < 0 ? Int64(vt_error_io) : Int64(result)
    }
}
