import CFFmpeg
import Glibc
import TensorFiles

/// A file or pipe that libav reads from: through our own callbacks, so that waiting can be
/// cancelled, bytes are counted, and nothing but this one descriptor is ever opened.
final class ByteSource {
    private(set) var context: UnsafeMutablePointer<AVIOContext>?
    let isSeekable: Bool
    /// Size of a regular file in bytes.
    let size: Int64?
    /// Bytes read so far, or where reading stands in a seekable file.
    private(set) var position: Int64 = 0
    /// Whether the end was reached.
    private(set) var ended = false
    /// Why reading failed, if it did.
    private(set) var failure: VideoIOError?
    /// Device and file numbers, to tell whether an output is the same file.
    let identity: FileIdentity

    private let url: String
    private let descriptor: Int32
    private let ownsDescriptor: Bool
    let cancellation: Cancellation

    private var start: ArraySlice<UInt8>

    init(
        url: String, cancellation: Cancellation, opened: (descriptor: Int32, start: [UInt8])? = nil
    ) throws(VideoIOError) {
        self.url = url
        self.cancellation = cancellation
        ownsDescriptor = url != "-" && opened == nil
        if let opened {
            descriptor = opened.descriptor
        } else {
            descriptor = url == "-" ? 0 : try ByteSource.open(url)
        }
        start = (opened?.start ?? [])[...]
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .badInput(url: url, problem: String(cString: strerror(errno)))
        }
        let kind = status.st_mode & S_IFMT
        if kind == S_IFDIR {
            if ownsDescriptor { close(descriptor) }
            throw .badInput(url: url, problem: "expected a file or a pipe, found a folder")
        }
        identity = FileIdentity(status)
        isSeekable = kind == S_IFREG && start.isEmpty && lseek(descriptor, 0, SEEK_CUR) == 0
        size = isSeekable ? Int64(status.st_size) : nil
        let bufferSize: Int32 = 1 << 16
        let owner = Unmanaged.passUnretained(self).toOpaque()
        context = avio_alloc_context(
            av_malloc(Int(bufferSize))?.assumingMemoryBound(to: UInt8.self), bufferSize, 0, owner,
            { owner, buffer, count in
                guard let owner, let buffer else { return vt_error_io }
                return Unmanaged<ByteSource>.fromOpaque(owner).takeUnretainedValue()
                    .read(buffer, Int(count))
            }, nil,
            isSeekable
                ? { owner, offset, whence in
                    guard let owner else { return Int64(vt_error_io) }
                    return Unmanaged<ByteSource>.fromOpaque(owner).takeUnretainedValue()
                        .seek(offset, whence)
                } : nil)
        if context == nil { throw .failure(url: url, problem: "no memory") }
    }

    deinit {
        if let open = context {
            av_freep(&open.pointee.buffer)
            avio_context_free(&context)
        }
        if ownsDescriptor { close(descriptor) }
    }

    /// Opens a file or a named pipe, whose writer is waited for by `poll`, where waiting can be
    /// cancelled.
    static func open(_ url: String) throws(VideoIOError) -> Int32 {
        while true {
            let descriptor = url.withPathBytes {
                Glibc.open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            }
            if descriptor >= 0 {
                _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
                return descriptor
            }
            if errno == EINTR { continue }
            throw .badInput(url: url, problem: String(cString: strerror(errno)))
        }
    }

    private func read(_ buffer: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int32 {
        if !start.isEmpty {
            let part = start.prefix(count)
            for (i, byte) in part.enumerated() { buffer[i] = byte }
            start = start.dropFirst(part.count)
            position += Int64(part.count)
            return Int32(truncatingIfNeeded: part.count)
        }
        while true {
            if !isSeekable {
                var entries = [
                    pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: cancellation.wakeDescriptor, events: Int16(POLLIN), revents: 0),
                ]
                if poll(&entries, 2, -1) < 0 {
                    if errno == EINTR { continue }
                    return fail(String(cString: strerror(errno)))
                }
                if entries[1].revents != 0 { return cancelled() }
            } else if cancellation.isCancelled {
                return cancelled()
            }
            let got = Glibc.read(descriptor, buffer, count)
            if got > 0 {
                position += Int64(got)
                return Int32(truncatingIfNeeded: got)
            }
            if got == 0 {
                ended = true
                return vt_error_eof
            }
            if errno == EINTR || errno == EAGAIN { continue }
            return fail(String(cString: strerror(errno)))
        }
    }

    private func cancelled() -> Int32 {
        failure = .cancelled
        return vt_error_exit
    }

    private func fail(_ problem: String) -> Int32 {
        failure = .failure(url: url, problem: "reading failed: \(problem)")
        return vt_error_io
    }

    private func seek(_ offset: Int64, _ whence: Int32) -> Int64 {
        if whence & AVSEEK_SIZE != 0 { return size ?? Int64(vt_error_no_system_call) }
        let result = lseek(descriptor, Int(offset), whence & ~AVSEEK_FORCE)
        if result < 0 { return Int64(vt_error_io) }
        ended = false
        position = Int64(result)
        return position
    }
}
