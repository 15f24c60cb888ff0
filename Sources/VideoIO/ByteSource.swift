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

    /// The pictures of a sequence, which are read as one stream.
    private var following: ArraySlice<String> = []
    private var gap: String?
    /// Why a sequence ends before its last picture.
    private(set) var ending: VideoIOError?
    private(set) var identities: [FileIdentity] = []

    private let url: String
    private var descriptor: Int32
    private let ownsDescriptor: Bool
    let cancellation: Cancellation

    private var start: ArraySlice<UInt8>
    private var head: [UInt8] = []  // of a pipe: what its container promised
    private static let headBytes = 8192

    init(
        url: String, cancellation: Cancellation,
        opened: (descriptor: Int32, start: [UInt8])? = nil, pictures: PictureSequence? = nil
    ) throws(VideoIOError) {
        self.url = url
        self.cancellation = cancellation
        ownsDescriptor = url != "-" && opened == nil
        if let opened {
            descriptor = opened.descriptor
        } else {
            descriptor = url == "-" ? 0 : try ByteSource.open(pictures?.paths.first ?? url)
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
        if let pictures {
            following = pictures.paths.dropFirst()
            gap = pictures.gap
            identities = pictures.paths.compactMap { FileIdentity(path: $0) }
        }
        isSeekable =
            pictures == nil && kind == S_IFREG && start.isEmpty
            && lseek(descriptor, 0, SEEK_CUR) == 0
        size = isSeekable ? Int64(status.st_size) : nil
        let bufferSize: Int32 = 1 << 16
        let owner = Unmanaged.passUnretained(self).toOpaque()
        // Without a buffer there would be a context all the same.
        guard let buffer = av_malloc(Int(bufferSize)) else {
            throw .failure(url: url, problem: "no memory")
        }
        context = avio_alloc_context(
            buffer.assumingMemoryBound(to: UInt8.self), bufferSize, 0, owner,
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
        if context == nil {
            av_free(buffer)
            throw .failure(url: url, problem: "no memory")
        }
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
            remember(buffer, part.count)
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
                if !isSeekable { remember(buffer, got) }
                position += Int64(got)
                return Int32(truncatingIfNeeded: got)
            }
            if got == 0, nextPicture() { continue }
            if got == 0 {
                if let size, position < size {
                    failure = .badInput(
                        url: url,
                        problem: "became shorter while it was read: expected \(size) bytes, found "
                            + "\(position)")
                }
                ended = true
                return vt_error_eof
            }
            if errno == EINTR || errno == EAGAIN { continue }
            return fail(String(cString: strerror(errno)))
        }
    }

    /// Goes on with the next picture of a sequence.
    private func nextPicture() -> Bool {
        guard let path = following.popFirst() else {
            if let gap { ending = .badInput(url: url, problem: gap) }
            return false
        }
        do throws(VideoIOError) {
            let next = try ByteSource.open(path)
            close(descriptor)
            descriptor = next
            if let problem = WholePicture.problem(next) {
                ending = .badInput(url: path, problem: problem)
                following = []
                gap = nil
                return false
            }
            return true
        } catch {
            ending = error
            return false
        }
    }

    private func remember(_ buffer: UnsafeMutablePointer<UInt8>, _ count: Int) {
        let room = min(ByteSource.headBytes - head.count, count)
        if room > 0 { head += UnsafeBufferPointer(start: buffer, count: room) }
    }

    /// Bytes at a place of a file, or of the beginning of a pipe; fewer where there are no more.
    func bytes(at offset: Int64, count: Int) -> [UInt8] {
        guard offset >= 0 else { return [] }
        if !isSeekable {
            let start = Int(min(offset, Int64(head.count)))
            return Array(head[start..<min(start + count, head.count)])
        }
        var bytes = [UInt8](repeating: 0, count: count)
        let got = pread(descriptor, &bytes, count, Int(offset))
        return Array(bytes.prefix(max(got, 0)))
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
