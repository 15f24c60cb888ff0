import CFFmpeg

/// What travels from an input to an output beside its video, as it is: sound, subtitles, chapters,
/// attachments, and what the container says of itself and its tracks.
public final class CopiedTracks: Sendable {
    let tracks: [CopiedTrack]
    let chapters: [Chapter]
    /// What the container says of itself: title, artist, date.
    let metadata: Metadata
    /// What it says of the video: language, title.
    let videoMetadata: Metadata
    let videoDisposition: Int32
    /// Tracks that no output gets, by name.
    let lost: [String]

    /// Whether there is sound.
    public var hasSound: Bool { tracks.contains { $0.kind == .sound } }

    /// A named part of the time.
    struct Chapter: Sendable {
        let id: Int64
        let timeBase: Rational
        let start, end: Int64
        let metadata: Metadata
    }

    /// More are left out.
    private static let maximumChapters = 1000

    /// Chooses what goes with a video: all of its program, where the container has several.
    init(_ context: UnsafeMutablePointer<AVFormatContext>, video: Int32) {
        var (tracks, lost): ([CopiedTrack], [String]) = ([], [])
        var numbers: [CopiedTrack.Kind: Int] = [:]
        var foreign = 0
        let program = CopiedTracks.program(of: video, context)
        for index in 0..<Int32(clamping: context.pointee.nb_streams) where index != video {
            guard let stream = context.pointee.streams[Int(index)] else { continue }
            // Tracks that the demuxer has used up itself: those that hold the chapters' names.
            if stream.pointee.discard == AVDISCARD_ALL { continue }
            if let program, !program.contains(index) {
                foreign += 1
                continue
            }
            let kind = CopiedTrack.Kind(stream)
            numbers[kind, default: 0] += 1
            let track = CopiedTrack(stream, kind, number: numbers[kind] ?? 1)
            if let track, kind != .other {
                tracks.append(track)
            } else if let track {
                lost.append(track.name)
            }
        }
        if foreign > 0 { lost.append("\(foreign) tracks of other programs") }
        self.tracks = tracks
        var chapters: [Chapter] = []
        for index in 0..<min(Int(context.pointee.nb_chapters), CopiedTracks.maximumChapters) {
            guard let chapter = context.pointee.chapters[index]?.pointee,
                chapter.start != vt_no_pts, chapter.end == vt_no_pts || chapter.end >= chapter.start
            else { continue }
            chapters.append(
                Chapter(
                    id: chapter.id, timeBase: Rational(chapter.time_base), start: chapter.start,
                    end: chapter.end, metadata: Metadata(chapter.metadata, without: [])))
        }
        if Int(context.pointee.nb_chapters) > chapters.count {
            lost.append("\(Int(context.pointee.nb_chapters) - chapters.count) chapters")
        }
        self.chapters = chapters
        self.lost = lost
        metadata = Metadata(context.pointee.metadata, without: Metadata.ofContainers)
        let stream = context.pointee.streams[Int(video)]
        videoMetadata = Metadata(
            stream?.pointee.metadata, without: Metadata.ofTracks.union(Metadata.ofCodedVideo))
        videoDisposition = (stream?.pointee.disposition ?? 0) & ~Int32(AV_DISPOSITION_ATTACHED_PIC)
    }

    /// The streams of the program that a stream is in; nil where there is one program at most.
    private static func program(
        of video: Int32, _ context: UnsafeMutablePointer<AVFormatContext>
    ) -> Set<Int32>? {
        guard context.pointee.nb_programs > 1,
            let program = av_find_program_from_stream(context, nil, video)
        else { return nil }
        return Set(
            (0..<Int(program.pointee.nb_stream_indexes)).map {
                Int32(clamping: program.pointee.stream_index[$0])
            })
    }
}

/// A track that is copied packet by packet, or as a whole.
final class CopiedTrack: @unchecked Sendable {  // nothing is changed after it is made
    enum Kind: String {
        case sound = "audio"
        case subtitle
        case attachment
        /// A picture that stands for the whole file.
        case cover
        /// What has no place beside reconstructed frames: further pictures, data.
        case other

        init(_ stream: UnsafeMutablePointer<AVStream>) {
            switch stream.pointee.codecpar.pointee.codec_type {
            case AVMEDIA_TYPE_AUDIO: self = .sound
            case AVMEDIA_TYPE_SUBTITLE: self = .subtitle
            case AVMEDIA_TYPE_ATTACHMENT: self = .attachment
            case AVMEDIA_TYPE_VIDEO
            where stream.pointee.disposition & AV_DISPOSITION_ATTACHED_PIC != 0:
                self = .cover
            default: self = .other
            }
        }
    }

    let kind: Kind
    /// Where it stands in the input.
    let index: Int32
    let parameters: UnsafeMutablePointer<AVCodecParameters>
    let timeBase: Rational
    let metadata: Metadata
    let disposition: Int32
    /// The bytes of a cover.
    let picture: [UInt8]
    /// Whether its data comes in packets, rather than at once.
    var hasPackets: Bool { kind == .sound || kind == .subtitle }
    /// For messages: `audio track 2 (flac, jpn)`.
    let name: String

    init?(_ stream: UnsafeMutablePointer<AVStream>, _ kind: Kind, number: Int) {
        guard let copy = avcodec_parameters_alloc() else { return nil }
        parameters = copy
        (self.kind, index) = (kind, stream.pointee.index)
        timeBase = Rational(stream.pointee.time_base)
        metadata = Metadata(stream.pointee.metadata, without: Metadata.ofTracks)
        disposition = stream.pointee.disposition
        let data = stream.pointee.attached_pic
        picture =
            kind == .cover && data.size > 0
            ? Array(UnsafeBufferPointer(start: data.data, count: Int(data.size))) : []
        name = CopiedTrack.name(stream, kind, number, metadata)
        if avcodec_parameters_copy(copy, stream.pointee.codecpar) < 0 { return nil }
    }

    deinit {
        var parameters: UnsafeMutablePointer<AVCodecParameters>? = self.parameters
        avcodec_parameters_free(&parameters)
    }

    private static func name(
        _ stream: UnsafeMutablePointer<AVStream>, _ kind: Kind, _ number: Int, _ metadata: Metadata
    ) -> String {
        let parameters = stream.pointee.codecpar.pointee
        let type =
            kind == .other
            ? av_get_media_type_string(parameters.codec_type).map { String(cString: $0) } ?? "data"
            : kind.rawValue
        let codec =
            kind == .attachment
            ? metadata["filename"] : String(cString: avcodec_get_name(parameters.codec_id))
        let words = [codec, metadata["language"]].compactMap(\.self)
        let about = words.isEmpty ? "" : " (\(words.joined(separator: ", ")))"
        return kind == .cover ? "cover\(about)" : "\(type) track \(number)\(about)"
    }
}

/// One packet of a track on its way from input to output.
public final class CopiedPacket: @unchecked Sendable {
    /// The track's place in the input.
    let track: Int32
    let packet: UnsafeMutablePointer<AVPacket>

    init?(moving source: UnsafeMutablePointer<AVPacket>) {
        guard let packet = av_packet_alloc() else { return nil }
        self.packet = packet
        track = source.pointee.stream_index
        av_packet_move_ref(packet, source)
    }

    deinit {
        var packet: UnsafeMutablePointer<AVPacket>? = self.packet
        av_packet_free(&packet)
    }

    /// Bytes of data.
    var byteCount: Int { Int(packet.pointee.size) }
}

/// Names and values, byte for byte as they came.
final class Metadata: @unchecked Sendable {  // nothing is changed after it is made
    private let dictionary: OpaquePointer?
    /// The names, in their order.
    let keys: [String]

    /// What says how a container was written, and is wrong in another.
    static let ofContainers: Set<String> = [
        "application_platform", "company_name", "compatible_brands", "duration", "encoder",
        "encoding_tool", "generation_uid", "major_brand", "material_package_umid",
        "metadatacreator",
        "minor_version", "modification_date", "operational_pattern_ul", "product_name",
        "product_uid", "product_version", "product_version_num", "software", "timecode",
        "toolkit_version", "toolkit_version_num", "uid",
    ]
    /// What says how a track was written.
    static let ofTracks: Set<String> = [
        "encoder", "duration", "vendor_id", "handler_name", "file_package_umid", "bps",
        "number_of_frames", "number_of_bytes", "variant_bitrate",
    ]
    /// What was true of the video before it was reconstructed.
    static let ofCodedVideo: Set<String> = ["rotate", "timecode", "alpha_mode", "stereo_mode"]

    /// A copy, without some names (in small letters; `name-eng` counts as `name`).
    init(_ source: OpaquePointer?, without left: Set<String>) {
        var (copy, keys): (OpaquePointer?, [String]) = (nil, [])
        var entry = av_dict_get(source, "", nil, AV_DICT_IGNORE_SUFFIX)
        while let found = entry {
            let key = String(cString: found.pointee.key)
            let name = key.lowercased().prefix { $0 != "-" }
            if !left.contains(String(name)), !name.hasPrefix("_statistics_"), keys.count < 1000 {
                av_dict_set(&copy, found.pointee.key, found.pointee.value, 0)
                keys.append(key)
            }
            entry = av_dict_get(source, "", found, AV_DICT_IGNORE_SUFFIX)
        }
        dictionary = copy
        self.keys = keys
    }

    deinit {
        var dictionary = self.dictionary
        av_dict_free(&dictionary)
    }

    subscript(key: String) -> String? {
        av_dict_get(dictionary, key, nil, 0).map { String(cString: $0.pointee.value) }
    }

    /// Adds the names and values to a dictionary of libav's.
    func copy(to target: inout OpaquePointer?) { av_dict_copy(&target, dictionary, 0) }
}
