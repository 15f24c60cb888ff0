import Glibc
import VideoIO

/// Where latents go: standard output, a pipe, or a file that gets its name when it is complete.
final class LatentOutput {
    private(set) var descriptor: Int32
    private(set) var temporaryPath: String?
    private let url: String
    /// For messages.
    var place: String { url == "-" ? "standard output" : url }

    init(_ url: String, overwrite: Bool) throws {
        self.url = url
        var status = stat()
        if url == "-" {
            if isatty(1) == 1 {
                throw VideoIOError.usage(
                    "standard output is a terminal: latents are not written to it; give -o FILE or a "
                        + "pipe")
            }
            descriptor = 1
        } else if stat(url, &status) == 0 && status.st_mode & S_IFMT != S_IFREG {
            descriptor = open(url, O_WRONLY | O_CLOEXEC)
        } else {
            if stat(url, &status) == 0 && !overwrite {
                throw VideoIOError.usage("\(url) exists; -y overwrites it")
            }
            let temporary = "\(url).\(getpid()).tmp"
            descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            temporaryPath = temporary
        }
        if descriptor < 0 {
            throw VideoIOError.failure(
                url: url, problem: "cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    deinit { abandon() }

    /// The file gets its name.
    func finish() throws {
        guard let temporary = temporaryPath else { return }
        let status = close(descriptor)
        descriptor = -1
        guard status == 0, rename(temporary, url) == 0 else {
            throw VideoIOError.failure(url: url, problem: String(cString: strerror(errno)))
        }
        temporaryPath = nil
    }

    /// Removes an unfinished file.
    func abandon() {
        if descriptor > 2 { close(descriptor) }
        descriptor = -1
        if let temporary = temporaryPath { unlink(temporary) }
        temporaryPath = nil
    }
}
