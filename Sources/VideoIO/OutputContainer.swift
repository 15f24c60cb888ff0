import CFFmpeg
import TensorFiles

/// The containers that are written: one file or stream each, by our own callbacks. Formats that open
/// files of their own beside the output, or addresses, are not among them; numbered pictures are
/// (`PictureFiles`).
struct OutputContainer {
    let format: UnsafePointer<AVOutputFormat>

    /// The name that libav has for it.
    var name: String { String(cString: format.pointee.name) }
    /// Whether every frame becomes a file, or one becomes the only file.
    var isPictures: Bool { name == "image2" }
    /// Whether it is of the family of mp4, which goes back in what was written.
    var isMP4: Bool { OutputContainer.mp4.contains(name) }

    /// What a container can say beside the data of its tracks.
    struct Holding: OptionSet {
        let rawValue: Int
        static let allTags = Holding(rawValue: 1)
        static let commonTags = Holding(rawValue: 2)
        static let chapters = Holding(rawValue: 4)
        static let languages = Holding(rawValue: 8)
        static let titles = Holding(rawValue: 16)
        static let dispositions = Holding(rawValue: 32)
        static let attachments = Holding(rawValue: 64)
        static let covers = Holding(rawValue: 128)
    }

    /// As tried with libav's muxers and demuxers (`what a container holds` in the tests).
    var holding: Holding {
        switch name {
        case "matroska":
            [.allTags, .chapters, .languages, .titles, .dispositions, .attachments]
        case "webm": [.allTags, .chapters, .languages, .titles, .dispositions]
        case "nut": [.allTags, .chapters, .languages, .titles]
        case "mp4": [.commonTags, .chapters, .languages, .dispositions, .covers]
        case "ipod": [.commonTags, .chapters, .languages, .covers]
        case "mov", "3gp", "3g2", "psp", "f4v", "ismv": [.commonTags, .chapters, .languages]
        case "asf": [.allTags, .chapters, .languages]
        case "avi": [.commonTags, .titles]
        case "flv": [.allTags]
        case "mpegts": [.languages]
        case "ogg", "ogv": [.allTags, .chapters, .languages, .titles]
        default: []
        }
    }

    /// What a container can say that a track is for.
    var dispositions: Int32 {
        if holding.contains(.dispositions) { return -1 }
        let ofNUT = AV_DISPOSITION_DUB | AV_DISPOSITION_ORIGINAL | AV_DISPOSITION_COMMENT
        return AV_DISPOSITION_DEFAULT | (name == "nut" ? ofNUT : AV_DISPOSITION_DUB)
    }

    /// Tags that mp4 and avi have a place for.
    static let commonTags: Set<String> = [
        "title", "artist", "album", "comment", "date", "genre", "copyright",
    ]

    private static let mp4: Set<String> = [
        "mp4", "mov", "ipod", "3gp", "3g2", "psp", "f4v", "ismv",
    ]

    private static let allowed: Set<String> = mp4.union([
        "amv", "apng", "asf", "asf_stream", "avi", "avif", "cavsvideo", "crc", "dirac", "dnxhd",
        "dv",
        "dvd", "ffmetadata", "filmstrip", "flv", "framecrc", "framehash", "framemd5", "gif", "gxf",
        "h261", "h263", "h264", "hash", "hevc", "image2", "image2pipe", "ivf", "m4v", "matroska",
        "md5", "mjpeg", "mpeg", "mpeg1video", "mpeg2video", "mpegts", "mpjpeg", "mxf", "mxf_d10",
        "mxf_opatom", "nut", "obu", "ogg", "ogv", "rawvideo", "rm", "roq", "smjpeg", "streamhash",
        "svcd", "swf", "vc1", "vcd", "vob", "webm", "webp", "wtv", "yuv4mpegpipe",
    ])

    /// The format that is asked for, or that the file's name or the input calls for.
    ///
    /// - Throws: `VideoIOError.usage`.
    init(_ options: OutputOptions, _ stream: VideoStreamInfo) throws(VideoIOError) {
        if let asked = options.format {
            guard let format = av_guess_format(asked, nil, nil) else {
                throw .usage("--output-format \(asked): no such output format")
            }
            self.format = format
            if !isAllowed {
                throw .usage(
                    "--output-format \(asked): it writes files or addresses of its own beside the "
                        + "output, which is not done; expected a format of one file (mp4, matroska, "
                        + "nut)")
            }
            return
        }
        if PicturePattern(options.url) != nil, options.url != "-",
            av_guess_codec(
                av_guess_format("image2", nil, nil), nil, options.url, nil, AVMEDIA_TYPE_VIDEO)
                != AV_CODEC_ID_NONE, let format = av_guess_format("image2", nil, nil)
        {
            self.format = format
            return
        }
        if let format = av_guess_format(nil, options.url, nil), options.url != "-" {
            self.format = format
            if !isAllowed {
                throw .usage(
                    "\(options.url): \(name) is written as many files, which is not done; expected a "
                        + "format of one file (.mp4, .mkv, .nut)")
            }
            return
        }
        if options.url != "-", FileIdentity(path: options.url)?.isRegular ?? true {
            throw .usage(
                "\(options.url): no known ending: expected that of a format (.mp4, .mkv, .webm, .nut, "
                    + ".y4m, .png, ...), or --output-format")
        }
        // To a pipe, the input's own format where a pipe can hold it, else NUT, which keeps
        // timestamps and audio.
        let own = stream.format == "rawvideo" || stream.format == "yuv4mpegpipe"
        guard let format = av_guess_format(own ? stream.format : "nut", nil, nil) else {
            throw .failure(url: options.url, problem: "libavformat lacks a format for pipes")
        }
        self.format = format
    }

    /// The codec of pictures of this name.
    func pictureCodec(_ url: String) -> AVCodecID {
        av_guess_codec(format, nil, url, nil, AVMEDIA_TYPE_VIDEO)
    }

    private var isAllowed: Bool { OutputContainer.allowed.contains(name) }

    /// Whether the muxer may have a place for a codec, as far as it tells.
    func mayHold(_ track: CopiedTrack) -> Bool {
        let id = track.parameters.pointee.codec_id
        switch track.kind {
        case .attachment: return holding.contains(.attachments)
        case .cover: return !holding.isDisjoint(with: [.attachments, .covers])
        case .other: return false
        case .sound, .subtitle: break
        }
        if name == "mpegts" {  // it takes others as private data, which nothing reads
            return OutputContainer.ofTransportStreams.contains { $0.rawValue == id.rawValue }
        }
        let answer = avformat_query_codec(format, id, 0)
        if name == "nut", OutputContainer.needsBlocks(id) { return false }
        if answer >= 0 { return answer == 1 }
        let known =
            track.kind == .sound ? format.pointee.audio_codec : format.pointee.subtitle_codec
        return known != AV_CODEC_ID_NONE
    }

    /// Sound whose blocks have a length that NUT has no place for: nothing could decode it.
    private static func needsBlocks(_ id: AVCodecID) -> Bool {
        let others = [
            AV_CODEC_ID_WMAV1, AV_CODEC_ID_WMAV2, AV_CODEC_ID_WMAPRO, AV_CODEC_ID_WMAVOICE,
            AV_CODEC_ID_WMALOSSLESS, AV_CODEC_ID_ATRAC3, AV_CODEC_ID_ATRAC3P, AV_CODEC_ID_COOK,
            AV_CODEC_ID_SIPR,
        ]
        return (AV_CODEC_ID_ADPCM_IMA_QT.rawValue..<AV_CODEC_ID_AMR_NB.rawValue)
            .contains(id.rawValue) || others.contains { $0.rawValue == id.rawValue }
    }

    private static let ofTransportStreams = [
        AV_CODEC_ID_MP1, AV_CODEC_ID_MP2, AV_CODEC_ID_MP3, AV_CODEC_ID_AAC, AV_CODEC_ID_AAC_LATM,
        AV_CODEC_ID_AC3, AV_CODEC_ID_EAC3, AV_CODEC_ID_DTS, AV_CODEC_ID_TRUEHD, AV_CODEC_ID_OPUS,
        AV_CODEC_ID_S302M, AV_CODEC_ID_DVB_SUBTITLE, AV_CODEC_ID_DVB_TELETEXT,
        AV_CODEC_ID_HDMV_PGS_SUBTITLE,
    ]
}
