import Glibc
import VideoIO

/// A video to evaluate, or one that cannot be.
struct VideoEntry {
    /// The name in reports: relative to the folder, or as given.
    let name: String
    let path: String
    /// Why it is not read, where that is known before.
    var problem: String?
}

/// Finds the videos of an evaluation, in the order of their names.
enum VideoSet {
    /// All videos under a folder, by the endings that libav knows. Links to folders are not
    /// followed, so a folder cannot contain itself.
    static func inFolder(_ folder: String) throws -> [VideoEntry] {
        var (entries, waiting): ([VideoEntry], [String]) = ([], [""])
        while let relative = waiting.popLast() {
            let path = relative.isEmpty ? folder : "\(folder)/\(relative)"
            guard let directory = opendir(path) else {
                throw VideoIOError.badInput(url: path, problem: String(cString: strerror(errno)))
            }
            defer { closedir(directory) }
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name == "." || name == ".." { continue }
                let inner = relative.isEmpty ? name : "\(relative)/\(name)"
                var status = stat()
                guard lstat("\(folder)/\(inner)", &status) == 0 else { continue }
                if status.st_mode & S_IFMT == S_IFDIR {
                    waiting.append(inner)
                } else if VideoFiles.hasVideoEnding(name) {
                    entries.append(VideoEntry(name: inner, path: "\(folder)/\(inner)"))
                }
            }
        }
        return entries.sorted { $0.name < $1.name }
    }

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
        for (index, line) in lines.enumerated().dropFirst() where !line.isEmpty {
            let place = "\(meta), line \(index + 1)"
            guard let values = fields(line) else {
                entries.append(
                    VideoEntry(name: place, path: "", problem: "expected UTF-8 with closed quotes"))
                continue
            }
            guard values.count == header.count, !values[column].isEmpty else {
                entries.append(
                    VideoEntry(
                        name: place, path: "",
                        problem: "expected \(header.count) fields, found \(values.count)"))
                continue
            }
            let name = values[column]
            entries.append(
                VideoEntry(name: name, path: name.hasPrefix("/") ? name : "\(folder)/\(name)"))
        }
        return entries.sorted { $0.name < $1.name }
    }

    private static func lines(of path: String) throws -> [[UInt8]] {
        guard let file = fopen(path, "rb") else {
            throw VideoIOError.badInput(url: path, problem: String(cString: strerror(errno)))
        }
        defer { fclose(file) }
        var (bytes, chunk): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 1 << 16))
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { break }
            bytes += chunk.prefix(count)
            if bytes.count > 64 << 20 {
                throw VideoIOError.badInput(url: path, problem: "expected at most 64 MB of names")
            }
        }
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
