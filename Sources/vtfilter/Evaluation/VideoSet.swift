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
                let problem = String(cString: strerror(errno))
                if relative.isEmpty { throw VideoIOError.badInput(url: path, problem: problem) }
                entries.append(VideoEntry(name: relative, path: path, problem: problem))
                continue
            }
            defer { closedir(directory) }
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name == "." || name == ".." { continue }
                let inner = relative.isEmpty ? name : "\(relative)/\(name)"
                var status = stat()
                guard lstat("\(folder)/\(inner)", &status) == 0 else {
                    // Gone meanwhile, or a name that is no text: said only where it is a video's.
                    if VideoFiles.likeness(name) == .certain {
                        let problem =
                            name.contains("\u{fffd}") ? "expected a name in UTF-8" : "gone"
                        entries.append(VideoEntry(name: inner, path: "", problem: problem))
                    }
                    continue
                }
                if status.st_mode & S_IFMT == S_IFDIR {
                    waiting.append(inner)
                } else if let entry = file(inner, "\(folder)/\(inner)") {
                    entries.append(entry)
                }
            }
        }
        return entries.sorted { $0.name < $1.name }
    }

    /// A video by its name, or what is wrong with it; nil for other files. A pipe is not waited for.
    private static func file(_ name: String, _ path: String) -> VideoEntry? {
        let likeness = VideoFiles.likeness(name)
        if likeness == .none { return nil }
        var status = stat()
        if stat(path, &status) != 0 {
            return VideoEntry(name: name, path: path, problem: String(cString: strerror(errno)))
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            if likeness == .possible, !VideoFiles.hasVideo(path) { return nil }
            return VideoEntry(name: name, path: path)
        case S_IFDIR: return nil  // a link to a folder
        default:
            return VideoEntry(
                name: name, path: path, problem: "expected a file, found another kind")
        }
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
