import Glibc
import TensorFiles
import VideoIO

/// The videos in a tar stream of WebDataset's layout: each is copied to a file without a name, one sample at
/// a time, so that a video can be read whose index is at its end.
final class ArchivedVideos {
    /// A video, and what its sample has beside it.
    struct Found {
        let video: SetRecord.Video
        let file: ScratchFile
        var companions: [String: [UInt8]]
    }

    /// The archive's.
    let name: String
    private let file: ScratchFile
    private var tar: TarReader
    /// The first member of the next sample.
    private var waiting: TarReader.Member?
    private var found: [Found] = []
    private var ended = false
    /// The videos that were met: one that was added again is there twice.
    private var names: Set<Int> = []
    /// Videos that are named and not to be had, since the caller emptied it.
    var problems: [(name: String, problem: String)] = []
    /// Whether a video was met, read or not.
    private(set) var hasVideos = false

    /// Most of a sample's videos, on the disk.
    private static let maximumBytes = 1 << 36
    private static let maximumVideos = 32

    /// Opens an archive.
    ///
    /// - Throws: `VideoIOError.badInput`.
    init(_ entry: VideoEntry, _ cancellation: Cancellation) throws {
        name = entry.name
        file = ScratchFile(try Cancellation.open(entry.path))
        tar = TarReader(
            Descriptor(file.descriptor, place: entry.name, wake: cancellation.wakeDescriptor))
    }

    /// The next video that is wanted.
    ///
    /// - Parameters:
    ///   - endings: of the files beside it that go along.
    ///   - folder: where it may be put by.
    ///   - isWanted: looks at what is known of it before it is read.
    /// - Returns: nil at the end.
    /// - Throws: `StreamError` for the archive's faults, after the whole samples before; `NewFileError` and
    ///   `VideoIOError.failure` where there is no room.
    func next(
        _ endings: [String], in folder: String, _ isWanted: (SetRecord.Video) -> Bool
    ) throws -> Found? {
        while found.isEmpty, !ended {
            found = try sample(endings, folder, isWanted).reversed()
        }
        return found.popLast()
    }

    /// The next member; links are noted.
    private func nextMember() throws -> TarReader.Member? {
        defer {
            for link in tar.links where VideoFiles.likeness(link) == .certain {
                problems.append(
                    (
                        "\(name)/\(link)",
                        "expected a file, found a link or a file with holes, whose bytes are not in the "
                            + "tar (tar --dereference --hard-dereference)"
                    ))
            }
            tar.links = []
        }
        return try tar.next()
    }

    /// The videos of the next sample.
    private func sample(
        _ endings: [String], _ folder: String, _ isWanted: (SetRecord.Video) -> Bool
    ) throws -> [Found] {
        guard let first = try waiting ?? nextMember() else {
            ended = true
            return []
        }
        waiting = nil
        let (key, _) = ArchivedVideos.parts(first.name)
        var (videos, companions): ([Found], [String: [UInt8]]) = ([], [:])
        var member = first
        while true {
            let ending = ArchivedVideos.parts(member.name).ending
            if endings.contains(ending) {
                // KEY.json is the clip's own.
                companions[ending == "json" ? "source.json" : ending] = try tar.contents(
                    of: member, limit: 16 << 20)
            } else if VideoFiles.likeness(member.name) == .certain {
                hasVideos = true
                let video = SetRecord.Video(
                    name: "\(name)/\(member.name)",
                    key: SampleName(ofMember: "\(name)/\(member.name)").text,
                    bytes: Int64(member.size),
                    modified: Int64(member.modified).multipliedReportingOverflow(by: 1_000_000_000)
                        .partialValue)
                if !names.insert(video.name.hashValue).inserted {
                    problems.append(
                        (video.name, "is there twice in this tar, and the first is taken"))
                } else if isWanted(video) {
                    try check(videos, member)
                    videos.append(
                        Found(video: video, file: try copy(member, folder), companions: [:]))
                }
            }
            guard let next = try nextMember() else {
                ended = true
                break
            }
            if ArchivedVideos.parts(next.name).key != key {
                waiting = next
                break
            }
            member = next
        }
        for index in videos.indices { videos[index].companions = companions }
        return videos
    }

    private func check(_ videos: [Found], _ member: TarReader.Member) throws {
        let bytes = videos.reduce(member.size) { $0 + Int($1.video.bytes) }
        if bytes > ArchivedVideos.maximumBytes || videos.count >= ArchivedVideos.maximumVideos {
            throw StreamError.malformed(
                place: "\(name)/\(member.name)",
                expected: "samples of at most \(ArchivedVideos.maximumVideos) videos and "
                    + "\(ArchivedVideos.maximumBytes >> 30) GB",
                found: "\(videos.count + 1) of \(bytes) bytes")
        }
    }

    private func copy(
        _ member: TarReader.Member, _ folder: String
    ) throws -> ScratchFile {
        let folder = NewFile.temporaryFolder ?? folder
        let copy = ScratchFile(try NewFile.scratch(in: folder))
        // What cannot be written is the disk's fault, and no video's.
        let place =
            "\(folder), a temporary file of \(member.size) bytes (TMPDIR names another folder)"
        let output = Descriptor(copy.descriptor, place: place)
        do throws(StreamError) {
            try tar.copy(member, to: output)
        } catch {
            guard case .failure(let failed, let problem) = error, failed == place else {
                throw error
            }
            throw VideoIOError.failure(url: place, problem: problem)
        }
        lseek(copy.descriptor, 0, SEEK_SET)
        return copy
    }

    /// In WebDataset's layout the folder is a part of the key, and all after the name's first dot is the
    /// ending.
    private static func parts(_ name: String) -> (key: Substring, ending: String) {
        let base = name.lastIndex(of: "/").map(name.index(after:)) ?? name.startIndex
        guard let dot = name[base...].firstIndex(of: ".") else { return (name[...], "") }
        return (name[..<dot], String(name[name.index(after: dot)...]))
    }
}

/// An open file, closed when nobody reads it any more.
final class ScratchFile {
    let descriptor: Int32

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }
}
