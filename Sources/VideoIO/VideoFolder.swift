import Glibc
import TensorFiles

/// A video of a set, or one that cannot be read.
public struct VideoEntry: Sendable {
    /// The name in reports: relative to the folder, or as given.
    public let name: String
    /// The file.
    public let path: String
    /// Why it is not read, where that is known before.
    public var problem: String?

    /// Whether it is a tar stream of videos, by its name.
    package var isArchive: Bool {
        let name = path.lowercased()
        return [".tar", ".tar.gz", ".tgz"].contains { name.hasSuffix($0) }
    }

    /// A video of this name in this file.
    public init(name: String, path: String, problem: String? = nil) {
        (self.name, self.path, self.problem) = (name, path, problem)
    }
}

/// Finds videos.
public enum VideoFolder {
    /// All videos under a folder, by the endings that libav knows; tar streams too, where `archives` are
    /// wanted. Links to folders are not
    /// followed, so a folder cannot contain itself. Sorted by the bytes of the names.
    ///
    /// - Throws: `VideoIOError.badInput` where the folder cannot be read.
    public static func videos(
        under folder: String, archives: Bool = false
    ) throws(VideoIOError) -> [VideoEntry] {
        var (entries, waiting): ([VideoEntry], [String]) = ([], [""])
        while let relative = waiting.popLast() {
            let path = relative.isEmpty ? folder : "\(folder)/\(relative)"
            let names: [String]
            do throws(VideoIOError) { names = try InputFile.names(in: path) } catch {
                guard !relative.isEmpty, case .badInput(_, let problem) = error else { throw error }
                entries.append(VideoEntry(name: relative, path: path, problem: problem))
                continue
            }
            for name in names {
                let inner = relative.isEmpty ? name : "\(relative)/\(name)"
                var status = stat()
                guard "\(folder)/\(inner)".withPathBytes({ lstat($0, &status) }) == 0 else {
                    // Gone meanwhile: said only where it is a video's.
                    if VideoFiles.likeness(name) == .certain {
                        entries.append(VideoEntry(name: inner, path: "", problem: "gone"))
                    }
                    continue
                }
                if status.st_mode & S_IFMT == S_IFDIR {
                    waiting.append(inner)
                } else if let entry = file(inner, "\(folder)/\(inner)", archives) {
                    entries.append(entry)
                }
            }
        }
        return entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// A video by its name, or what is wrong with it; nil for other files. A pipe is not waited for.
    private static func file(_ name: String, _ path: String, _ archives: Bool) -> VideoEntry? {
        let isArchive = archives && VideoEntry(name: name, path: path).isArchive
        let likeness = isArchive ? .certain : VideoFiles.likeness(name)
        if likeness == .none { return nil }
        var status = stat()
        if path.withPathBytes({ stat($0, &status) }) != 0 {
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
}
