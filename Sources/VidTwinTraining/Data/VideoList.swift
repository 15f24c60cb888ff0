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
        let table: CSVTable
        do {
            table = try CSVTable(VideoList.contents(list, listKey))
        } catch let failure as CSVTable.Failure {
            throw TrainingError.data(
                "\(list), line \(failure.line): expected \(failure.expected), found "
                    + failure.found)
        }
        guard let column = table.column("videos") else {
            throw TrainingError.data(
                "\(list), line 1: expected the column videos, found "
                    + table.header.prefix(8).joined(separator: ", "))
        }
        entries = try table.rows.map { row in
            let name = row.fields[column]
            if name.isEmpty || name.utf8.contains(0) {
                throw TrainingError.data(
                    "\(list), line \(row.line): expected a path in the column videos, found none")
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

    private static func contents(_ path: String, _ key: String) throws -> [UInt8] {
        guard let file = path.withPathBytes({ fopen($0, "rb") }) else {
            throw TrainingError.data("\(key): \(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var (bytes, chunk): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 1 << 18))
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { break }
            bytes += chunk.prefix(count)
            if bytes.count > maximumBytes {
                throw TrainingError.data("\(path): expected at most \(maximumBytes >> 20) MB")
            }
        }
        if ferror(file) != 0 {
            throw TrainingError.data("\(key): \(path): \(String(cString: strerror(errno)))")
        }
        return bytes
    }
}
