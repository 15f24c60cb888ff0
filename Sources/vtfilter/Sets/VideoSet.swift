import Glibc
import VideoIO

/// Finds the videos of a set, in the order of their names.
enum VideoSet {
    /// All videos under a folder, or those that a CSV file names; tar streams of videos too, where
    /// `archives` are wanted.
    ///
    /// - Throws: `VideoIOError.badInput` where there are none.
    static func entries(
        under folder: String, meta: String?, archives: Bool = false
    ) throws -> [VideoEntry] {
        let entries =
            try meta.map { try listed(in: $0, folder: folder) }
            ?? VideoFolder.videos(under: folder, archives: archives)
        if entries.isEmpty {
            throw VideoIOError.badInput(
                url: meta ?? folder, problem: "expected videos, found none")
        }
        return entries
    }

    /// The videos that the column `videos` of a CSV file names, relative to a folder. A line that
    /// is no good becomes an entry with its problem.
    static func listed(in meta: String, folder: String) throws -> [VideoEntry] {
        let text = try InputFile.read(meta, limit: 64 << 20)
        let rows = CSVTable(text).rows
        guard let header = try? rows.first?.fields.get(),
            let column = header.firstIndex(of: "videos")
        else {
            throw VideoIOError.badInput(
                url: meta,
                problem: "expected a first line with the column videos, found "
                    + "\"\(String(decoding: text.prefix { $0 >= 32 }.prefix(60), as: UTF8.self))\"")
        }
        var entries: [VideoEntry] = []
        var names: Set<String> = []
        for row in rows.dropFirst() {
            let place = "\(meta), line \(row.line)"
            guard let values = try? row.fields.get() else {
                entries.append(
                    VideoEntry(name: place, path: "", problem: "expected UTF-8 with closed quotes"))
                continue
            }
            guard values.count == header.count, !values[column].isEmpty else {
                let problem =
                    values.count == header.count
                    ? "expected a name in the column videos, found none"
                    : "expected \(header.count) fields, found \(values.count)"
                entries.append(VideoEntry(name: place, path: "", problem: problem))
                continue
            }
            let name = values[column]
            guard names.insert(name).inserted else {
                entries.append(
                    VideoEntry(name: place, path: "", problem: "\(name) is named twice"))
                continue
            }
            entries.append(
                VideoEntry(name: name, path: name.hasPrefix("/") ? name : "\(folder)/\(name)"))
        }
        return entries.sorted { $0.name < $1.name }
    }
}
