import Glibc
import TensorFiles
import VideoIO

/// The videos that a run could not use, each once with the reason: a CSV file that a run which goes on
/// adds to.
package final class RefusedVideos {
    /// A video and why it is not used.
    package struct Entry: Equatable, Sendable {
        /// `train` or `validation`.
        package let part: String
        package let video: String
        package let problem: String
    }

    /// The first of them, `mostEntries` at most.
    package private(set) var entries: [Entry] = []
    /// How many there are.
    package var count: Int { known.count }

    /// Entries that are kept to be shown.
    package static let mostEntries = 100

    private static let header = "part,video,problem\n"
    private static let mostBytes = 1 << 30
    /// None in a process that writes nothing.
    private let path: String?
    private var known: Set<[String]> = []
    private var descriptor: Int32 = -1

    /// Reads what an earlier part of the run refused; the file is made with the first entry.
    ///
    /// - Throws: `CheckpointError.unwritable` where the file is there and cannot be read.
    package init(_ path: String?) throws {
        self.path = path
        guard let path, path.withPathBytes({ access($0, F_OK) }) == 0 else { return }
        let bytes: [UInt8]
        do { bytes = try InputFile.read(path, limit: RefusedVideos.mostBytes) } catch {
            throw CheckpointError.unwritable(path: path, problem: "\(error)")
        }
        for row in CSVTable(bytes).rows.dropFirst() {
            // The row that was being written when the program was killed is not whole.
            guard let fields = try? row.fields.get(), fields.count == 3 else { continue }
            keep(Entry(part: fields[0], video: fields[1], problem: fields[2]))
        }
        let whole = bytes.lastIndex(of: 10).map { $0 + 1 } ?? 0
        if whole < bytes.count, path.withPathBytes({ truncate($0, off_t(whole)) }) != 0 {
            throw failure
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private var failure: CheckpointError {
        .unwritable(path: path ?? "", problem: String(cString: strerror(errno)))
    }

    @discardableResult private func keep(_ entry: Entry) -> Bool {
        guard known.insert([entry.part, entry.video]).inserted else { return false }
        if entries.count < RefusedVideos.mostEntries { entries.append(entry) }
        return true
    }

    /// Adds a video, if it is new.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package func add(_ part: String, _ video: String, _ problem: String) throws {
        let entry = Entry(part: part, video: video.visible, problem: problem.visible)
        guard keep(entry), let path else { return }
        var text = ""
        if descriptor < 0 {
            descriptor = path.withPathBytes {
                open($0, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
            }
            if descriptor < 0 { throw failure }
            if lseek(descriptor, 0, SEEK_END) == 0 { text = RefusedVideos.header }
        }
        let fields = [entry.part, entry.video, entry.problem]
        text += fields.map { CSVTable.quoted($0) }.joined(separator: ",") + "\n"
        try write(text, path)
    }

    private func write(_ text: String, _ path: String) throws {
        do {
            try Descriptor(descriptor, place: path).write(Array(text.utf8))
        } catch .failure(_, let problem) {
            throw CheckpointError.unwritable(path: path, problem: problem)
        }
    }
}
