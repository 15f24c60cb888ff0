import Glibc
import VideoIO

/// Finds the videos of an evaluation, in the order of their names.
enum VideoSet {
    /// The videos that the column `videos` of a CSV file names, relative to a folder. A line that
    /// is no good becomes an entry with its problem.
    static func listed(in meta: String, folder: String) throws -> [VideoEntry] {
        let lines = try lines(of: meta)
        guard let first = lines.first, let header = fields(first),
            let column = header.firstIndex(of: "videos")
        else {
            throw VideoIOError.badInput(
                url: meta,
                problem: "expected a first line with the column videos, found "
                    + "\"\(String(decoding: (lines.first ?? []).prefix(60), as: UTF8.self))\"")
        }
        var entries: [VideoEntry] = []
        var names: Set<String> = []
        for (index, line) in lines.enumerated().dropFirst() where !line.isEmpty {
            let place = "\(meta), line \(index + 1)"
            guard let values = fields(line) else {
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

    private static func lines(of path: String) throws -> [[UInt8]] {
        var bytes = try InputFile.read(path, limit: 64 << 20)
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { bytes.removeFirst(3) }
        return bytes.split(separator: 10, omittingEmptySubsequences: false).map {
            $0.last == 13 ? Array($0.dropLast()) : Array($0)
        }
    }

    /// The fields of a line: separated by commas, quoted where they hold one.
    private static func fields(_ line: [UInt8]) -> [String]? {
        guard let text = String(validating: line, as: UTF8.self) else { return nil }
        var (fields, field, quoted): ([String], String, Bool) = ([], "", false)
        var rest = Substring(text)
        while let character = rest.popFirst() {
            if character == "\"" {
                if quoted, rest.first == "\"" {
                    field.append("\"")
                    rest.removeFirst()
                } else {
                    quoted.toggle()
                }
            } else if character == ",", !quoted {
                fields.append(field)
                field = ""
            } else {
                field.append(character)
            }
        }
        return quoted ? nil : fields + [field]
    }
}
