import Glibc
import LatentIO
import TensorFiles
import VideoIO

/// The folder that the videos of a set come back to: `decode -o FOLDER/`.
struct DecodedFolder {
    /// The folder, without a slash at its end.
    let path: String
    /// The format of all files, where one was asked for.
    private let format: String?

    /// Longest name of a file or folder.
    private static let longestName = 240

    /// Makes the folder if it is not there; the one that it is in has to be.
    ///
    /// - Throws: `VideoIOError.failure`; `.usage` for a format that is none.
    init(output: String, format: String?) throws {
        let name = output.reversed().drop { $0 == "/" }.reversed()
        (path, self.format) = (name.isEmpty ? "/" : String(name), format)
        _ = try VideoFiles.writtenName("", format: format)
        if path.withPathBytes({ mkdir($0, 0o777) }) != 0, errno != EEXIST {
            throw DecodedFolder.failure(path)
        }
    }

    /// The file of a video, below the folder: at its path in the set that it comes from; under the name of its
    /// samples where there was no set, and where that path would not be one below the folder.
    func file(of video: LatentVideos.Video) throws(VideoIOError) -> String {
        let said = video.info.source ?? video.name
        let name = DecodedFolder.isPlain(said) ? said : SampleName(ofMember: said).text
        return try VideoFiles.writtenName(name, format: format)
    }

    /// Whether a path is of names alone, and leads down.
    private static func isPlain(_ path: String) -> Bool {
        let parts = path.pathBytes.split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return parts.allSatisfy { part in
            !part.isEmpty && !part.elementsEqual(".".utf8) && !part.elementsEqual("..".utf8)
                && part.count <= longestName && !part.contains(0)
        }
    }

    /// What stands at the place of a file.
    enum Place {
        case empty
        case file
        /// A link, a folder, a pipe.
        case other
    }

    /// Looks at the place of a file.
    func place(of file: String) -> Place {
        var status = stat()
        guard "\(path)/\(file)".withPathBytes({ lstat($0, &status) }) == 0 else { return .empty }
        return status.st_mode & S_IFMT == S_IFREG ? .file : .other
    }

    /// Makes the folders that a file is in. Links are not followed: below the folder, all is its own.
    ///
    /// - Throws: `VideoIOError.badInput` where something else has such a name, `.failure`.
    func makeFolders(for file: String) throws(VideoIOError) {
        var made = path
        for part in file.unicodeScalars.split(separator: "/").dropLast() {
            made += "/\(String(part))"
            if made.withPathBytes({ mkdir($0, 0o777) }) == 0 { continue }
            if errno != EEXIST { throw DecodedFolder.failure(made) }
            var status = stat()
            guard made.withPathBytes({ lstat($0, &status) }) == 0,
                status.st_mode & S_IFMT == S_IFDIR
            else {
                throw .badInput(
                    url: made,
                    problem: "expected a folder, found "
                        + (status.st_mode & S_IFMT == S_IFLNK
                            ? "a link, which is not followed" : "a file"))
            }
        }
    }

    private static func failure(_ path: String) -> VideoIOError {
        .failure(url: path, problem: "cannot be made: \(String(cString: strerror(errno)))")
    }
}
