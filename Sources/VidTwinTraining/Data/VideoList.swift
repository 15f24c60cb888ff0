import Glibc
import TensorFiles
package import VideoIO

/// The videos of a set, in the order that numbers them.
package struct VideoList: Sendable {
    /// The videos; those that are known to be missing have a problem.
    package let entries: [VideoEntry]
    /// What names the set in messages.
    package let place: String

    /// Most bytes of a CSV file.
    private static let maximumBytes = 1 << 30

    /// All videos below a folder, sorted by the bytes of their paths; or those that the column
    /// `videos` of a CSV file names, in its order, relative to the folder.
    ///
    /// `folderKey` and `listKey` are the configuration's keys, for messages.
    /// - Throws: `TrainingError.data` with file and line of a row that is no good.
    package init(
        folder: String, list: String?, folderKey: String, listKey: String
    ) throws {
        var status = stat()
        guard folder.withPathBytes({ stat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFDIR
        else {
            throw TrainingError.data(
                "\(folderKey): expected a folder, found \(folder), which is "
                    + (errno == ENOENT ? "not there" : "none"))
        }
        guard let list else {
            place = folder
            do {
                entries = try VideoFolder.videos(under: folder)
            } catch {
                throw TrainingError.data("\(error)")
            }
            if entries.isEmpty {
                throw TrainingError.data("\(folder): expected videos, found none (\(folderKey))")
            }
            return
        }
        place = list
        let rows: [CSVTable.Row]
        do { rows = CSVTable(try InputFile.read(list, limit: VideoList.maximumBytes)).rows } catch {
            throw TrainingError.data("\(listKey): \(error)")
        }
        func bad(_ line: Int, _ expected: String, _ found: String) -> TrainingError {
            .data("\(list), line \(line): expected \(expected), found \(found)")
        }
        func fields(_ row: CSVTable.Row) throws -> [String] {
            switch row.fields {
            case .success(let fields): return fields
            case .failure(.openQuote): throw bad(row.line, "a closing quote", "the end")
            case .failure(.notText): throw bad(row.line, "text in UTF-8", "other bytes")
            }
        }
        guard let first = rows.first else { throw bad(1, "a header", "an empty file") }
        let header = try fields(first)
        guard let column = header.firstIndex(of: "videos") else {
            throw bad(1, "the column videos", header.prefix(8).joined(separator: ", "))
        }
        entries = try rows.dropFirst().map { row in
            let fields = try fields(row)
            guard fields.count == header.count else {
                throw bad(
                    row.line, "\(header.count) fields, as in the header", "\(fields.count)")
            }
            let name = fields[column]
            if name.isEmpty || name.utf8.contains(0) {
                throw bad(row.line, "a path in the column videos", "none")
            }
            let path = name.hasPrefix("/") ? name : "\(folder)/\(name)"
            let problem =
                path.withPathBytes({ access($0, R_OK) }) == 0
                ? nil : String(cString: strerror(errno))
            return VideoEntry(name: name, path: path, problem: problem)
        }
        if entries.isEmpty {
            throw TrainingError.data("\(list): expected rows, found none (\(listKey))")
        }
    }
}
