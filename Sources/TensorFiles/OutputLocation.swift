import CSystem
import Glibc

/// Where the path of an output leads, links followed.
enum OutputLocation {
    /// A name in an open folder, which whoever gets it closes, and what has that name already.
    case file(folder: Int32, name: String, existing: stat?)
    /// A pipe or device.
    case special(path: String, identity: FileIdentity)
    /// An open descriptor, which stays open.
    case descriptor(Int32)

    /// What is there already.
    var identity: FileIdentity? {
        switch self {
        case .file(_, _, let existing): existing.map { FileIdentity($0) }
        case .special(_, let identity): identity
        case .descriptor(let number): FileIdentity(descriptor: number)
        }
    }

    private static let maximumLinks = 40

    /// Follows a path to its end; the last name need not exist.
    init(_ path: String, _ place: String) throws(NewFileError) {
        if path == "-" {
            self = .descriptor(1)
            return
        }
        var path = path
        for _ in 0..<OutputLocation.maximumLinks {
            let (parent, name) = OutputLocation.split(path)
            if name.isEmpty || name == "." || name == ".." {
                throw .refused("\(place): expected a file to write, found a folder")
            }
            let folder = try OutputLocation.open(parent, place)
            var status = stat()
            let found = name.withPathBytes { fstatat(folder, $0, &status, AT_SYMLINK_NOFOLLOW) }
            if found != 0, errno != ENOENT {
                let problem = String(cString: strerror(errno))
                close(folder)
                throw .failure(place: place, problem: "cannot be written: \(problem)")
            }
            if found == 0, status.st_mode & S_IFMT == S_IFLNK {
                defer { close(folder) }
                if OutputLocation.isOpenDescriptors(folder), let number = Int32(name) {
                    self = .descriptor(number)
                    return
                }
                let target = OutputLocation.link(name, in: folder)
                if name.withPathBytes({ fstatat(folder, $0, &status, 0) }) == 0,
                    status.st_mode & S_IFMT != S_IFREG || target.isEmpty
                {
                    // Not by the link's text, which may be no path: pipe:[4711].
                    self = try OutputLocation.special(path, status, place)
                    return
                }
                path = target.hasPrefix("/") ? target : parent + target
                continue
            }
            if found != 0 || status.st_mode & S_IFMT == S_IFREG {
                let writable =
                    found != 0
                    || name.withPathBytes { faccessat(folder, $0, W_OK, AT_EACCESS) } == 0
                if !writable {
                    let problem = String(cString: strerror(errno))
                    close(folder)
                    throw .failure(place: place, problem: "cannot be written: \(problem)")
                }
                self = .file(folder: folder, name: name, existing: found == 0 ? status : nil)
                return
            }
            close(folder)
            self = try OutputLocation.special(path, status, place)
            return
        }
        throw .failure(place: place, problem: "cannot be written: too many links")
    }

    private static func special(
        _ path: String, _ status: stat, _ place: String
    ) throws(NewFileError) -> OutputLocation {
        if status.st_mode & S_IFMT == S_IFDIR {
            throw .refused("\(place): expected a file to write, found a folder")
        }
        if path.withPathBytes({ access($0, W_OK) }) != 0 {
            throw .failure(
                place: place, problem: "cannot be written: \(String(cString: strerror(errno)))")
        }
        return .special(path: path, identity: FileIdentity(status))
    }

    /// A path's folder, with the slash at its end, and the name in it.
    private static func split(_ path: String) -> (folder: String, name: String) {
        let end = path.unicodeScalars.lastIndex(of: "/").map(path.unicodeScalars.index(after:))
        guard let end else { return ("", path) }
        return (String(path[..<end]), String(path[end...]))
    }

    private static func open(_ path: String, _ place: String) throws(NewFileError) -> Int32 {
        let folder = (path.isEmpty ? "." : path).withPathBytes { bytes in
            let folder = Glibc.open(bytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            // One that may be written but not listed.
            if folder >= 0 || errno != EACCES { return folder }
            return Glibc.open(bytes, vt_path_only | O_DIRECTORY | O_CLOEXEC)
        }
        if folder < 0 {
            throw .failure(
                place: place, problem: "cannot be written: \(String(cString: strerror(errno)))")
        }
        return folder
    }

    /// Whether a folder is that of this process's open descriptors: /dev/fd.
    private static func isOpenDescriptors(_ folder: Int32) -> Bool {
        FileIdentity(descriptor: folder) == FileIdentity(path: "/proc/self/fd")
    }

    private static func link(_ name: String, in folder: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = name.withPathBytes { name in
            bytes.withUnsafeMutableBytes { buffer in
                buffer.baseAddress.map {
                    readlinkat(
                        folder, name, $0.assumingMemoryBound(to: CChar.self), buffer.count)
                } ?? -1
            }
        }
        return String(pathBytes: bytes.prefix(max(count, 0)))
    }
}
