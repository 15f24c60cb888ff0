import CFFmpeg
import Glibc
import TensorFiles

/// A new file or a pipe as libav writes to it.
final class ByteSink {
    private(set) var context: UnsafeMutablePointer<AVIOContext>?
    /// Why writing failed, if it did.
    private(set) var failure: VideoIOError?
    /// Whether libav can go back in what it wrote.
    let isSeekable: Bool

    private var file: NewFile
    private var output: Descriptor

    /// Opens a file or pipe to write; one that is `input`, or another input of the options, is
    /// refused.
    convenience init(_ options: OutputOptions, input: FileIdentity?) throws(VideoIOError) {
        if options.url == "-", isatty(1) == 1 {
            throw .usage(
                "standard output is a terminal: frames are not written to it; give -o FILE or "
                    + "a pipe")
        }
        let inputs = options.inputs.compactMap { FileIdentity(path: $0) }
        let file: NewFile
        do throws(NewFileError) {
            file = try NewFile(
                options.url, overwrite: options.overwrite,
                inputs: inputs + (input.map { [$0] } ?? []),
                wake: options.cancellation?.wakeDescriptor)
        } catch {
            throw VideoIOError(error)
        }
        try self.init(file)
    }

    /// Writes to a file that is prepared already.
    init(_ file: NewFile) throws(VideoIOError) {
        do throws(NewFileError) { output = try file.open() } catch { throw VideoIOError(error) }
        self.file = file
        isSeekable = file.isSeekable
        let bufferSize: Int32 = 1 << 16
        let owner = Unmanaged.passUnretained(self).toOpaque()
        // Without a buffer there would be a context all the same.
        guard let buffer = av_malloc(Int(bufferSize)) else {
            throw .failure(url: file.place, problem: "no memory")
        }
        context = avio_alloc_context(
            buffer.assumingMemoryBound(to: UInt8.self), bufferSize, 1, owner,
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
        if context == nil {
            av_free(buffer)
            throw .failure(url: file.place, problem: "no memory")
        }
    }

    deinit { abandon() }

    /// Ends this file and goes on with another.
    func goOn(with next: NewFile) throws(VideoIOError) {
        avio_flush(context)
        if let failure { throw failure }
        do throws(NewFileError) {
            try file.finish()
            output = try next.open()
        } catch {
            throw VideoIOError(error)
        }
        file = next
    }

    /// Everything was written: the file gets its name.
    func finish() throws(VideoIOError) {
        avio_flush(context)
        if let failure { throw failure }
        do throws(NewFileError) { try file.finish() } catch { throw VideoIOError(error) }
        release()
    }

    /// Removes what was written so far (nothing can be taken back from a pipe).
    func abandon() {
        file.abandon()
        release()
    }

    private func release() {
        if let open = context {
            av_freep(&open.pointee.buffer)
            avio_context_free(&context)
        }
    }

    private func write(_ buffer: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
        do throws(StreamError) {
            try output.write(UnsafeRawBufferPointer(start: buffer, count: count))
            return Int32(truncatingIfNeeded: count)
        } catch {
            if failure == nil { failure = VideoIOError(error) }
            return vt_error_io
        }
    }

    private func seek(_ offset: Int64, _ whence: Int32) -> Int64 {
        if whence & AVSEEK_SIZE != 0 {
            var status = stat()
            return fstat(output.number, &status) == 0
                ? Int64(status.st_size) : Int64(vt_error_io)
        }
        let result = lseek(output.number, Int(offset), whence & ~AVSEEK_FORCE)
        return result < 0 ? Int64(vt_error_io) : Int64(result)
    }
}

extension VideoIOError {
    /// What happened to an output.
    init(_ error: NewFileError) {
        switch error {
        case .refused(let problem): self = .usage(problem)
        case .failure(let place, let problem): self = .failure(url: place, problem: problem)
        case .cancelled: self = .cancelled
        }
    }

    init(_ error: StreamError) {
        switch error {
        case .brokenPipe(let place): self = .brokenPipe(url: place)
        case .cancelled: self = .cancelled
        case .failure(let place, let problem): self = .failure(url: place, problem: problem)
        case .malformed, .truncated: self = .failure(url: "output", problem: "\(error)")
        }
    }
}
